"""A talk of almost three minutes whose truth is known, made on this machine: for the demo, for tests, for measuring."""

from cliply_assets.sample.compose import FILM_NAME, TRUTH_NAME, generate_sample
from cliply_assets.sample.stage import load_truth
from cliply_assets.sample.truth import SampleTruth

__all__ = ["FILM_NAME", "TRUTH_NAME", "SampleTruth", "generate_sample", "load_truth"]
