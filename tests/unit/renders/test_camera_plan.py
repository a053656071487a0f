"""The camera looks at who matters, calmly, inside the picture, and never across a cut."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cliply_assets.renders.camera import plan_camera, window_size
from cliply_assets.renders.camera_rules import DEFAULT_CAMERA
from cliply_resources.documents import Scenes, Span

HD = (1920, 1080)
UPRIGHT = (1080, 1920)
ASPECTS = {"9:16": UPRIGHT, "1:1": (1080, 1080), "4:5": (1080, 1350), "16:9": HD}
SCHEMA = {
    "time": pl.Float64,
    "track": pl.Int32,
    "person": pl.Int32,
    **dict.fromkeys(("x", "y", "w", "h", "score", "mouth_motion"), pl.Float32),
}


def seen(*people):
    """Rows of people; each is (person, [(time, x, mouth), …]) with x the middle of a face 0.2 high at 0.35 of the picture."""
    return sized(*((person, 0.2, moments) for person, moments in people))


def sized(*people):
    rows = []
    for person, height, moments in people:
        width = height * 9 / 16
        rows += [(t, person, person, x - width / 2, 0.35 - height / 2, width, height, 0.9, m) for t, x, m in moments]
    return pl.DataFrame(sorted(rows), schema=SCHEMA, orient="row")


def still(x, start, end, mouth=0.05):
    return [(float(t), x, mouth) for t in np.arange(start, end, 0.5)]


def shots(*edges):
    return Scenes(shots=tuple(Span(a, b) for a, b in pairwise(edges)), detector="known")


def plan(faces, scenes, *, start=0.0, frames=300, source=HD, target=UPRIGHT, rate=Fraction(30), speech=()):
    return plan_camera(
        faces,
        scenes,
        Span(start, start + float(frames / rate)),
        source_size=source,
        aspect_size=target,
        frame_rate=rate,
        frames=frames,
        speech=speech,
    )


def lefts(moves):
    return [x for move in moves for x in (move.x if len(move.x) > 1 else move.x * move.frames)]


def middle(move, frame=0):
    return (move.x[min(frame, len(move.x) - 1)] + move.width / 2) / HD[0]


def test_a_speaker_who_sits_still_gets_a_camera_that_rests():
    (move,) = plan(seen((0, still(0.6, 0, 10))), shots(0.0, 10.0))

    assert (move.layout, move.width, move.height) == ("crop", 608, 1080)
    assert move.x == (round(0.6 * 1920 - 304),)
    assert move.y == (0,)


@given(wobble=st.lists(st.floats(-0.99, 0.99), min_size=20, max_size=20))
@settings(max_examples=40, deadline=None)
def test_jitter_inside_the_dead_zone_never_moves_the_camera(wobble):
    zone = DEFAULT_CAMERA.dead_zone * 608 / 1920
    (move,) = plan(seen((0, [(k / 2, 0.5 + zone * w, 0.1) for k, w in enumerate(wobble)])), shots(0.0, 10.0))

    assert len(move.x) == 1


def test_a_nod_to_the_side_that_is_over_in_a_second_does_not_move_the_camera():
    moments = still(0.5, 0, 10)
    moments[8] = (4.0, 0.55, 0.1)
    moments[9] = (4.5, 0.55, 0.1)
    (move,) = plan(seen((0, moments)), shots(0.0, 10.0))

    assert len(move.x) == 1


def test_one_change_of_place_is_one_eased_move_between_two_rests():
    (move,) = plan(seen((0, still(0.3, 0, 5) + still(0.6, 5, 10))), shots(0.0, 10.0))
    steps = np.diff(move.x)

    assert middle(move) == pytest.approx(0.3, abs=0.005)
    assert middle(move, 299) == pytest.approx(0.6, abs=0.005)
    assert (steps >= 0).all()
    assert set(move.x[:100]) == {move.x[0]}
    assert set(move.x[200:]) == {move.x[-1]}
    moving = steps[steps > 0]
    assert max(moving[0], moving[-1]) <= 3, "starts and ends gently"
    assert moving.max() >= 10


def test_a_walk_is_one_glide_without_stops():
    (move,) = plan(seen((0, [(t, 0.2 + 0.06 * t, 0.1) for t in np.arange(0, 10, 0.5)])), shots(0.0, 10.0))
    steps = np.diff(move.x)[60:240]

    assert (steps >= 1).all()
    assert steps.max() <= 3 * steps.mean()
    faces = 0.2 + 0.06 * np.arange(300) / 30
    inside = np.abs(faces * 1920 - np.array(move.x) - 304) < 304 - 0.5 * 0.1125 * 1920
    assert inside.mean() >= 0.99


def test_the_camera_changes_at_the_cut_and_at_no_other_frame():
    faces = seen((0, still(0.3, 0, 4)), (1, still(0.7, 4, 10)))
    first, second = plan(faces, shots(0.0, 4.0, 10.0))

    assert (first.frames, second.first_frame) == (120, 120)
    assert (len(first.x), len(second.x)) == (1, 1)
    assert (middle(first), middle(second)) == pytest.approx((0.3, 0.7), abs=0.005)


def test_a_clip_that_starts_inside_a_shot_counts_its_own_frames():
    faces = seen((0, still(0.3, 0, 14)), (1, still(0.7, 14, 30)))
    first, second = plan(faces, shots(0.0, 14.0, 30.0), start=10.0)

    assert (first.first_frame, first.frames, second.frames) == (0, 120, 180)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25), Fraction(24000, 1001), Fraction(60)])
def test_cuts_written_in_milliseconds_fall_on_their_frame(rate):
    cut_frame = 101
    cut = round(float(cut_frame / rate), 3)
    faces = seen((0, still(0.3, 0, cut)), (1, still(0.7, cut + 0.1, 20)))
    first, _ = plan(faces, shots(0.0, cut, 20.0), rate=rate)

    assert first.frames == cut_frame


def test_nobody_there_shows_the_whole_picture():
    (move,) = plan(seen(), shots(0.0, 10.0))

    assert (move.layout, move.frames, move.x) == ("fit", 300, ())


def test_nobody_in_two_shots_in_a_row_is_one_move():
    assert len(plan(seen(), shots(0.0, 3.0, 10.0))) == 1


def test_a_short_absence_is_waited_through():
    (move,) = plan(seen((0, still(0.5, 0, 4) + still(0.5, 7, 10))), shots(0.0, 10.0))

    assert move.layout == "crop"
    assert len(move.x) == 1


def test_a_long_absence_shows_the_whole_picture_until_somebody_is_back():
    moves = plan(seen((0, still(0.5, 0, 6) + still(0.5, 14, 20))), shots(0.0, 20.0), frames=600)

    assert [move.layout for move in moves] == ["crop", "fit", "crop"]
    assert moves[1].frames == pytest.approx(240, abs=20)


def test_a_glimpse_of_a_face_in_a_long_empty_shot_is_passed_over():
    (move,) = plan(seen((0, still(0.5, 9, 10))), shots(0.0, 20.0), frames=600)

    assert move.layout == "fit"


def test_a_shot_too_short_for_a_sample_keeps_the_framing():
    moves = plan(seen((0, still(0.3, 0, 5)), (0, still(0.3, 5.6, 10))), shots(0.0, 5.05, 5.45, 10.0))

    assert {move.layout for move in moves} == {"crop"}


def test_of_two_people_far_apart_the_one_who_speaks_is_shown():
    faces = seen((0, still(0.2, 0, 10, mouth=0.01)), (1, still(0.8, 0, 10, mouth=0.12)))
    (move,) = plan(faces, shots(0.0, 10.0))

    assert middle(move) == pytest.approx(0.8, abs=0.01)


def test_when_the_other_one_speaks_the_picture_jumps_once():
    faces = seen(
        (0, still(0.2, 0, 5, mouth=0.12) + still(0.2, 5, 10, mouth=0.01)),
        (1, still(0.8, 0, 5, mouth=0.01) + still(0.8, 5, 10, mouth=0.12)),
    )
    first, second = plan(faces, shots(0.0, 10.0))

    assert (middle(first), middle(second)) == pytest.approx((0.2, 0.8), abs=0.01)
    assert second.first_frame == pytest.approx(150, abs=20)
    assert (len(first.x), len(second.x)) == (1, 1)


def test_a_switch_falls_on_the_start_of_speech():
    faces = seen(
        (0, still(0.2, 0, 5, mouth=0.12) + still(0.2, 5, 10, mouth=0.01)),
        (1, still(0.8, 0, 5, mouth=0.01) + still(0.8, 5, 10, mouth=0.12)),
    )
    _, second = plan(faces, shots(0.0, 10.0), speech=(Span(0.2, 4.7), Span(4.9, 9.8)))

    assert second.first_frame == 147


def test_a_word_thrown_in_does_not_take_the_picture():
    faces = seen(
        (0, still(0.2, 0, 10, mouth=0.1)),
        (1, [(t, 0.8, 0.16 if t == 5.0 else 0.005) for t, _, _ in still(0.8, 0, 10)]),
    )
    (move,) = plan(faces, shots(0.0, 10.0))

    assert middle(move) == pytest.approx(0.2, abs=0.01)


def test_chewing_in_silence_is_not_speaking():
    faces = seen(
        (0, still(0.2, 0, 4, mouth=0.1) + still(0.2, 4, 10, mouth=0.01)),
        (1, still(0.8, 0, 4, mouth=0.01) + still(0.8, 4, 10, mouth=0.08)),
    )
    silent_after = plan(faces, shots(0.0, 10.0), speech=(Span(0.0, 3.5),))

    assert len(silent_after) == 1
    assert middle(silent_after[0]) == pytest.approx(0.2, abs=0.01)


def test_the_large_face_wins_when_nobody_speaks():
    faces = sized((0, 0.1, still(0.2, 0, 10, mouth=0)), (1, 0.3, still(0.8, 0, 10, mouth=0)))

    assert middle(plan(faces, shots(0.0, 10.0))[0]) == pytest.approx(0.8, abs=0.01)


def test_two_people_who_fit_together_are_shown_together():
    faces = sized((0, 0.12, still(0.45, 0, 10, mouth=0.1)), (1, 0.12, still(0.55, 0, 10, mouth=0.01)))
    (move,) = plan(faces, shots(0.0, 10.0), target=(1080, 1080))

    assert middle(move) == pytest.approx(0.5, abs=0.01)


def test_between_people_close_to_each_other_the_camera_pans():
    faces = sized(
        (0, 0.3, still(0.42, 0, 5, mouth=0.15) + still(0.42, 5, 10, mouth=0.005)),
        (1, 0.3, still(0.57, 0, 5, mouth=0.005) + still(0.57, 5, 10, mouth=0.15)),
    )
    (move,) = plan(faces, shots(0.0, 10.0))

    assert middle(move) == pytest.approx(0.42, abs=0.01)
    assert middle(move, 299) == pytest.approx(0.57, abs=0.01)


def test_16_to_9_from_16_to_9_is_the_whole_picture():
    (move,) = plan(seen((0, still(0.2, 0, 10))), shots(0.0, 5.0, 10.0), target=HD)

    assert (move.width, move.height, move.x, move.y) == (1920, 1080, (0,), (0,))


def test_a_vertical_source_is_shown_whole_in_9_to_16():
    (move,) = plan(seen(), shots(0.0, 10.0), source=(720, 1280))

    assert (move.layout, move.width, move.height) == ("crop", 720, 1280)


def test_a_vertical_source_is_cut_with_head_room_for_a_square():
    (move,) = plan(seen((0, still(0.5, 0, 10))), shots(0.0, 10.0), source=(1080, 1920), target=(1080, 1080))

    assert (move.width, move.height) == (1080, 1080)
    assert (0.35 * 1920 - move.y[0]) / 1080 == pytest.approx(0.4, abs=0.01)


def test_a_nearly_right_picture_without_people_is_cut_rather_than_shrunk():
    (move,) = plan(seen(), shots(0.0, 10.0), source=(640, 480), target=(600, 490))

    assert (move.layout, move.x, move.y) == ("crop", ((640 - move.width) // 2,), (0,))


def test_a_small_face_in_a_sharp_source_is_brought_closer_with_head_room():
    faces = sized((0, 0.06, still(0.5, 0, 10)))
    (move,) = plan(faces, shots(0.0, 10.0), source=(3840, 2160))

    assert move.height == 960, "no further than two output pixels for one of the source"
    assert (0.35 * 2160 - move.y[0]) / move.height == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("source", [(1919, 1079), (641, 361), (608, 1080), (320, 240), (1080, 1080)])
@pytest.mark.parametrize("aspect", ASPECTS)
def test_windows_are_even_and_inside_odd_sources(source, aspect):
    width, height = window_size(source, ASPECTS[aspect])

    assert width % 2 == height % 2 == 0
    assert 0 < width <= source[0]
    assert 0 < height <= source[1]
    wanted = ASPECTS[aspect][0] / ASPECTS[aspect][1]
    assert width / height == pytest.approx(wanted, rel=0.015)


def test_a_film_of_unknown_shots_beyond_its_end_is_still_covered():
    moves = plan(seen((0, still(0.5, 0, 4))), shots(0.0, 4.0), frames=150)

    assert sum(move.frames for move in moves) == 150


people = st.lists(
    st.tuples(
        st.floats(0.05, 0.4),
        st.lists(st.tuples(st.floats(-0.1, 1.1), st.floats(0, 0.4), st.booleans()), min_size=0, max_size=24),
    ),
    max_size=3,
)


@given(
    people=people,
    cuts=st.lists(st.floats(0.3, 11.5), max_size=4, unique=True),
    start=st.floats(0, 6),
    frames=st.integers(1, 200),
    source=st.sampled_from([HD, (640, 360), (1080, 1920), (3840, 2160), (1279, 719)]),
    aspect=st.sampled_from(sorted(ASPECTS)),
    rate=st.sampled_from([Fraction(30), Fraction(24000, 1001), Fraction(60)]),
)
@settings(max_examples=120, deadline=None)
def test_whatever_is_seen_the_window_stays_inside_adds_up_and_keeps_to_the_speed_limit(
    people, cuts, start, frames, source, aspect, rate
):
    edges = sorted({0.0, *(round(cut, 3) for cut in cuts), 12.0})
    assume(all(b - a > 0.05 for a, b in pairwise(edges)))
    faces = sized(
        *(
            (number, height, [(k / 2, x, mouth) for k, (x, mouth, here) in enumerate(moments) if here])
            for number, (height, moments) in enumerate(people)
        )
    )
    moves = plan(faces, shots(*edges), start=start, frames=frames, source=source, target=ASPECTS[aspect], rate=rate)

    assert [move.first_frame for move in moves] == [
        sum(move.frames for move in moves[:number]) for number in range(len(moves))
    ]
    assert sum(move.frames for move in moves) == frames
    for move in moves:
        assert move.frames > 0
        if move.layout == "fit":
            assert (move.x, move.y) == ((), ())
            continue
        assert move.width % 2 == move.height % 2 == 0
        for line, size, most in ((move.x, move.width, source[0]), (move.y, move.height, source[1])):
            assert len(line) in (1, move.frames)
            assert min(line) >= 0
            assert max(line) + size <= most
            limit = DEFAULT_CAMERA.max_speed * size / float(rate)
            assert np.abs(np.diff(line)).max(initial=0) <= limit + 1, "one pixel for rounding"


def test_the_same_input_gives_the_same_camera():
    faces = seen((0, [(t, 0.3 + 0.05 * np.sin(t), 0.1) for t in np.arange(0, 10, 0.5)]))

    assert plan(faces, shots(0.0, 10.0)) == plan(faces, shots(0.0, 10.0))
