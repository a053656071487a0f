"""Posts on their way to the platforms."""
