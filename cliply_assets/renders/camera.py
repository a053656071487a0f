"""Where the camera looks in a clip: a window over the source that follows who matters, as an operator would."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from cliply_assets.renders.camera_path import calm_samples, rest_and_ease
from cliply_assets.renders.camera_rules import DEFAULT_CAMERA, CameraRules
from cliply_assets.renders.camera_subject import Face, Stretch, choose_subjects, faces_in
from cliply_assets.renders.command import part_of_move
from cliply_resources.documents.clips import CameraMove
from cliply_resources.documents.scenes import Scenes
from cliply_resources.documents.spans import Span

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CameraRules", "calm_layouts", "moved_by", "pieces_of", "plan_camera", "replaced", "window_size"]

Line = npt.NDArray[np.float64]

WHOLE = 0.98
"""From this share of the picture on, the window is the picture: there is nothing to choose."""
UNSAMPLED = 0.75
"""Seconds; a shot shorter than this may lie between two samples, and then no faces says nothing."""
CONTEXT = 2.0
"""Seconds of the same shot beyond the clip's ends that help to know who is there."""


def _frame(moment: float, start: float, rate: Fraction) -> int:
    return floor((moment - start) * float(rate) + 0.5)


@dataclass(frozen=True)
class _Stage:
    """What stays the same through one clip."""

    start: float
    rate: Fraction
    source: tuple[int, int]
    target: tuple[int, int]
    rules: CameraRules

    def frame(self, moment: float) -> int:
        """The first output frame that shows the source at `moment` or later; cuts fall on the nearest one."""
        return _frame(moment, self.start, self.rate)

    def times(self, first: int, end: int) -> Line:
        return self.start + np.arange(first, end) / float(self.rate)


@dataclass(frozen=True)
class _Aim:
    """One stretch, ready to be framed: output frames, the size of the window, and where its left and top should be."""

    first: int
    end: int
    size: tuple[int, int]
    left: Line
    top: Line
    face: tuple[float, float]
    """Typical width and height of what must stay inside, in pixels."""


