"""The spec decides the bytes: what is in it, what it refuses, and how it is named."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.renders.command import SoundCorrection, render_command, sound_command
from cliply_assets.renders.spec import check_spec, clip_grid, output_frame_rate, plan_loudness, spec_digest
from cliply_resources.documents import CameraMove, RenderSpec, Word
from cliply_resources.errors import StepFailed


def plain(films, **changes):
    words = (
        Word(text="before", start=0.1, end=0.4),
        Word(text="inside", start=1.2, end=1.5),
        Word(text="late", start=2.9, end=3.4),
    )
    given = {"start": 1.0, "end": 3.0, "camera": (films.rest(60),), "words": words, "style": "karaoke"}
    return films.spec(films.media(seconds=4.0), **{**given, **changes})


def test_the_same_inputs_give_the_same_digest_and_any_change_another(films):
    spec = plain(films)
    assert spec_digest(spec) == spec_digest(plain(films))
    assert spec_digest(msgspec.json.decode(msgspec.json.encode(spec), type=RenderSpec)) == spec_digest(spec)
    others = (
        plain(films, end=2.9, camera=(films.rest(57),)),
        plain(films, camera=(films.rest(60, x=1),)),
        plain(films, style="bounce"),
        plain(films, title="Another"),
        plain(films, loudness=plan_loudness(-20.0, -3.0)),
        msgspec.structs.replace(spec, ffmpeg_version="5.1.9"),
        msgspec.structs.replace(spec, fonts=dict.fromkeys(spec.fonts, "0")),
    )
    assert len({spec_digest(other) for other in (spec, *others)}) == len(others) + 1


def test_words_are_those_whose_middle_is_inside_with_times_from_the_start(films):
    assert [(w.text, w.start, w.end) for w in plain(films).captions.words] == [("inside", 0.2, 0.5)]
    assert plain(films, style="none").captions.words == ()
    assert plain(films, style="none").fonts == {}
    assert list(plain(films).fonts) == ["SourceSansPro-Black.ttf"]


@settings(max_examples=60, deadline=None)
@given(
    start=st.floats(0, 100),
    length=st.floats(0.1, 90),
    rate=st.sampled_from(["24000/1001", "25/1", "30000/1001", "60/1", "2997/100"]),
)
def test_a_span_is_snapped_to_frames_and_stays_inside_the_film(films, start, length, rate):
    media = films.media(seconds=100.0, rate=rate)
    if start > 99.9:
        return
    grid = clip_grid(start, start + length, media=media)
    assert abs(grid.span.start - start) <= 0.5 / float(grid.frame_rate) + 1e-9
    assert grid.span.end <= 100.0 + 1e-3
    assert grid.frames >= 1
    assert round(grid.span.start * grid.frame_rate) == grid.first_frame


@pytest.mark.parametrize(
    ("rate", "variable", "wanted"),
    [
        ("30/1", False, "30"),
        ("30000/1001", False, "30000/1001"),
        ("2997/100", False, "30000/1001"),
        ("24000/1001", False, "24000/1001"),
        ("120/1", False, "60"),
        ("240000/1001", False, "60000/1001"),
        ("10/1", False, "30"),
        ("28/1", True, "30"),
        ("18/1", False, "18"),
    ],
)
def test_the_output_rate_is_the_sources_own_where_platforms_take_it(films, rate, variable, wanted):
    media = films.media(seconds=5.0, rate=rate, variable_frame_rate=variable)
    assert output_frame_rate(media) == Fraction(wanted)


def test_a_span_outside_the_film_is_refused(films):
    with pytest.raises(StepFailed, match=r"4\.00 s long"):
        clip_grid(4.5, 6.0, media=films.media(seconds=4.0))


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        ((("crop", 0, 59, 90, 160, (0,), (0,)),), "covers 59 frames"),
        ((("crop", 0, 30, 90, 160, (0,), (0,)), ("fit", 31, 29, 0, 0, (), ())), "frame 30 is next"),
        ((("crop", 0, 60, 90, 160, (231,), (0,)),), "leaves the picture"),
        ((("crop", 0, 60, 90, 160, (0, 1), (0,)),), "2 left edges for 60 frames"),
        ((("crop", 0, 60, 0, 160, (0,), (0,)),), "0 × 160"),
    ],
)
def test_a_faulty_camera_path_is_refused(films, camera, sentence):
    names = ("layout", "first_frame", "frames", "width", "height", "x", "y")
    moves = tuple(CameraMove(**dict(zip(names, move, strict=True))) for move in camera)
    with pytest.raises(StepFailed, match=sentence):
        check_spec(msgspec.structs.replace(plain(films), camera=moves))


def test_gain_is_what_is_missing_to_the_target_and_has_a_limit():
    assert plan_loudness(-22.1, -5.5).gain_db == 8.1
    assert plan_loudness(-9.0, 0.3).gain_db == -5.0
    assert plan_loudness(-61.0, -40.0).gain_db == 30.0


def test_one_window_size_makes_one_chain_and_no_path_or_word_gets_into_the_graph(films):
    moves = (films.rest(20), films.rest(20, x=30, first=20), films.rest(20, x=3, first=40))
    command = render_command(plain(films, camera=moves))
    graph = command.output_options[command.output_options.index("-filter_complex") + 1]
    assert graph.count("crop@") == 1
    assert "split" not in graph
    assert "inside" not in " ".join(command.output_options)
    assert command.files["camera0.cmd"] == "0.6657 crop@c0 x 30;\n1.3323 crop@c0 x 3;\n"
    assert "inside" in command.files["captions.ass"]


def test_reading_starts_half_a_second_early_and_never_before_the_film(films):
    early, late = plain(films, start=0.1, end=2.1), plain(films)
    assert "-ss" not in render_command(early).input_options
    seek = render_command(late).input_options
    assert float(seek[seek.index("-ss") + 1]) == pytest.approx(1.0 - 0.5 - 0.25 / 30, abs=1e-5)
    assert "-vn" in sound_command(late, SoundCorrection()).input_options
