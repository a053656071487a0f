"""Posts: asked for, planned, followed, and answered for."""
