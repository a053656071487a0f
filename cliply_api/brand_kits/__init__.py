"""Brand kits: how a workspace wants its clips to look."""
