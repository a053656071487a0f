"""Cuts are found at exact times; flashes, light and movement are not cuts."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from cliply_assets.vision.scenes import find_scenes, quick_detector
from cliply_resources.errors import StepFailed

FPS = 30


def timing(times, scores=None):
    return pl.DataFrame(
        {"time": np.asarray(times, np.float64), "cut_score": np.asarray(scores or [0.0] * len(times), np.float32)}
    )


def steady(count, fps=FPS):
    return timing(np.arange(count) / fps)


def grainy(pictures, seed=0):
    noise = np.random.default_rng(seed)
    for picture in pictures:
        yield np.clip(picture.astype(np.int16) + noise.integers(-3, 4, picture.shape), 0, 255).astype(np.uint8)


def cuts_of(pictures, table=None):
    pictures = list(pictures)
    table = steady(len(pictures)) if table is None else table
    scenes, _ = find_scenes(grainy(pictures), table, duration=float(table["time"][-1]) + 1 / FPS)
    return scenes.cuts


def test_every_hard_cut_is_found_at_its_first_frame(room):
    pictures = [room(shot) for shot in range(8) for _ in range(20 + 7 * shot)]
    expected = np.cumsum([20 + 7 * shot for shot in range(7)]) / FPS

    assert cuts_of(pictures) == pytest.approx(expected, abs=0.001)


def test_a_film_without_cuts_is_one_shot(room):
    scenes, _ = find_scenes(grainy([room(1)] * 60), steady(60), duration=2.0)

    assert len(scenes.shots) == 1
    assert (scenes.shots[0].start, scenes.shots[0].end) == (0.0, 2.0)


def test_cuts_of_a_variable_frame_rate_carry_presentation_times(room):
    times = np.cumsum([0.0, *([0.02] * 39), *([0.11] * 40)])
    pictures = [room(1)] * 45 + [room(2)] * 35

    assert cuts_of(pictures, timing(times)) == (round(float(times[45]), 3),)


@pytest.mark.parametrize("frames", [1, 2, 4, 9])
def test_a_flash_is_not_a_cut(room, frames):
    dark = room(1)
    bright = np.clip(dark.astype(int) * 0.2 + 200, 0, 255).astype(np.uint8)

    assert cuts_of([dark] * 40 + [bright] * frames + [dark] * 40) == ()


def test_a_cut_right_after_a_flash_is_still_found(room):
    bright = np.full((36, 64, 3), 250, np.uint8)

    assert cuts_of([room(1)] * 40 + [bright] * 3 + [room(1)] * 30 + [room(2)] * 40) == pytest.approx(
        [73 / FPS], abs=0.001
    )


@pytest.mark.parametrize("mixed", [12, 20, 30, 45])
def test_a_dissolve_is_cut_near_its_middle(room, mixed):
    one, other = room(1).astype(np.float32), room(2).astype(np.float32)
    mix = [(one + (other - one) * (k + 1) / (mixed + 1)).astype(np.uint8) for k in range(mixed)]
    cuts = cuts_of([room(1)] * 60 + mix + [room(2)] * 60)

    assert len(cuts) == 1
    assert cuts[0] == pytest.approx((60 + mixed / 2) / FPS, abs=0.25)


def test_light_going_up_is_not_a_cut(room):
    base = room(1).astype(np.float32)
    rising = [np.clip(base * (0.4 + 0.6 * k / 30), 0, 255).astype(np.uint8) for k in range(31)]

    assert cuts_of([rising[0]] * 40 + rising + [rising[-1]] * 40) == ()


def test_a_pan_is_not_a_cut(room):
    wide = room(3, 400, 36)

    assert cuts_of([wide[:, k * 3 : k * 3 + 64] for k in range(100)]) == ()


def test_a_film_of_ten_pictures_a_second_is_not_cut_at_each_of_them(room):
    wide = room(3, 900, 36)

    assert cuts_of([wide[:, k // 3 * 9 : k // 3 * 9 + 64] for k in range(240)]) == ()


def test_of_two_cuts_too_close_for_a_shot_one_stays(room):
    assert len(cuts_of([room(1)] * 40 + [room(2)] * 7 + [room(3)] * 40)) == 1


def test_a_weak_cut_counts_when_ffmpeg_saw_it_too():
    rng = np.random.default_rng(3)
    one = rng.integers(10, 26, (36, 64, 3)).astype(np.uint8)
    other = rng.integers(10, 26, (36, 64, 3)).astype(np.uint8)
    scores = [0.0] * 80
    scores[40] = 12.0

    assert cuts_of([one] * 40 + [other] * 40, timing(np.arange(80) / FPS, scores)) == (round(40 / FPS, 3),)


def test_frames_are_scored_as_pyscenedetect_scores_them(room):
    rules = {"adaptive_threshold": 3.0, "min_content_val": 15.0, "min_scene_len": 1}
    quick, its_own = quick_detector(**rules), AdaptiveDetector(**rules)

    for index, picture in enumerate(grainy([room(1)] * 5 + [room(2)] * 5)):
        frame = FrameTimecode(index, Fraction(FPS))
        assert quick.process_frame(frame, picture) == its_own.process_frame(frame, picture)
        assert quick._frame_score == pytest.approx(its_own._frame_score, abs=1e-9)
    assert index == 9


def test_motion_is_high_where_things_move_and_leaves_cuts_out(room):
    wide = room(3, 500, 36)
    still, moving = [room(1)] * 60, [wide[:, 2 * k : 2 * k + 64] for k in range(60)]
    _, motion = find_scenes(iter(still + moving), steady(120), duration=4.0)
    values = motion["motion"].to_list()

    assert motion["time"].to_list() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert motion.schema == {"time": pl.Float64, "motion": pl.Float32}
    assert max(values[:4]) == 0.0
    assert min(values[4:]) > 0.005
    assert max(values) < 0.1


def test_pictures_that_do_not_belong_to_the_times_are_refused(room):
    with pytest.raises(StepFailed, match="50 pictures, 120 times"):
        find_scenes([room(1)] * 50, steady(120), duration=4.0)


def test_one_lost_frame_at_the_end_is_no_reason_to_fail(room):
    scenes, _ = find_scenes([room(1)] * 59, steady(60), duration=2.0)

    assert len(scenes.shots) == 1


def test_progress_never_falls_and_ends_at_one(room):
    told = []
    find_scenes([room(1)] * 2000, steady(2000), duration=2000 / FPS, progress=lambda done, _: told.append(done))

    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 3


@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=6), fps=st.sampled_from([12, 25, 60]))
@settings(max_examples=15, deadline=None)
def test_shots_always_cover_the_film_without_gaps(room, lengths, fps):
    pictures = [room(shot) for shot, length in enumerate(lengths) for _ in range(length)]
    duration = len(pictures) / fps
    scenes, motion = find_scenes(iter(pictures), steady(len(pictures), fps), duration=duration)

    assert scenes.shots[0].start == 0.0
    assert scenes.shots[-1].end == duration
    assert all(one.end == other.start for one, other in pairwise(scenes.shots))
    assert all(shot.duration >= 0.399 or len(scenes.shots) == 1 for shot in scenes.shots)
    assert motion.height == max(1, int(np.ceil(duration / 0.5 - 1e-9)))
