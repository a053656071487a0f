"""Whether the installation is alive and ready, and what is wrong with it."""
