"""A talk of almost three minutes whose truth is known, made on this machine: for the demo, for tests, for measuring."""
