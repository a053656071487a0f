"""A shot gets the layout that shows who matters: one, several in panels, or a screen above its camera; bars are cut away."""

from fractions import Fraction
from itertools import pairwise

import cv2
import msgspec
import numpy as np
import polars as pl
import pytest

from cliply_assets.renders.camera import plan_camera
from cliply_assets.renders.caption_layout import lay_out
from cliply_assets.renders.layouts import SHORTEST_LAYOUT, caption_centre, panel_places, plan_layouts
from cliply_assets.renders.picture_samples import (
    NO_SAMPLES,
    PictureSamples,
    corner_face,
    find_content,
    looks_like_screen,
    sample_picture,
)
from cliply_assets.renders.render import render_clip
from cliply_assets.renders.styles import load_style
from cliply_resources.documents import CameraMove, CaptionPlan, Scenes, Span, Word
from cliply_resources.documents.clips import ASPECTS, CameraPane
from cliply_resources.progress import silent

HD = (1920, 1080)
RATE = Fraction(30)
SCHEMA = {
    "time": pl.Float64,
    "track": pl.Int32,
    "person": pl.Int32,
    **dict.fromkeys(("x", "y", "w", "h", "score", "mouth_motion"), pl.Float32),
}


def people(*places, seconds=24.0, turn=3.0, height=0.16):
    """Faces at these places (x, y), who speak in turns of `turn` seconds."""
    rows = []
    for at in np.arange(0, seconds, 0.5):
        speaking = int(at // turn) % len(places)
        for person, (x, y) in enumerate(places):
            mouth = 0.08 if person == speaking else 0.02
            rows.append((at, person, person, x - height * 9 / 32, y - height / 2, height * 9 / 16, height, 0.9, mouth))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def plan(faces, *edges, aspect="9:16", layout="auto", samples=NO_SAMPLES, source=HD):
    edges = edges or (0.0, 24.0)
    return plan_layouts(
        faces,
        Scenes(shots=tuple(Span(a, b) for a, b in pairwise(edges)), detector="known"),
        Span(edges[0], edges[-1]),
        source_size=source,
        aspect_size=ASPECTS[aspect],
        frame_rate=RATE,
        frames=round((edges[-1] - edges[0]) * RATE),
        layout=layout,
        samples=samples,
    )


def slide(width=960, height=540):
    picture = np.full((height, width), 240, np.uint8)
    for row in range(5):
        cv2.putText(picture, "let total = price + tax", (40, 80 + 60 * row), cv2.FONT_HERSHEY_SIMPLEX, 1, 20, 2)
    return picture


def every_two_seconds(picture, count=12):
    return PictureSamples(np.arange(count) * 2.0, np.stack([picture] * count))


def middles(move, source=HD):
    return [((pane.x[0] + pane.width / 2) / source[0], pane.width / pane.wide) for pane in move.panes]


def test_two_who_take_quick_turns_stand_above_each_other():
    (move,) = plan(people((0.27, 0.4), (0.73, 0.4)))

    assert move.layout == "panes"
    assert [(pane.left, pane.top, pane.wide, pane.high) for pane in move.panes] == [
        (0, 0, 1080, 960),
        (0, 960, 1080, 960),
    ]
    assert [middle for middle, _ in middles(move)] == pytest.approx([0.27, 0.73], abs=0.02)
    for pane, other in zip(move.panes, (0.73, 0.27), strict=True):
        assert not pane.x[0] <= other * 1920 <= pane.x[0] + pane.width, "nobody stands in two panels"


def test_two_of_whom_one_speaks_long_are_followed_and_not_put_in_panels():
    moves = plan(people((0.27, 0.4), (0.73, 0.4), turn=12.0))

    assert [move.layout for move in moves] == ["crop", "crop"]


@pytest.mark.parametrize("aspect", ["9:16", "4:5", "1:1", "16:9"])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_panels_fill_every_frame_and_show_everybody(count, aspect):
    places = [((n + 0.5) / count, 0.4) for n in range(count)]
    (move,) = plan(people(*places, height=0.1), aspect=aspect, layout="panels", source=(3840, 2160))

    width, height = ASPECTS[aspect]
    covered = np.zeros((height, width), int)
    for pane in move.panes:
        covered[pane.top : pane.top + pane.high, pane.left : pane.left + pane.wide] += 1
    assert (covered == 1).all()
    shown = [(pane.x[0] + pane.width / 2) / 3840 for pane in move.panes]
    assert shown == pytest.approx([x for x, _ in places], abs=0.06)
    assert panel_places(count, (width, height))[0][:2] == (0, 0)


def test_the_clip_of_one_person_is_what_it_was_before_there_were_layouts():
    faces, scenes = people((0.6, 0.4)), Scenes(shots=(Span(0.0, 24.0),), detector="known")
    before = plan_camera(
        faces, scenes, Span(0.0, 24.0), source_size=HD, aspect_size=ASPECTS["9:16"], frame_rate=RATE, frames=720
    )

    assert plan(faces) == before
    assert b"panes" not in msgspec.json.encode(before)


def test_a_small_camera_in_the_corner_of_a_screen_stands_below_it():
    faces = people((0.9, 0.8), height=0.1)
    (move,) = plan(faces, samples=every_two_seconds(slide()))
    screen, camera = move.panes

    assert (screen.left, screen.top, screen.wide) == (0, 0, 1080)
    assert camera.top == screen.high
    assert camera.high == 1920 - screen.high
    assert camera.x[0] < 0.9 * 1920 < camera.x[0] + camera.width
    assert screen.width / screen.wide == pytest.approx(screen.height / screen.high, rel=0.01), (
        "letters keep their shape"
    )


def test_a_small_person_in_the_corner_of_a_room_is_no_camera_beside_a_screen():
    room = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (540, 960), np.uint8), (0, 0), 6)

    assert not looks_like_screen(np.stack([room] * 4), (0.7, 0.6, 1.0, 1.0))
    assert looks_like_screen(np.stack([slide()] * 4), (0.7, 0.6, 1.0, 1.0))
    assert "panes" not in {
        move.layout for move in plan(people((0.9, 0.8), height=0.1), samples=every_two_seconds(room))
    }


