"""Which layout each shot of a clip gets, and the camera of every panel in it.

One person who speaks is followed. Two to four who take turns too quickly to be followed stand in panels, a small camera in the corner
of a screen stands below the screen, and where nobody is the whole picture is shown. Layouts change at cuts only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from msgspec import UNSET, UnsetType

from cliply_assets.renders.camera import calm_layouts, moved_by, pieces_of, plan_camera, replaced, window_size
from cliply_assets.renders.camera_path import calm_samples, rest_and_ease
from cliply_assets.renders.camera_rules import DEFAULT_CAMERA, CameraRules
from cliply_assets.renders.camera_subject import Face, choose_subjects, faces_in
from cliply_assets.renders.picture_samples import (
    NO_SAMPLES,
    PictureSamples,
    Rectangle,
    corner_face,
    find_content,
    looks_like_screen,
    written_columns,
)
from cliply_resources.documents import CameraMove, Scenes, Span
from cliply_resources.documents.clips import CameraPane, Layout

if TYPE_CHECKING:
    import polars as pl

__all__ = ["caption_centre", "panel_places", "plan_layouts"]

Box = tuple[float, float, float, float]
Place = tuple[int, int, int, int]

SHORTEST_LAYOUT = 1.5
"""Seconds; a layout that stands for less is a flash."""
SHORTEST_PANELS = 4.0
"""Seconds; a shot in panels asks the eye to find its way anew."""
TAKING_TURNS = 5.0
"""Seconds; where people hold the word for less than this on average, the camera would jump more than it shows."""
STAYING = 0.6
"""Of the shot; somebody seen for less gets no panel."""
MOST_PANELS = 4
ALIKE = 0.5
"""Of the tallest face; smaller ones belong to bystanders."""

_FACE_IN_PANEL = 0.34  # of the panel's height
_FACE_ACROSS_PANEL = 0.5  # of its width, where that is narrow
_PANEL_FACE_PLACE = 0.44  # height of the face's middle in its panel
_MOST_ENLARGED = 3.0  # one source pixel becomes this many across
_CLEAR_OF_OTHERS = 0.7  # of the neighbour's face width, from its middle: the panel ends before it

_CAMERA_FACE = 0.22  # a camera beside a screen shows a face of less than this share of the picture's height
_CAMERA_STILL = 0.02  # and stands still
_CAMERA_SIDE, _CAMERA_TOP, _CAMERA_BOTTOM = 0.3, 0.36, 0.6  # in a corner
_CAMERA_ENLARGED = 4.5
_CAMERA_FACE_PLACE = 0.32  # in its panel; captions stand below it
_CAMERA_FACE_HIGH = 0.26  # of the camera's panel
_SCREEN_FLATTEST = Fraction(5, 4)  # width by height of the screen's panel at its highest
_SCREEN_MARGIN = 0.025  # beside the letters


@dataclass(frozen=True)
class _Clip:
    """What stays the same through one clip, in the coordinates of what lies between the bars."""

    span: Span
    rate: Fraction
    source: tuple[int, int]
    target: tuple[int, int]
    speech: Sequence[Span]
    rules: CameraRules
    samples: PictureSamples
    content: Rectangle
    whole: tuple[int, int]


def plan_layouts(  # noqa: PLR0913 - every one is a fact of the clip, and all are named
    faces: "pl.DataFrame",
    scenes: Scenes,
    span: Span,
    *,
    source_size: tuple[int, int],
    aspect_size: tuple[int, int],
    frame_rate: Fraction,
    frames: int,
    layout: Layout = "auto",
    samples: PictureSamples = NO_SAMPLES,
    speech: Sequence[Span] = (),
    rules: CameraRules = DEFAULT_CAMERA,
) -> tuple[CameraMove, ...]:
    """The camera for every frame of a clip, as `plan_camera` promises it, with a layout for each shot.

    Black bars that `samples` show are cut away first. `auto` decides shot by shot; any other `layout` is taken wherever a shot allows it:
    `panels` where two to four people are seen, `screen` where a small camera is (the whole picture otherwise), `fit` and `speaker`
    everywhere.
    """
    content = find_content(samples, source_size)
    clip = _Clip(span, frame_rate, content[2:], aspect_size, speech, rules, samples, content, source_size)
    inner = _within(faces, content, source_size) if content[2:] != source_size else faces
    if layout == "fit":
        moves: tuple[CameraMove, ...] = (CameraMove(layout="fit", first_frame=0, frames=frames),)
    else:
        moves = plan_camera(
            inner,
            scenes,
            span,
            source_size=clip.source,
            aspect_size=aspect_size,
            frame_rate=frame_rate,
            frames=frames,
            speech=speech,
            rules=rules,
        )
    if layout not in {"fit", "speaker"}:
        for first, end, _ in pieces_of(span.start, frame_rate, scenes, frames):
            moves = replaced(moves, first, end, _shot_layout(clip, inner, (first, end), layout))
    moves = calm_layouts(moves, round(SHORTEST_LAYOUT * frame_rate), window_size(clip.source, aspect_size), clip.source)
    return moves if content[2:] == source_size else tuple(moved_by(move, content) for move in moves)


def _within(faces: "pl.DataFrame", content: Rectangle, source: tuple[int, int]) -> "pl.DataFrame":
    """The faces in fractions of what lies between the bars."""
    import polars as pl

    x, y, width, height = content
    return faces.with_columns(
        ((pl.col("x") * source[0] - x) / width).cast(pl.Float32),
        ((pl.col("y") * source[1] - y) / height).cast(pl.Float32),
        (pl.col("w") * source[0] / width).cast(pl.Float32),
        (pl.col("h") * source[1] / height).cast(pl.Float32),
    )


def _shot_layout(clip: _Clip, faces: "pl.DataFrame", frames: tuple[int, int], layout: Layout) -> CameraMove | None:
    """Another layout for this shot than following who speaks, or none."""
    piece = Span(clip.span.start + frames[0] / float(clip.rate), clip.span.start + frames[1] / float(clip.rate))
    if piece.duration < (SHORTEST_PANELS if layout == "auto" else SHORTEST_LAYOUT):
        return None
    seen = faces_in(faces, piece)
    staying = [face for face in seen if _share_of(face, seen, piece) >= STAYING]
    as_whole = clip.source[0] * clip.target[1] == clip.source[1] * clip.target[0]
    if layout == "screen" or (layout == "auto" and not as_whole):
        camera = _small_camera(clip, staying, piece, sure=layout == "screen")
        if camera is not None:
            return _screen_and_camera(clip, camera, piece, frames)
        if layout == "screen":
            return CameraMove(layout="fit", first_frame=frames[0], frames=frames[1] - frames[0])
    people = _alike(staying)
    if not 2 <= len(people) <= MOST_PANELS and layout == "auto":
        return None
    if layout == "panels" or (layout == "auto" and not as_whole and _take_turns(clip, seen, piece)):
        return _panels(clip, people[:MOST_PANELS], frames)
    return None


def _share_of(face: Face, seen: Sequence[Face], piece: Span) -> float:
    samples = max(len(np.unique(np.concatenate([one.time for one in seen]))), round(piece.duration))
    return len(face.time) / samples


def _alike(people: Sequence[Face]) -> list[Face]:
    """Those of about one size, the largest first; of two found at one place only one."""
    tallest = max((float(np.median(face.h)) for face in people), default=0.0)
    found: list[Face] = []
    for face in sorted(people, key=lambda one: -float(np.median(one.h))):
        x, width = float(np.median(face.x)), float(np.median(face.w))
        apart = all(abs(x - float(np.median(other.x))) > 1.2 * width for other in found)
        if float(np.median(face.h)) >= ALIKE * tallest and apart:
            found.append(face)
    return found


def _take_turns(clip: _Clip, seen: list[Face], piece: Span) -> bool:
    """Whether following who speaks would jump from one to the other again and again."""
    width, height = window_size(clip.source, clip.target)
    together = (clip.rules.group_width * width / clip.source[0], clip.rules.group_width * height / clip.source[1])
    stretches = choose_subjects(seen, piece, rules=clip.rules, speech=clip.speech, together=together)
    if any(len(stretch.faces) != 1 for stretch in stretches):
        return False
    switches = sum(one.faces[0].person != other.faces[0].person for one, other in pairwise(stretches))
    return switches >= 2 and piece.duration / (switches + 1) < TAKING_TURNS


def panel_places(count: int, target: tuple[int, int]) -> tuple[Place, ...]:
    """Left, top, width and height of two to four panels that fill a frame, in reading order."""
    width, height = target

    def edges(parts: int, length: int) -> list[int]:
        return [2 * round(length * part / parts / 2) for part in range(parts)] + [length]

    if count == 4 or (count == 3 and width == height):
        across, down = edges(2, width), edges(2, height)
        cells = [(across[n % 2], down[n // 2], across[n % 2 + 1], down[n // 2 + 1]) for n in range(count)]
        if count == 3:
            cells[2] = (0, down[1], width, height)
    elif height > width:
        down = edges(count, height)
        cells = [(0, down[n], width, down[n + 1]) for n in range(count)]
    else:
        across = edges(count, width)
        cells = [(across[n], 0, across[n + 1], height) for n in range(count)]
    return tuple((left, top, right - left, bottom - top) for left, top, right, bottom in cells)


def caption_centre(camera: Sequence[CameraMove], target: tuple[int, int]) -> float | UnsetType:
    """Where captions cover no face of a clip that stands in panels above each other: on the seam; elsewhere their style decides."""
    width, height = target
    seams: dict[float, int] = {}
    for move in camera:
        panes = move.panes or ()
        if len({pane.top for pane in panes}) < 2 or max(p.high for p in panes) - min(p.high for p in panes) > 2:
            continue
        lowest = max(pane.top for pane in panes)
        seams[round(lowest / height, 4)] = seams.get(round(lowest / height, 4), 0) + move.frames
    frames = sum(move.frames for move in camera)
    seam, shown = max(seams.items(), key=lambda each: each[1], default=(0.0, 0))
    return seam if 2 * shown >= frames and width <= height else UNSET


def _panels(clip: _Clip, people: Sequence[Face], frames: tuple[int, int]) -> CameraMove | None:
    """Everybody in a panel, from left to right; nothing where somebody cannot be shown sharply without a neighbour's face."""
    if len(people) < 2:
        return None
    ordered = sorted(people, key=lambda face: float(np.median(face.x)))
    panes = []
    for face, place in zip(ordered, panel_places(len(ordered), clip.target), strict=True):
        size = _panel_window(clip, face, [other for other in ordered if other is not face], place)
        if size is None:
            return None
        panes.append(_pane(clip, face, size, place, frames))
    return CameraMove(layout="panes", first_frame=frames[0], frames=frames[1] - frames[0], panes=tuple(panes))


