"""Whom the camera looks at, moment by moment, within one shot."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cliply_assets.renders.camera_rules import CameraRules
from cliply_resources.documents.spans import Span

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Face", "Stretch", "choose_subjects", "faces_in"]

Line = npt.NDArray[np.float64]

SAMPLE_STEP = 0.5
"""Seconds between samples where the faces themselves do not tell."""
MOUTH_WINDOW = 0.75
"""Seconds to either side over which a mouth's movement is averaged: half a sentence, not a syllable."""
SENTENCE_WINDOW = 1.25
"""And this far within one sentence, which one person says."""
LISTENING, SPEAKING = 65, 75
"""Percentiles over a shot of the second liveliest mouth's movement, which is a listener's, and of the liveliest one's."""
MOUTH_FLOOR = 0.03
"""Mouth movement (0 to 1) that anybody shows who listens; below it nobody is called the speaker."""
WEIGHTS = (0.45, 0.35, 0.2)
"""Mouth, size, presence: who speaks first, who is large second, who stays third."""
MOST_PEOPLE = 8
"""People weighed against each other; in a crowd the largest count."""


@dataclass(frozen=True)
class Face:
    """One person's face through one shot, sampled: times in seconds, the rest in fractions of the picture."""

    person: int
    time: Line
    x: Line
    y: Line
    w: Line
    h: Line
    mouth: Line


@dataclass(frozen=True)
class Stretch:
    """From `start` to `end` (seconds) the camera is on these people; on nobody where there are none."""

    start: float
    end: float
    faces: tuple[Face, ...]


def faces_in(faces: "pl.DataFrame", span: Span) -> list[Face]:
    """The people seen in a stretch of one shot, those first who fill the picture most and longest."""
    times = faces["time"].to_numpy().astype(np.float64)
    inside = (times >= span.start - 0.002) & (times < span.end - 0.002)
    columns = {name: faces[name].to_numpy()[inside].astype(np.float64) for name in ("x", "y", "w", "h", "mouth_motion")}
    times, people = times[inside], faces["person"].to_numpy()[inside]
    found: list[Face] = []
    for person in sorted(set(people.tolist())):
        mine = np.flatnonzero(people == person)
        mine = mine[np.argsort(times[mine], kind="stable")]
        # Two tracks of one person at one moment would be a mistake; the first is as good as any.
        _, unique = np.unique(times[mine], return_index=True)
        rows = mine[unique]
        x, y, w, h, mouth = (column[rows] for column in columns.values())
        found.append(Face(int(person), times[rows], x + w / 2, y + h / 2, w, h, mouth))
    found.sort(key=lambda face: (-float(face.h.sum()), face.person))
    return found[:MOST_PEOPLE]


def choose_subjects(
    faces: Sequence[Face],
    span: Span,
    *,
    rules: CameraRules,
    speech: Sequence[Span],
    together: "tuple[float, float]",
) -> list[Stretch]:
    """Who is looked at through `span`, without gaps: the active speaker, a group that fits, or nobody.

    `together` is how wide and high (fractions of the picture) a group may be to be shown as one. Mouths count only while there is speech,
    where `speech` says when that is.
    """
    step = _step(faces)
    grid = _grid(span, step)
    present = np.array([_presence(face, grid, step, rules.bridge_seconds) for face in faces]).reshape(
        len(faces), len(grid)
    )
    anyone = np.asarray(present.any(axis=0), bool)
    somebody = _somebody(anyone, span.duration / len(grid), rules)
    stretches: list[Stretch] = []
    for here, members in groupby(range(len(grid)), key=lambda at: bool(somebody[at])):
        run = list(members)
        start, end = _edge(grid, run[0], span), _edge(grid, run[-1] + 1, span)
        if not here:
            stretches.append(Stretch(start, end, ()))
            continue
        group = _group(faces, present[:, run], grid[run], together)
        if group:
            stretches.append(Stretch(start, end, group))
        else:
            scores = _scores(faces, present[:, run], grid[run], speech)
            chosen = _best_sequence(scores, cost=rules.switch_cost / (span.duration / len(grid)))
            chosen = _without_short_runs(chosen, max(1, round(rules.confirm_seconds / (span.duration / len(grid)))))
            stretches += _as_stretches(chosen, faces, grid, run, span=span, speech=speech)
    return stretches


