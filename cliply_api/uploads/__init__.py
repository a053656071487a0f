"""Uploads: films that were given to Cliply, and how far the work on them is."""
