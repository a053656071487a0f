"""Work that failed and waits for somebody to decide."""