def _step(faces: Sequence[Face]) -> float:
    times = np.unique(np.concatenate([face.time for face in faces])) if faces else np.zeros(0)
    return float(np.diff(times).min()) if len(times) > 1 else SAMPLE_STEP


def _grid(span: Span, step: float) -> Line:
    count = max(1, round(span.duration / step))
    return np.asarray(span.start + (np.arange(count) + 0.5) * (span.duration / count), np.float64)


def _edge(grid: Line, at: int, span: Span) -> float:
    if at <= 0:
        return span.start
    if at >= len(grid):
        return span.end
    return float(grid[at - 1] + grid[at]) / 2


def _presence(face: Face, grid: Line, step: float, bridge: float) -> npt.NDArray[np.bool_]:
    after = np.searchsorted(face.time, grid)
    last = np.where(after > 0, face.time[np.maximum(after - 1, 0)], -np.inf)
    following = np.where(after < len(face.time), face.time[np.minimum(after, len(face.time) - 1)], np.inf)
    # A sample stands for half a step to either side, its end included and its start not.
    near = (grid - last <= 0.5 * step + 1e-6) | (following - grid < 0.5 * step - 1e-6)
    return np.asarray(near | (following - last <= bridge + 1e-9))


def _somebody(anyone: npt.NDArray[np.bool_], step: float, rules: CameraRules) -> npt.NDArray[np.bool_]:
    """Long stretches of nobody stay, short ones are waited through; glimpses between long ones are passed over."""
    result = anyone.copy()
    for value, longest in ((False, rules.absent_seconds), (True, rules.glimpse_seconds)):
        if not (result == value).any() or (result == value).all():
            continue
        for here, members in groupby(range(len(result)), key=lambda at: bool(result[at])):
            run = list(members)
            if here == value and len(run) * step < longest - 1e-9 and len(run) < len(result):
                result[run] = not value
    return result


def _group(
    faces: Sequence[Face], present: npt.NDArray[np.bool_], grid: Line, together: tuple[float, float]
) -> tuple[Face, ...]:
    """Those of about one size who stay and always fit into the window together; empty where fewer than two do."""
    staying = [face for face, here in zip(faces, present, strict=True) if here.mean() >= 0.6]
    if len(staying) < 2:
        return ()
    tallest = max(float(np.median(face.h)) for face in staying)
    alike = tuple(face for face in staying if float(np.median(face.h)) >= 0.5 * tallest)
    if len(alike) < 2:
        return ()
    left, right, top, bottom = _union(alike, grid)
    if np.percentile(right - left, 90) <= together[0] and np.percentile(bottom - top, 90) <= together[1]:
        return alike
    return ()


def _union(faces: Sequence[Face], grid: Line) -> tuple[Line, Line, Line, Line]:
    def each(value: str, half: str, sign: float) -> Line:
        return np.array(
            [
                np.interp(grid, face.time, getattr(face, value))
                + sign * np.interp(grid, face.time, getattr(face, half)) / 2
                for face in faces
            ]
        )

    return each("x", "w", -1).min(0), each("x", "w", 1).max(0), each("y", "h", -1).min(0), each("y", "h", 1).max(0)


def _scores(faces: Sequence[Face], present: npt.NDArray[np.bool_], grid: Line, speech: Sequence[Span]) -> Line:
    """How much each person deserves the picture at each moment, 0 to 1; 0 for somebody who is not there."""
    size = np.array([np.interp(grid, face.time, face.h) for face in faces]) * present
    calm = _calm_mouths(faces, speech)
    mouth = np.array([_mouth(face, one, grid, speech) for face, one in zip(faces, calm, strict=True)]) * present
    staying = present.mean(axis=1, keepdims=True)
    size_share = size / np.maximum(size.max(axis=0), 1e-6)
    mouth_share = mouth / (mouth.max(axis=0) + MOUTH_FLOOR)
    return np.asarray((WEIGHTS[0] * mouth_share + WEIGHTS[1] * size_share + WEIGHTS[2] * staying) * present)