def _panel_window(clip: _Clip, face: Face, others: Sequence[Face], place: Place) -> tuple[int, int] | None:
    source_width, source_height = clip.source
    shape = place[2] / place[3]
    tall = float(np.median(face.h)) * source_height
    wide = float(np.median(face.w)) * source_width
    most = min(source_width, source_height * shape)
    for other in others:
        # Neighbours above or below do not narrow a panel; they are in other rows of the picture anyway.
        apart = abs(float(np.median(other.x)) - float(np.median(face.x))) * source_width
        most = min(most, 2 * (apart - _CLEAR_OF_OTHERS * float(np.median(other.w)) * source_width))
    wanted = max(tall / _FACE_IN_PANEL * shape, wide / _FACE_ACROSS_PANEL, place[2] / clip.rules.max_upscale)
    width = min(wanted, most)
    if width < max(place[2] / _MOST_ENLARGED, 1.5 * wide) or width / shape < 1.3 * tall:
        return None
    return _even(width, source_width), _even(width / shape, source_height)


def _pane(
    clip: _Clip,
    face: Face,
    size: tuple[int, int],
    place: Place,
    frames: tuple[int, int],
    *,
    face_place: float = _PANEL_FACE_PLACE,
) -> CameraPane:
    """A camera on one face that rests while it may and eases where it must."""
    rate = float(clip.rate)
    moments = clip.span.start + np.arange(*frames) / rate
    paths: list[tuple[int, ...]] = []
    for axis, (values, at) in enumerate(((face.x, 0.5), (face.y, face_place))):
        whole, window = clip.source[axis], size[axis]
        calm = calm_samples(values * whole, zone=clip.rules.brief_zone * window)
        target = np.clip(np.interp(moments, face.time, calm) - at * window, 0, whole - window)
        path = rest_and_ease(
            target,
            dead=clip.rules.dead_zone * window,
            ease=clip.rules.ease_seconds * rate,
            max_step=clip.rules.max_speed * window / rate,
        )
        steps = np.clip(np.rint(path), 0, whole - window).astype(int).tolist()
        paths.append((steps[0],) if min(steps) == max(steps) else tuple(steps))
    left, top, wide, high = place
    return CameraPane(left=left, top=top, wide=wide, high=high, width=size[0], height=size[1], x=paths[0], y=paths[1])


