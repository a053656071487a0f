"""Signals share one grid and one scale, and what is missing does no harm."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.highlights.timeline import build_timeline, normalised
from cliply_resources.documents import HeatmapPoint


def timeline(duration=30.0, **given_signals):
    nothing = {"audio": None, "motion": None, "faces": None, "cuts": (), "heatmap": (), "sentences": (), "readings": ()}
    return build_timeline(duration, **{**nothing, **given_signals})


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_normalised_values_lie_between_0_and_1_around_the_median(values):
    scaled = normalised(np.array(values))
    if scaled is not None:
        assert scaled.min() >= 0
        assert scaled.max() <= 1
        assert np.median(scaled) == pytest.approx(0.5, abs=0.5 if len(values) % 2 == 0 else 1e-6)


def test_one_outlier_does_not_flatten_the_rest():
    values = np.concatenate([np.linspace(0, 1, 99), [1e6]])
    scaled = normalised(values)
    assert np.ptp(scaled[:99]) > 0.4


def test_what_never_changes_says_nothing():
    motion = pl.DataFrame({"time": np.arange(0, 30, 0.5), "motion": np.full(60, 0.3)})
    assert timeline(motion=motion).columns == {}


def test_a_missing_signal_leaves_its_weight_to_the_others():
    rng = np.random.default_rng(0)
    motion = pl.DataFrame({"time": np.arange(0, 30, 0.5), "motion": rng.random(60)})
    alone = timeline(motion=motion)
    assert alone.weighted({"motion": 1.0}) == pytest.approx(alone.weighted({"motion": 1.0, "text": 4.0, "faces": 2.0}))


def test_the_grid_covers_the_film_and_its_last_part_row():
    assert timeline(duration=10.2, cuts=(5.0,)).table({"cuts": 1.0}).height == 21


def test_the_first_stretch_of_a_heatmap_is_not_believed():
    points = [HeatmapPoint(start=k, end=k + 1, value=1.0 if k == 0 else 0.1 + 0.01 * k) for k in range(30)]
    replayed = timeline(heatmap=points).columns["replayed"]
    assert replayed[0] < replayed[-1]


def test_broken_numbers_do_not_spread():
    motion = pl.DataFrame({"time": np.arange(0, 30, 0.5), "motion": [float("nan"), *np.arange(59.0)]})
    assert np.isfinite(timeline(motion=motion).weighted({"motion": 1.0})).all()
