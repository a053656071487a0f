"""One coordinate of the camera: it rests, eases, keeps to its limit and never overshoots."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.renders.camera_path import calm_samples, limit_speed, rest_and_ease

lines = st.lists(st.floats(0, 1000), min_size=1, max_size=120).map(np.array)


@given(target=lines, dead=st.floats(1, 200), step=st.floats(0.5, 50))
@settings(max_examples=80, deadline=None)
def test_a_path_keeps_to_its_speed_and_to_the_range_of_its_target(target, dead, step):
    path = rest_and_ease(target, dead=dead, ease=20, max_step=step)

    assert len(path) == len(target)
    assert np.abs(np.diff(path)).max(initial=0) <= step + 1e-6
    assert target.min() - 1e-6 <= path.min()
    assert path.max() <= target.max() + 1e-6


@given(target=lines)
@settings(max_examples=50, deadline=None)
def test_a_target_that_stays_within_the_dead_zone_gets_one_resting_place(target):
    path = rest_and_ease(target, dead=float(np.ptp(target)) / 2 + 0.01, ease=20, max_step=5)

    assert np.ptp(path) < 1e-9
    assert np.abs(path - target).max() <= np.ptp(target) / 2 + 0.011


def test_a_slow_enough_walk_is_never_lost():
    target = np.linspace(0, 600, 600)
    path = rest_and_ease(target, dead=60, ease=27, max_step=16)

    assert np.abs(path - target).max() <= 90
    assert (np.diff(path) >= -1e-9).all()


@given(path=lines, step=st.floats(0.1, 100))
@settings(max_examples=60, deadline=None)
def test_limiting_a_calm_path_changes_nothing_and_limiting_twice_is_limiting_once(path, step):
    limited = limit_speed(path, step)

    assert limit_speed(limited, step) == pytest.approx(limited, abs=1e-6)
    assert np.abs(np.diff(limited)).max(initial=0) <= step + 1e-6


@given(values=lines, zone=st.floats(0, 100))
@settings(max_examples=60, deadline=None)
def test_calming_never_leaves_what_was_seen_by_more_than_the_zone(values, zone):
    assert np.abs(calm_samples(values, zone=zone) - values).max() <= zone + 1e-9


def test_calming_keeps_steps_and_drops_what_is_over_in_a_second():
    step = np.array([0.0] * 8 + [100.0] * 8)
    gesture = np.array([0.0] * 8 + [100.0] * 2 + [0.0] * 8)

    assert calm_samples(step, zone=200).tolist() == step.tolist()
    assert calm_samples(gesture, zone=200).max() == 0
