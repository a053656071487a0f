"""API tokens: a program's own keys to one workspace."""