def window_size(source: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The largest even-sized window of the target's proportions inside the source, in source pixels."""
    width, height = source
    wide, high = target
    if width * high >= height * wide:
        return _even(height * wide / high, width), _even(height, height)
    return _even(width, width), _even(width * high / wide, height)


def plan_camera(  # noqa: PLR0913 - every one is a fact of the clip, and all are named
    faces: "pl.DataFrame",
    scenes: Scenes,
    span: Span,
    *,
    source_size: tuple[int, int],
    aspect_size: tuple[int, int],
    frame_rate: Fraction,
    frames: int,
    speech: Sequence[Span] = (),
    rules: CameraRules = DEFAULT_CAMERA,
) -> tuple[CameraMove, ...]:
    """The camera for every frame of a clip: `frames` of them, without gaps, inside the source, calm.

    `faces` is the table documented at `FaceTracks`, `span` the clip in seconds of the source, snapped to the output's frames. In each shot
    the active speaker is followed (mouth movement while there is `speech`, then size, then presence), or a group where it fits. The
    camera rests while the face stays near its place, eases where it must move, and jumps only where a person far away takes over; it
    never moves across a cut. With nobody there the whole picture is shown (`fit`), unless the window shows nearly all of it.
    """
    stage = _Stage(span.start, frame_rate, source_size, aspect_size, rules)
    width, height = window_size(source_size, aspect_size)
    if width * height >= WHOLE * source_size[0] * source_size[1]:
        return (_resting(stage, 0, frames, (width, height)),)
    moves: list[CameraMove] = []
    for first, end, shot in pieces_of(span.start, frame_rate, scenes, frames):
        piece = Span(float(stage.times(first, first + 1)[0]), stage.start + end / float(frame_rate))
        seen = faces_in(faces, _context(piece, shot))
        if not seen and piece.duration < UNSAMPLED and moves:
            moves.append(_as_before(moves[-1], first, end))
        else:
            moves += _film(stage, seen, piece, first=first, end=end, speech=speech)
    return _joined(moves)


def _even(length: float, most: int) -> int:
    return max(2, min(2 * round(length / 2), most - most % 2))


def pieces_of(start: float, rate: Fraction, scenes: Scenes, frames: int) -> Iterator[tuple[int, int, Span]]:
    """The shots of the clip as output frames (first, end), without gaps; a shot that falls between two frames is none."""
    edges = [min(max(_frame(shot.start, start, rate), 0), frames) for shot in scenes.shots]
    edges[0] = 0
    for number, shot in enumerate(scenes.shots):
        end = edges[number + 1] if number + 1 < len(edges) else frames
        if end > edges[number]:
            yield edges[number], end, shot


def replaced(moves: tuple[CameraMove, ...], first: int, end: int, by: CameraMove | None) -> tuple[CameraMove, ...]:
    """The moves with `by` in place of frames `first` to `end`; as they are without it."""
    if by is None:
        return moves
    before, after = [], []
    for move in moves:
        last = move.first_frame + move.frames
        if move.first_frame < first:
            before.append(_cut(move, move.first_frame, min(last, first)))
        if last > end:
            after.append(_cut(move, max(move.first_frame, end), last))
    return (*before, by, *after)


def _cut(move: CameraMove, first: int, end: int) -> CameraMove:
    at = move.first_frame
    return part_of_move(move, first - at, end - at, first_frame=first)


def calm_layouts(
    moves: tuple[CameraMove, ...], least: int, window: tuple[int, int], source: tuple[int, int]
) -> tuple[CameraMove, ...]:
    """Without a whole picture that stands for fewer than `least` frames between two that are cropped, or the other way round."""
    calm = list(moves)
    for kind, other in (("fit", "crop"), ("crop", "fit")):
        number = 0
        while number < len(calm):
            end = number + 1
            while end < len(calm) and calm[end].layout == calm[number].layout:
                end += 1
            beside = [calm[at].layout for at in (number - 1, end) if 0 <= at < len(calm)]
            frames = sum(move.frames for move in calm[number:end])
            if calm[number].layout == kind and frames < least and beside and all(one == other for one in beside):
                calm[number:end] = [_in_place_of(calm, number, frames, other, window, source)]
                end = number + 1
            number = end
    return _joined(calm)


def _in_place_of(
    moves: list[CameraMove], at: int, frames: int, layout: str, window: tuple[int, int], source: tuple[int, int]
) -> CameraMove:
    first = moves[at].first_frame
    if layout == "fit":
        return CameraMove(layout="fit", first_frame=first, frames=frames)
    if at:
        return _as_before(moves[at - 1], first, first + frames)
    x, y = (source[0] - window[0]) // 2, (source[1] - window[1]) // 2
    return CameraMove(
        layout="crop", first_frame=first, frames=frames, width=window[0], height=window[1], x=(x,), y=(y,)
    )


def moved_by(move: CameraMove, content: tuple[int, int, int, int]) -> CameraMove:
    """A move planned on a part of the picture (left, top, width, height), on the whole picture."""
    left, top, width, height = content

    def by(path: tuple[int, ...], offset: int) -> tuple[int, ...]:
        return tuple(value + offset for value in path)

    replace = msgspec.structs.replace
    if move.layout == "fit":
        return replace(move, width=width, height=height, x=(left,), y=(top,))
    if move.panes:
        return replace(move, panes=tuple(replace(pane, x=by(pane.x, left), y=by(pane.y, top)) for pane in move.panes))
    return replace(move, x=by(move.x, left), y=by(move.y, top))


def _context(piece: Span, shot: Span) -> Span:
    """The piece and a little more of its shot."""
    start = min(max(shot.start, piece.start - CONTEXT), piece.start)
    return Span(start, max(min(shot.end, piece.end + CONTEXT), piece.start + 0.01))


def _resting(stage: _Stage, first: int, end: int, size: tuple[int, int]) -> CameraMove:
    """The middle of the picture."""
    x, y = (stage.source[0] - size[0]) // 2, (stage.source[1] - size[1]) // 2
    return CameraMove(
        layout="crop", first_frame=first, frames=end - first, width=size[0], height=size[1], x=(x,), y=(y,)
    )


def _as_before(last: CameraMove, first: int, end: int) -> CameraMove:
    """What the camera showed last, at rest."""
    return CameraMove(
        layout=last.layout,
        first_frame=first,
        frames=end - first,
        width=last.width,
        height=last.height,
        x=last.x[-1:],
        y=last.y[-1:],
    )


def _film(
    stage: _Stage, seen: list[Face], piece: Span, *, first: int, end: int, speech: Sequence[Span]
) -> list[CameraMove]:
    """The moves of one shot."""
    rules = stage.rules
    width, height = window_size(stage.source, stage.target)
    together = (rules.group_width * width / stage.source[0], rules.group_width * height / stage.source[1])
    stretches = choose_subjects(seen, piece, rules=rules, speech=speech, together=together)
    moves: list[CameraMove] = []
    waiting: list[_Aim] = []
    for number, stretch in enumerate(stretches):
        start = first if number == 0 else min(max(stage.frame(stretch.start), first), end)
        stop = end if number + 1 == len(stretches) else min(max(stage.frame(stretch.end), first), end)
        if stop <= start:
            continue
        aim = _aim(stage, stretch, start, stop) if stretch.faces else None
        if waiting and (aim is None or not _near(waiting[-1], aim, rules)):
            moves.append(_moved(stage, waiting))
            waiting = []
        if aim:
            waiting.append(aim)
        else:
            moves.append(_nobody(stage, start, stop, (width, height)))
    if waiting:
        moves.append(_moved(stage, waiting))
    return moves


def _nobody(stage: _Stage, first: int, end: int, size: tuple[int, int]) -> CameraMove:
    if size[0] * size[1] >= stage.rules.nearly_whole * stage.source[0] * stage.source[1]:
        return _resting(stage, first, end, size)
    return CameraMove(layout="fit", first_frame=first, frames=end - first)


def _aim(stage: _Stage, stretch: Stretch, first: int, end: int) -> _Aim:
    source_width, source_height = stage.source
    times = np.unique(np.concatenate([face.time for face in stretch.faces]))
    boxes = np.array([[np.interp(times, f.time, v) for v in (f.x, f.y, f.w, f.h)] for f in stretch.faces])
    left, right = (boxes[:, 0] - boxes[:, 2] / 2).min(0), (boxes[:, 0] + boxes[:, 2] / 2).max(0)
    top, bottom = (boxes[:, 1] - boxes[:, 3] / 2).min(0), (boxes[:, 1] + boxes[:, 3] / 2).max(0)
    face = (float(np.median(right - left)) * source_width, float(np.median(bottom - top)) * source_height)
    tallest = float(np.median(boxes[:, 3].max(0))) * source_height
    size = _closer(stage, tallest if len(stretch.faces) == 1 else float(source_height))
    zones = [stage.rules.brief_zone * size[0], stage.rules.brief_zone * size[1]]
    zones = [min(zone, 0.8 * _slack(size[axis], face[axis])) for axis, zone in enumerate(zones)]
    x = calm_samples((left + right) / 2 * source_width, zone=zones[0])
    y = calm_samples((top + bottom) / 2 * source_height, zone=zones[1])
    moments = stage.times(first, end)
    return _Aim(
        first=first,
        end=end,
        size=size,
        left=np.clip(np.interp(moments, times, x) - size[0] / 2, 0, source_width - size[0]),
        top=np.clip(np.interp(moments, times, y) - stage.rules.face_place * size[1], 0, source_height - size[1]),
        face=face,
    )


def _closer(stage: _Stage, face_height: float) -> tuple[int, int]:
    """The window for a face of this height in pixels: the largest, or a smaller one for a small face in a sharp source."""
    rules = stage.rules
    width, height = window_size(stage.source, stage.target)
    sharp = stage.target[1] / rules.max_upscale
    wanted = max(face_height / rules.face_height, sharp)
    # A change of less than a tenth is not worth the loss.
    if wanted > 0.9 * height:
        return width, height
    return _even(wanted * stage.target[0] / stage.target[1], width), _even(wanted, height)


def _slack(window: float, face: float) -> float:
    """How far a face may be off the middle before it touches the edge."""
    return max(0.0, (window - face) / 2)


def _near(last: _Aim, aim: _Aim, rules: CameraRules) -> bool:
    """Whether the camera can pan from one to the other instead of jumping."""
    across = abs(float(last.left[-1] - aim.left[0])) <= rules.near * aim.size[0]
    return last.size == aim.size and across and abs(float(last.top[-1] - aim.top[0])) <= rules.near * aim.size[1]


def _moved(stage: _Stage, aims: list[_Aim]) -> CameraMove:
    """One move over stretches that follow each other closely."""
    size, rules = aims[0].size, stage.rules
    rate = float(stage.rate)
    paths: list[tuple[int, ...]] = []
    for axis, targets in enumerate(([aim.left for aim in aims], [aim.top for aim in aims])):
        room = min(_slack(size[axis], aim.face[axis]) for aim in aims)
        path = rest_and_ease(
            np.concatenate(targets),
            dead=min(rules.dead_zone * size[axis], 0.4 * room),
            ease=rules.ease_seconds * rate,
            max_step=rules.max_speed * size[axis] / rate,
        )
        whole = np.clip(np.rint(path), 0, stage.source[axis] - size[axis]).astype(int).tolist()
        paths.append((whole[0],) if min(whole) == max(whole) else tuple(whole))
    first, end = aims[0].first, aims[-1].end
    return CameraMove(
        layout="crop", first_frame=first, frames=end - first, width=size[0], height=size[1], x=paths[0], y=paths[1]
    )


def _joined(moves: list[CameraMove]) -> tuple[CameraMove, ...]:
    """Neighbours that show the same resting window become one."""
    joined: list[CameraMove] = []
    for move in moves:
        last = joined[-1] if joined else None
        if last and not move.panes and _view(last) == _view(move) and len(move.x) <= 1 and len(move.y) <= 1:
            joined[-1] = _as_before(last, last.first_frame, move.first_frame + move.frames)
        else:
            joined.append(move)
    return tuple(joined)


def _view(move: CameraMove) -> tuple[object, ...]:
    return move.layout, move.width, move.height, move.x, move.y, move.panes