def test_a_face_too_small_for_the_detector_is_found_in_a_corner():
    from cliply_assets.sample.portrait import sprite

    person = sprite("guest", 190).picture
    picture = cv2.cvtColor(slide(), cv2.COLOR_GRAY2BGR)
    mask = person[..., 3] > 127
    picture[350:540, 770:960][mask] = person[..., :3][mask]
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)

    found = corner_face(np.stack([grey] * 3))

    assert found is not None
    assert found[0] == pytest.approx(0.89, abs=0.04)
    assert corner_face(np.stack([slide()] * 3)) is None


def test_whatever_was_asked_for_is_taken_where_a_shot_allows_it():
    two = people((0.27, 0.4), (0.73, 0.4))

    assert {move.layout for move in plan(two, layout="speaker")} == {"crop"}
    assert [move.layout for move in plan(two, layout="fit")] == ["fit"]
    assert [move.layout for move in plan(two, layout="panels", aspect="16:9")] == ["panes"]
    assert {move.layout for move in plan(people((0.5, 0.4)), layout="panels")} == {"crop"}
    assert [move.layout for move in plan(people((0.5, 0.4)), layout="screen")] == ["fit"]


def test_panels_begin_and_end_at_cuts():
    faces = pl.concat(
        [
            people((0.3, 0.4), seconds=6.0),
            people((0.27, 0.4), (0.73, 0.4), seconds=12).with_columns(time=pl.col("time") + 6),
        ]
    )
    moves = plan(faces, 0.0, 6.0, 18.0)

    assert [(move.layout, move.first_frame, move.frames) for move in moves] == [("crop", 0, 180), ("panes", 180, 360)]


def test_no_layout_flashes_by():
    faces = pl.concat(
        [people((0.3, 0.4), seconds=6.0), people((0.3, 0.4), seconds=6.0).with_columns(time=pl.col("time") + 7)]
    )
    moves = plan(faces, 0.0, 6.0, 7.0, 13.0)

    assert {move.layout for move in moves} == {"crop"}
    assert sum(move.frames for move in moves) == 13 * 30
    longer = people((0.3, 0.4), seconds=6.0)
    whole = plan(longer, 0.0, 6.0, 6.0 + 2 * SHORTEST_LAYOUT)
    assert [move.layout for move in whole] == ["crop", "fit"]


@pytest.mark.parametrize("bars", ["letterbox", "pillarbox"])
def test_black_bars_are_cut_away(bars):
    picture = np.random.default_rng(2).integers(60, 200, (540, 960), np.uint8)
    if bars == "letterbox":
        picture[:70] = picture[-70:] = 2
    else:
        picture[:, :328] = picture[:, -328:] = 2
    x, y, width, height = find_content(every_two_seconds(picture), HD)

    expected = (0, 140, 1920, 800) if bars == "letterbox" else (656, 0, 608, 1080)
    assert (x, y, width, height) == pytest.approx(expected, abs=6)
    upright = plan(people((0.5, 0.5)), samples=every_two_seconds(picture))[0]
    assert upright.y[0] >= y
    assert upright.y[0] + upright.height <= y + height
    (whole,) = plan(people((0.5, 0.5)), samples=every_two_seconds(picture), layout="fit")
    assert (whole.x[0], whole.y[0], whole.width, whole.height) == (x, y, width, height)


