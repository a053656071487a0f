"""How published posts do: each by itself, all together, and when they do best."""
