"""The hook title stands where it can be read: clear of faces, captions and what platforms draw, and it goes."""

from fractions import Fraction

import msgspec
import numpy as np
import polars as pl
import pytest

from cliply_assets.renders.captions import compose
from cliply_assets.renders.fonts import face_named
from cliply_assets.renders.hook_title import HookRoom, hook_events, plan_hook
from cliply_assets.renders.opening_faces import opening_faces
from cliply_assets.renders.render import render_clip
from cliply_assets.renders.spec import make_render_spec, plan_loudness
from cliply_assets.renders.styles import load_style, shape_of
from cliply_resources.brands.colours import contrast
from cliply_resources.documents import CameraMove, Candidate, CaptionPlan, ClipSettings, SourceVideo, Span, Word
from cliply_resources.documents.clips import ASPECTS, CameraPane
from cliply_resources.media_tools.ffmpeg import ffmpeg_version
from cliply_resources.progress import silent

LINE = "Nobody told me what the first year would cost"
FACE = face_named("Manrope ExtraBold")


def room(aspect="9:16", **more):
    width, height = ASPECTS[aspect]
    return HookRoom(**{"width": width, "height": height, "frame_rate": Fraction(30), "frames": 900, **more})


def box_of(plan, where):
    """What of the picture the title covers, from its drawing."""
    plates = next(event for event in hook_events(plan, FACE, width=where.width) if event.face is None)
    tags, _, drawing = plates.text.partition("}")
    left, top = (float(value) for value in tags.partition("\\pos(")[2].partition(")")[0].split(","))
    numbers = [float(part) for part in drawing.split() if not part.isalpha()]
    return left + min(numbers[::2]), top + min(numbers[1::2]), left + max(numbers[::2]), top + max(numbers[1::2])


def apart(one, other):
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("aspect", ASPECTS)
def test_it_lies_inside_what_the_platforms_leave_free(aspect):
    where = room(aspect)
    left, top, right, bottom = shape_of(where.width, where.height).safe_area(where.width, where.height)
    covered = box_of(plan_hook(LINE, where, FACE), where)

    assert left - 1 <= covered[0]
    assert top - 1 <= covered[1]
    assert covered[2] <= right + 1
    assert covered[3] <= bottom + 1


@pytest.mark.parametrize("top", range(0, 1500, 150))
def test_it_never_lies_over_a_face_or_a_caption(top):
    face, captions = (340.0, float(top), 740.0, top + 480.0), (120.0, 1200.0, 960.0, 1440.0)
    where = room(faces=(face,), taken=(captions,))
    plan = plan_hook(LINE, where, FACE)

    if plan is not None:
        covered = box_of(plan, where)
        assert apart(covered, face)
        assert apart(covered, captions)


def test_where_nothing_is_free_it_is_left_out():
    assert plan_hook(LINE, room(faces=((100.0, 100.0, 980.0, 1700.0),)), FACE) is None
    assert plan_hook("", room(), FACE) is None
    assert plan_hook("🔥🔥", room(), FACE) is None


def test_it_takes_smaller_letters_before_it_gives_up():
    narrow = room(faces=((200.0, 700.0, 880.0, 1300.0),), taken=((100.0, 1320.0, 980.0, 1900.0),))

    assert plan_hook(LINE, narrow, FACE).size < plan_hook(LINE, room(), FACE).size


def test_it_stands_longer_the_more_there_is_to_read_and_never_for_half_of_a_clip():
    short, long = plan_hook("What went wrong?", room(), FACE), plan_hook(LINE, room(), FACE)

    assert 2.4 * 30 <= short.frames < long.frames <= 4.5 * 30
    assert plan_hook(LINE, room(frames=150), FACE).frames == 75
    assert plan_hook(LINE, room(frames=45), FACE) is None
    assert all("\\fad(0,300)" in event.text for event in hook_events(long, FACE, width=1080))


def test_its_letters_can_be_read_on_a_plate_of_any_colour():
    for plate in ("#FFFFFF", "#FFE14D", "#102040", "#808080", "#D00000"):
        plan = plan_hook(LINE, room(), FACE, plate=plate)
        assert plan.plate_colour == plate
        assert contrast(plan.colour, plate) >= 4.4


def test_no_text_becomes_an_instruction():
    hostile = "{\\fs900}Look \\N at {\\p1}m 0 0"
    plan = plan_hook(hostile, room(), FACE)
    document = compose(
        CaptionPlan(style="none", words=()), width=1080, height=1920, look=load_style("highlight_word"), hook=plan
    )

    lettered = [line for line in document.text.splitlines() if line.startswith("Dialogue: 11")]
    assert lettered
    for line in lettered:
        assert "{" not in line.partition("}")[2]
        assert "\\" not in line.partition("}")[2]