def test_an_upright_film_on_black_sides_is_passed_through():
    picture = np.random.default_rng(2).integers(60, 200, (540, 960), np.uint8)
    picture[:, :328] = picture[:, -328:] = 2
    (move,) = plan(people((0.5, 0.3)), samples=every_two_seconds(picture))

    assert len(move.x) == len(move.y) == 1
    assert move.height >= 1070


def test_a_dark_room_has_no_bars():
    yy, xx = np.mgrid[0:540, 0:960]
    light = 200 * np.exp(-(((xx - 480) / 160.0) ** 2) - ((yy - 270) / 120.0) ** 2)

    assert find_content(every_two_seconds(light.astype(np.uint8)), HD) == (0, 0, 1920, 1080)
    one_sided = np.random.default_rng(2).integers(60, 200, (540, 960), np.uint8)
    one_sided[:100] = 0
    assert find_content(every_two_seconds(one_sided), HD) == (0, 0, 1920, 1080)


def test_samples_of_a_film_know_when_they_are_shown(films, tmp_path):
    film = films.write(
        tmp_path / "film.mp4",
        [films.frame(k) for k in range(100)],
        output=("-c:v", "libx264", "-g", "20", "-sc_threshold", "0", "-preset", "ultrafast", "-c:a", "aac"),
    )
    samples = sample_picture(film, Span(0.7, 3.2), source_size=(320, 180), deadline_seconds=60)

    assert len(samples.times) == len(samples.pictures) >= 2
    for time, picture in zip(samples.times, samples.pictures, strict=True):
        assert float(np.median(picture)) == pytest.approx(30 + 2 * round(time * 30), abs=3)


def test_panels_are_drawn_in_their_places_frame_by_frame(films, walking_film, tmp_path):
    path = tuple(40 + 2 * (30 + k) - 20 for k in range(45))
    panes = (
        CameraPane(left=0, top=0, wide=270, high=240, width=90, height=80, x=path, y=(10,)),
        CameraPane(left=0, top=240, wide=270, high=240, width=90, height=80, x=(0,), y=(60,)),
    )
    camera = (CameraMove(layout="panes", first_frame=0, frames=45, panes=panes),)
    planned = films.spec(films.media(seconds=3.0), start=1.0, end=2.5, camera=(films.rest(45),))
    spec = msgspec.structs.replace(planned, camera=camera)

    rendered = render_clip(spec, walking_film, tmp_path, progress=silent, deadline_seconds=60)

    pictures = films.read(rendered.path).mean(axis=3)
    assert pictures.shape == (45, 480, 270)
    assert [films.number_of(picture[250:470]) for picture in pictures] == list(range(30, 75))
    for picture in pictures:
        row = picture[120]
        bright = np.flatnonzero(row > (np.median(row) + row.max()) / 2)
        assert abs(float(bright[0]) - 60) <= 1, "the bar stands still in the panel that follows it"


def test_captions_of_a_clip_in_panels_stand_on_the_seam_and_cover_no_face():
    two = plan(people((0.27, 0.4), (0.73, 0.4)))
    three = plan(people((0.17, 0.4), (0.5, 0.4), (0.83, 0.4), height=0.12, turn=2.0))
    screen = plan(people((0.9, 0.8), height=0.1), samples=every_two_seconds(slide()))

    assert caption_centre(two, ASPECTS["9:16"]) == 0.5
    assert caption_centre(three, ASPECTS["9:16"]) == pytest.approx(2 / 3, abs=0.001)
    assert caption_centre(screen, ASPECTS["9:16"]) is msgspec.UNSET
    assert caption_centre(plan(people((0.5, 0.4))), ASPECTS["9:16"]) is msgspec.UNSET
    words = (Word(text="Yes", start=0.0, end=0.5),)
    layouts = [
        lay_out(
            CaptionPlan(style="highlight_word", words=words, **centre),
            width=1080,
            height=1920,
            look=load_style("highlight_word"),
            frame_rate=RATE,
        ).occupied
        for centre in ({}, {"centre": 0.5})
    ]
    assert (layouts[1][1] + layouts[1][3]) / 2 == pytest.approx(960, abs=40)
    assert layouts[0][1] > layouts[1][3]
