"""For whoever looks after the whole installation. Everything here is written down."""
