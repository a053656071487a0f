"""Finding the part where…: what an upload says and shows, as documents, and the index that is derived from them."""
