"""Where clips are published: one contract, one adapter for each platform, and what they share."""