def _calm_mouths(faces: Sequence[Face], speech: Sequence[Span]) -> list[Line]:
    """Every face's mouth movement above what listeners show, where 1 is a clear speaker of this shot.

    Light, grain and a jittering box move every mouth: what the second liveliest shows is no speech, since one speaks at a time.
    """
    counted = [_spoken(face, speech) for face in faces]
    if len(faces) < 2 or not all(each.any() for each in counted):
        return [face.mouth for face in faces]
    times = np.unique(np.concatenate([face.time[each] for face, each in zip(faces, counted, strict=True)]))
    mouths = np.array([np.interp(times, face.time, face.mouth) for face in faces])
    floor = float(np.percentile(np.sort(mouths, axis=0)[-2], LISTENING))
    reach = max(float(np.percentile(mouths.max(axis=0), SPEAKING)) - floor, MOUTH_FLOOR)
    return [np.asarray(np.clip((face.mouth - floor) / reach, 0.0, 1.0), np.float64) for face in faces]


def _spoken(face: Face, speech: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Which samples tell of speech: each of the half second before it."""
    if not speech:
        return np.ones(len(face.time), bool)
    return np.array(
        [any(span.start - 0.25 <= time <= span.end + 0.5 for span in speech) for time in face.time.tolist()], bool
    )


def _mouth(face: Face, mouth: Line, grid: Line, speech: Sequence[Span]) -> Line:
    """The mouth's movement around each moment, within the sentence that is being said where that is known."""
    low, high = grid - MOUTH_WINDOW, grid + MOUTH_WINDOW
    for span in speech:
        inside = (grid >= span.start - 0.1) & (grid <= span.end + 0.25)
        low[inside] = np.maximum(grid[inside] - SENTENCE_WINDOW, span.start + 0.2)
        high[inside] = np.minimum(grid[inside] + SENTENCE_WINDOW, max(span.end + 0.3, span.start + 0.7))
    counted = _spoken(face, speech)[None, :]
    near = (face.time[None, :] >= low[:, None]) & (face.time[None, :] <= high[:, None]) & counted
    return np.asarray((near * mouth[None, :]).sum(axis=1) / np.maximum(near.sum(axis=1), 1))


def _best_sequence(scores: Line, *, cost: float) -> list[int]:
    """Who is looked at, so that the sum of scores less the `cost` of every switch is largest (Viterbi)."""
    people, moments = scores.shape
    best = scores[:, 0].copy()
    came_from = np.zeros((people, moments), np.int64)
    for at in range(1, moments):
        leader = int(np.argmax(best))
        switched = best[leader] - cost > best
        came_from[:, at] = np.where(switched, leader, np.arange(people))
        best = np.where(switched, best[leader] - cost, best) + scores[:, at]
    chosen = [int(np.argmax(best))]
    for at in range(moments - 1, 0, -1):
        chosen.append(int(came_from[chosen[-1], at]))
    return chosen[::-1]


def _without_short_runs(chosen: list[int], least: int) -> list[int]:
    """Runs shorter than `least` go to the run before, the first one to the run after."""
    runs = [[person, len(list(members))] for person, members in groupby(chosen)]
    while len(runs) > 1 and min(length for _, length in runs) < least:
        at = min(range(len(runs)), key=lambda each: runs[each][1])
        _, length = runs.pop(at)
        runs[max(0, at - 1)][1] += length
        runs = [[person, sum(run[1] for run in same)] for person, same in groupby(runs, key=lambda run: run[0])]
    return [person for person, length in runs for _ in range(length)]


def _as_stretches(
    chosen: list[int],
    faces: Sequence[Face],
    grid: Line,
    run: list[int],
    *,
    span: Span,
    speech: Sequence[Span],
) -> list[Stretch]:
    edges = [_edge(grid, run[0], span)]
    people: list[int] = []
    at = run[0]
    for person, members in groupby(chosen):
        at += len(list(members))
        people.append(person)
        edges.append(_edge(grid, at, span))
    for number in range(1, len(edges) - 1):
        edges[number] = _at_speech(edges[number], speech, low=edges[number - 1], high=edges[number + 1])
    return [Stretch(edges[i], edges[i + 1], (faces[person],)) for i, person in enumerate(people)]


def _at_speech(moment: float, speech: Sequence[Span], *, low: float, high: float) -> float:
    """The start of speech within half a second of `moment`: there an editor would cut."""
    starts = [s.start for s in speech if abs(s.start - moment) <= SAMPLE_STEP and low + 0.4 < s.start < high - 0.4]
    return min(starts, key=lambda start: abs(start - moment), default=moment)
