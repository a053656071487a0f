"""What a kit changes about a render: contrast, places of marks, and exactly the digest that follows from it."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliply_assets.renders.branding import Picture, plan_captions, plan_marks, plan_outro
from cliply_assets.renders.styles import load_style, shape_of
from cliply_resources.brands.colours import contrast, contrast_warnings
from cliply_resources.documents import BrandKit, CaptionPlan, Word
from cliply_resources.documents.brands import BrandColours, BrandFile, BrandMark, BrandOutro, CaptionChanges, Placement
from cliply_resources.documents.clips import ASPECTS

FILE = BrandFile(key="k", sha256="a" * 64)
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")
WORDS = tuple(Word(text=text, start=0.3 * k, end=0.3 * k + 0.2) for k, text in enumerate(["We", "are", "on", "brand"]))


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize(
    ("colours", "about"),
    [
        (BrandColours(), []),
        (BrandColours(text="#FFE14D"), []),
        (BrandColours(text="#101010"), ["outline", "plate"]),
        (BrandColours(plate="#F0F0F0"), ["plate"]),
        (BrandColours(text="#FFFFFF", spoken="#222222", outline="#000000", plate="#FFFFFF"), ["plate", "outline"]),
    ],
)
def test_warnings_name_the_pairs_that_cannot_be_told_apart(colours, about):
    said = contrast_warnings(colours)
    assert len(said) == len(about)
    assert all(name in sentence for name, sentence in zip(about, said, strict=True))


@given(
    size=st.sampled_from(sorted(ASPECTS.values())),
    corner=st.sampled_from(CORNERS),
    percent=st.floats(2, 40),
    shape=st.tuples(st.integers(16, 2048), st.integers(16, 2048)),
    words=st.booleans(),
)
def test_a_mark_is_whole_inside_what_is_safe_and_never_on_captions(size, corner, percent, shape, words):
    width, height = size
    picture = Picture(width, height, Fraction(30))
    mark = BrandMark(
        file=FILE, width=shape[0], height=shape[1], placement=Placement(corner=corner, width_percent=percent)
    )
    look = load_style("highlight_word")
    middle = look.centre[shape_of(width, height).aspect] * height
    occupied = (0.2 * width, middle - 0.09 * height, 0.8 * width, middle + 0.09 * height) if words else None
    (plan,) = plan_marks(BrandKit(name="k", logo=mark), picture, occupied)
    left, top, right, bottom = shape_of(width, height).safe_area(width, height)
    if width > height:
        left, right = 0.04 * width, 0.96 * width
    assert left - 2 <= plan.x
    assert plan.x + plan.width <= right + 2
    assert top - 2 <= plan.y
    assert plan.y + plan.height <= bottom + 2
    assert plan.x % 2 == plan.y % 2 == plan.width % 2 == plan.height % 2 == 0
    if occupied:
        beside = plan.x + plan.width <= occupied[0] or plan.x >= occupied[2]
        assert beside or plan.y + plan.height <= occupied[1] or plan.y >= occupied[3]
    elif corner.startswith("top"):
        assert plan.y == pytest.approx(top, abs=2)


def test_two_marks_in_two_corners_do_not_meet():
    picture = Picture(1080, 1920, Fraction(30))

    def mark(corner):
        return BrandMark(file=FILE, width=100, height=100, placement=Placement(corner=corner, width_percent=40))

    logo, watermark = plan_marks(
        BrandKit(name="k", logo=mark("top_left"), watermark=mark("bottom_left")), picture, (100, 1200, 980, 1460)
    )
    assert logo.y + logo.height < watermark.y < watermark.y + watermark.height < 1200


@pytest.mark.parametrize(
    ("style", "colours", "changes"),
    [
        ("highlight_word", BrandColours(), None),
        ("highlight_word", BrandColours(text="#FFFFFF", spoken="#FFE14D", outline="#000000"), None),
        ("highlight_word", BrandColours(plate="#FF0000", background="#00FF00"), None),
        ("highlight_word", BrandColours(text="#00FF00"), CaptionChanges(colour="#00FF00")),
        ("karaoke", BrandColours(outline="#00FF00"), None),
        ("karaoke", BrandColours(plate="#00FF00"), CaptionChanges(plate_colour="#00FF00")),
    ],
)
def test_only_colours_that_are_seen_and_differ_are_part_of_the_plan(style, colours, changes):
    plan = CaptionPlan(style=style, words=WORDS)
    _, document, found = plan_captions(
        plan, Picture(1080, 1920, Fraction(30)), BrandKit(name="k", colours=colours), files={}
    )
    assert found == changes
    assert document.occupied is not None


def test_an_outro_is_whole_frames_at_the_clips_loudness():
    outro = BrandOutro(file=FILE, duration=2.0, width=320, height=240, audio_stream=1, integrated_lufs=-20.0)
    picture = Picture(1080, 1920, Fraction("30000/1001"))
    plan = plan_outro(outro, picture, BrandColours(background="#102040"))
    assert (plan.frames, plan.gain_db, plan.background) == (60, 6.0, "#102040")
    silent = plan_outro(msgspec.structs.replace(outro, integrated_lufs=None), picture, BrandColours())
    assert (silent.audio_stream, silent.gain_db, silent.background) == (None, None, "#000000")