def _even(length: float, most: int) -> int:
    return max(2, min(2 * round(length / 2), most - most % 2))


def _small_camera(clip: _Clip, staying: Sequence[Face], piece: Span, *, sure: bool) -> Face | None:
    """The one face that sits still, small and in a corner, where what is around it looks like a screen."""
    found = [
        face
        for face in staying
        if float(np.median(face.h)) < _CAMERA_FACE
        and float(np.std(face.x)) < _CAMERA_STILL
        and float(np.std(face.y)) < 2 * _CAMERA_STILL
        and _in_corner(float(np.median(face.x)), float(np.median(face.y)))
    ]
    pictures = clip.samples.during(piece.start, piece.end)
    if not staying and (box := corner_face(pictures)) is not None:
        found = [_still_face(_of_content(clip, box), piece)]
    if len(found) != 1 or (len(staying) > 1 and not sure):
        return None
    return found[0] if sure or looks_like_screen(pictures, _in_samples(clip, _around(found[0]))) else None


def _still_face(box: Box, piece: Span) -> Face:
    times = np.array([piece.start, piece.end])
    x, y, w, h = (np.full(2, value) for value in box)
    return Face(person=-1, time=times, x=x, y=y, w=w, h=h, mouth=np.zeros(2))


def _of_content(clip: _Clip, box: Box) -> Box:
    """Middle, width and height in the whole picture as those between the bars."""
    left, top, width, height = clip.content
    across, down = clip.whole
    x, y, w, h = box
    return (x * across - left) / width, (y * down - top) / height, w * across / width, h * down / height


