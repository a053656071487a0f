"""Runs that start, stop and end by themselves: whose turn it is, what people asked for meanwhile, and what became of each run."""
