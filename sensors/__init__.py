"""Sensors: a short tick each, beside the pure function that says what is due."""
