"""Cliply's Dagster instance: where it keeps its records, how it starts runs and how it knows that they live."""
