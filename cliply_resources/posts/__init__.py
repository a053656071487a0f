"""Posts: one clip on one account at one moment, and the rules by which each is published once, on time, or not at all."""