def test_it_is_drawn_above_captions_and_without_them():
    plan = plan_hook(LINE, room(), FACE)
    words = (Word(text="Hello", start=0.1, end=0.6),)
    look = load_style("karaoke")
    both = compose(CaptionPlan(style="karaoke", words=words), width=1080, height=1920, look=look, hook=plan)

    assert {face.family for face in both.faces} == {look.font}
    alone = compose(CaptionPlan(style="none", words=()), width=1080, height=1920, look=look, hook=plan)
    assert "Dialogue: 10," in alone.text
    assert alone.faces


def faces(*rows):
    schema = {"time": pl.Float64, **dict.fromkeys(("x", "y", "w", "h"), pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_faces_are_found_where_the_camera_shows_them():
    table = faces((10.5, 0.5, 0.25, 0.1, 0.2), (10.5, 0.9, 0.25, 0.1, 0.2), (20.0, 0.5, 0.25, 0.1, 0.2))
    camera = (CameraMove(layout="crop", first_frame=0, frames=300, width=540, height=960, x=(800,), y=(0,)),)
    found = opening_faces(
        table, camera, Span(10.0, 20.0), frame_rate=Fraction(30), source_size=(1920, 960), size=(1080, 1920)
    )

    assert found == ((320.0, 480.0, 704.0, 864.0),)


def test_faces_are_found_in_panels_and_on_blurred_sides():
    table = faces((0.0, 0.1, 0.25, 0.1, 0.5))
    where = {"frame_rate": Fraction(30), "source_size": (1920, 1080), "size": (1080, 1920)}
    fit = (CameraMove(layout="fit", first_frame=0, frames=60),)
    panes = (
        CameraMove(
            layout="panes",
            first_frame=0,
            frames=60,
            panes=(
                CameraPane(left=0, top=0, wide=1080, high=960, width=1080, height=960, x=(0,), y=(0,)),
                CameraPane(left=0, top=960, wide=1080, high=960, width=540, height=480, x=(1000,), y=(0,)),
            ),
        ),
    )

    ((left, top, right, bottom),) = opening_faces(table, fit, Span(0.0, 2.0), **where)
    assert (left, right) == pytest.approx((108.0, 216.0), abs=1)
    assert (top, bottom) == pytest.approx((656.25 + 151.9, 656.25 + 455.6), abs=1)
    assert opening_faces(table, panes, Span(0.0, 2.0), **where) == ((192.0, 270.0, 384.0, 810.0),)


@pytest.mark.slow
def test_title_speakers_colours_and_emoji_are_on_the_finished_picture_when_they_should_be(
    films, walking_film, tmp_path
):
    said = (("rocket", "Ann", 0.1), ("science", "Ann", 0.5), ("looks", "Ben", 1.7), ("good", "Ben", 2.1))
    spec = make_render_spec(
        SourceVideo(sha256="0" * 64, title="film", media=films.media(seconds=3.0)),
        Candidate(
            start=0.0,
            end=3.0,
            score=50,
            subscores={},
            title="t",
            description="",
            hashtags=(),
            hook="What now?",
            reasons=(),
        ),
        settings=ClipSettings(style="highlight_word", emoji=True, show_hook=True),
        camera=(films.rest(90),),
        words=tuple(Word(text=text, start=at, end=at + 0.35, speaker=name) for text, name, at in said),
        loudness=plan_loudness(-30.0, -15.0),
        ffmpeg_version=ffmpeg_version(),
        models={},
        language="en",
        opening_faces=((100.0, 0.0, 980.0, 600.0),),
    )
    spec = msgspec.structs.replace(spec, settings={**spec.settings, "preset": "ultrafast"})
    assert (spec.hook.frames, spec.captions.emoji[0].emoji, set(spec.captions.speakers)) == (45, "🚀", {"Ben"})
    rendered = render_clip(spec, walking_film, tmp_path, progress=silent, deadline_seconds=240)

    import av

    with av.open(str(rendered.path)) as container:
        looked_at = (pair for pair in enumerate(container.decode(video=0)) if pair[0] in {10, 15, 60, 80})
        shown = {number: frame.to_ndarray(format="rgb24").astype(np.int16) for number, frame in looked_at}

    def share(frame, colour, top, bottom):
        near = np.abs(shown[frame][top:bottom, 120:960] - np.array(colour, dtype=np.int16)).max(axis=2) < 40
        return float(near.mean())

    title = (int(spec.hook.top), int(spec.hook.top) + 60)
    assert title[0] > 600
    assert share(10, (255, 255, 255), *title) > 0.1 > 0.01 > share(60, (255, 255, 255), *title)
    words, above = (1200, 1450), (950, 1200)
    assert share(15, (0xFF, 0xE1, 0x4D), *words) > 0.005 > share(60, (0xFF, 0xE1, 0x4D), *words)
    assert share(60, (0x3D, 0xDC, 0xFF), *words) > 0.005 > share(15, (0x3D, 0xDC, 0xFF), *words)
    assert share(15, (0xCA, 0x0B, 0x4A), *above) > 0.002 > share(80, (0xCA, 0x0B, 0x4A), *above)