def _in_corner(x: float, y: float) -> bool:
    return not _CAMERA_SIDE < x < 1 - _CAMERA_SIDE and not _CAMERA_TOP < y < _CAMERA_BOTTOM


def _around(face: Face) -> Box:
    """Where the camera's own picture is, generously: what is outside it is the screen."""
    x, y, w, h = (float(np.median(values)) for values in (face.x, face.y, face.w, face.h))
    return max(0.0, x - 2.2 * w), max(0.0, y - 2.0 * h), min(1.0, x + 2.2 * w), min(1.0, y + 3.5 * h)


def _in_samples(clip: _Clip, box: Box) -> Box:
    """A box of what lies between the bars as one of the whole picture."""
    x, y, width, height = clip.content
    across, down = clip.whole
    left, top, right, bottom = box
    return (
        (x + left * width) / across,
        (y + top * height) / down,
        (x + right * width) / across,
        (y + bottom * height) / down,
    )


def _screen_and_camera(clip: _Clip, face: Face, piece: Span, frames: tuple[int, int]) -> CameraMove:
    """The screen above, without its empty margins, and the camera below; beside each other on a wide frame."""
    wide, high = clip.target
    source_width, source_height = clip.source
    pictures = clip.samples.during(piece.start, piece.end)
    left, right = written_columns(pictures, _in_samples(clip, _around(face)))
    x, content = clip.content[0], clip.content[2]
    left = max(0.0, (left * clip.whole[0] - x) / content - _SCREEN_MARGIN) * source_width
    right = min(1.0, (right * clip.whole[0] - x) / content + _SCREEN_MARGIN) * source_width
    flattest = float(_SCREEN_FLATTEST)
    window = min(max(right - left, source_height * flattest), float(source_width))
    if wide > high:
        camera_wide = 2 * round(wide * 0.3 / 2)
        screen_place, camera_place = (0, 0, wide - camera_wide, high), (wide - camera_wide, 0, camera_wide, high)
        window = min(window, source_height * screen_place[2] / screen_place[3])
        screen = _even(window, source_width), _even(window * screen_place[3] / screen_place[2], source_height)
    else:
        tall = min(_even(wide * source_height / window, high), 2 * round(high * 0.6 / 2))
        screen_place, camera_place = (0, 0, wide, tall), (0, tall, wide, high - tall)
        screen = _even(window, source_width), _even(min(window * tall / wide, source_height), source_height)
    # Where not all of it fits, reading starts on the left.
    start = left if right - left > screen[0] else (left + right) / 2 - screen[0] / 2
    start = min(max(0, round(start)), source_width - screen[0])
    shown = CameraPane(
        left=screen_place[0],
        top=screen_place[1],
        wide=screen_place[2],
        high=screen_place[3],
        width=screen[0],
        height=screen[1],
        x=(start,),
        y=((source_height - screen[1]) // 2,),
    )
    shape = camera_place[2] / camera_place[3]
    tall_face = float(np.median(face.h)) * source_height
    height = max(tall_face / _CAMERA_FACE_HIGH, camera_place[3] / _CAMERA_ENLARGED)
    height = min(height, source_height, source_width / shape)
    size = _even(height * shape, source_width), _even(height, source_height)
    panes = (shown, _pane(clip, face, size, camera_place, frames, face_place=_CAMERA_FACE_PLACE))
    return CameraMove(layout="panes", first_frame=frames[0], frames=frames[1] - frames[0], panes=panes)
