"""The signals of a film as a picture: one curve each, with the chosen moments marked; as SVG, and as PNG where a vector is no use.

What is drawn is decided once, as a list of marks; `chart_svg.py` and `chart_png.py` put it on paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cliply_assets.highlights.reasons import clock
from cliply_assets.highlights.timeline import SIGNALS
from cliply_resources.documents import Candidate, Candidates

if TYPE_CHECKING:
    import polars as pl

__all__ = ["WIDTH", "Area", "Chart", "Label", "Rule", "Strip", "lay_out_chart"]

WIDTH = 1400
"""Pixels."""
_LEFT, _RIGHT, _TOP = 148, 28, 56
_LABEL_ROW = 22
_LANE, _SPACE = 44, 12
_SCORE_LANE = 96
_AXIS = 40
_LIST_ROW = 24
_MOST_LISTED = 12
_POINTS = 700  # steps of a curve; of a longer film each shows its highest value
_TICKS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # s between time labels
_MOST_TICKS = 14
_LETTER = 0.54  # of the size: how wide a letter is taken to be where labels must not touch

INK, FAINT, GRID = "#1F2430", "#6B7280", "#E5E7EB"
CHOSEN, CHOSEN_EDGE, NEAR = "#FFF1C2", "#B45309", "#F3F4F6"
_COLOURS = {
    "text": "#4F46E5",
    "energy": "#0891B2",
    "rise": "#0E7490",
    "pitch_range": "#7C3AED",
    "pace": "#2563EB",
    "laughter": "#DB2777",
    "applause": "#E11D48",
    "beats": "#65A30D",
    "cuts": "#57534E",
    "motion": "#0D9488",
    "faces": "#B45309",
    "replayed": "#DC2626",
    "comments": "#EA580C",
    "chat": "#C026D3",
    "score": "#111827",
}
_NAMES = {
    "text": "words",
    "rise": "rise in energy",
    "pitch_range": "pitch range",
    "replayed": "most replayed",
    "score": "together",
}


@dataclass(frozen=True)
class Strip:
    """A filled rectangle; `says` is for who points at it."""

    left: float
    top: float
    right: float
    bottom: float
    colour: str
    says: str = ""


@dataclass(frozen=True)
class Rule:
    """A straight line, one pixel thick."""

    left: float
    top: float
    right: float
    bottom: float
    colour: str


@dataclass(frozen=True)
class Area:
    """A curve of steps over its base, the area under it in a lighter shade of its colour."""

    points: tuple[tuple[float, float], ...]
    base: float
    colour: str


@dataclass(frozen=True)
class Label:
    """A line of text; `x` is its left edge, its middle or its right edge, `y` the middle of its height."""

    x: float
    y: float
    text: str
    size: int
    colour: str
    align: Literal["left", "middle", "right"] = "left"
    strong: bool = False


@dataclass(frozen=True)
class Chart:
    """Everything that is drawn, the lowest first, on white paper."""

    width: int
    height: int
    title: str
    marks: tuple[Strip | Rule | Area | Label, ...]


def lay_out_chart(signals: "pl.DataFrame", chosen: Candidates) -> Chart:
    """`signals` as `choose_candidates` gives them, a lane each; clips in amber with rank and score, near misses grey, a list below.

    No two labels touch: those of clips that lie close stand in rows above each other.
    """
    lanes = [name for name in SIGNALS if name in signals.columns] + ["score"]
    times = signals["time"].to_numpy()
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    moments = (*chosen.candidates, *chosen.near_misses)
    seconds = max(float(times[-1]) + step, *(one.end for one in moments), 1e-3)
    labels, rows = _rank_labels(chosen.candidates, seconds)
    first = _TOP + rows * _LABEL_ROW
    bottom = first + (len(lanes) - 1) * (_LANE + _SPACE) + _SCORE_LANE + _SPACE
    listed = list(_listed(chosen, bottom + _AXIS))
    title = f"{chosen.profile.capitalize()}, ranked by {chosen.ranker}"
    marks: list[Strip | Rule | Area | Label] = [
        *_head(title),
        *_bands(chosen, seconds, (first - 6, bottom)),
        *_time_axis(seconds, (first - 6, bottom)),
        *labels,
    ]
    top = float(first)
    for name in lanes:
        high = _SCORE_LANE if name == "score" else _LANE
        marks += [Rule(_LEFT, top + high, WIDTH - _RIGHT, top + high, GRID)]
        marks += [_curve(signals[name].to_numpy(), (top, high), _COLOURS[name])]
        marks += [Label(16, top + high / 2, _NAMES.get(name, name), 15, INK, strong=name == "score")]
        top += high + _SPACE
    marks += listed
    return Chart(
        width=WIDTH,
        height=int(bottom + _AXIS + (len(listed) and _LIST_ROW * len(listed) + 12)),
        title=title,
        marks=tuple(marks),
    )


def _across(seconds: float, whole: float) -> float:
    return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * seconds / whole, 1)


def _wide(text: str, size: int) -> float:
    return len(text) * size * _LETTER


def _head(title: str) -> Iterator[Strip | Label]:
    yield Label(16, 26, title, 19, INK, strong=True)
    x = float(WIDTH - _RIGHT)
    for text, colour in (("near miss", "#D1D5DB"), ("chosen (rank · score)", CHOSEN_EDGE)):
        x -= _wide(text, 14)
        yield Label(x, 26, text, 14, FAINT)
        yield Strip(x - 22, 19, x - 8, 33, colour)
        x -= 44


def _rank_labels(clips: Sequence[Candidate], seconds: float) -> tuple[list[Label], int]:
    """A label over each clip, in the lowest row where it touches no other; and how many rows that takes."""
    ends: list[float] = []
    placed: list[tuple[int, float, str]] = []
    for rank, one in sorted(enumerate(clips, 1), key=lambda pair: pair[1].start):
        text = f"{rank} · {one.score:.0f}"
        half = _wide(text, 15) / 2
        middle = (_across(one.start, seconds) + _across(one.end, seconds)) / 2
        middle = min(max(middle, _LEFT + half), WIDTH - _RIGHT - half)
        row = next((place for place, end in enumerate(ends) if middle - half >= end + 10), len(ends))
        ends[row : row + 1] = [middle + half]
        placed.append((row, round(middle, 1), text))
    rows = max(1, len(ends))
    return [
        Label(middle, _TOP + (rows - row - 0.5) * _LABEL_ROW - 8, text, 15, CHOSEN_EDGE, "middle", strong=True)
        for row, middle, text in placed
    ], rows


def _says(one: Candidate) -> str:
    return f"{clock(one.start)} to {clock(one.end)}, {one.score:.0f} of 100: {one.title}"


def _bands(chosen: Candidates, seconds: float, span: tuple[float, float]) -> Iterator[Strip | Rule]:
    top, bottom = span
    for one in chosen.near_misses:
        yield Strip(
            _across(one.start, seconds), top, _across(one.end, seconds), bottom, NEAR, f"Near miss, {_says(one)}"
        )
    for rank, one in enumerate(chosen.candidates, 1):
        left, right = _across(one.start, seconds), _across(one.end, seconds)
        yield Strip(left, top, right, bottom, CHOSEN, f"Clip {rank}, {_says(one)}")
        yield Rule(left, top, left, bottom, CHOSEN_EDGE)
        yield Rule(right, top, right, bottom, CHOSEN_EDGE)


def _time_axis(seconds: float, span: tuple[float, float]) -> Iterator[Rule | Label]:
    top, bottom = span
    tick = next((tick for tick in _TICKS if seconds / tick <= _MOST_TICKS), None)
    if tick is None:
        # Whole hours, as many as keep the labels apart.
        tick = 3600 * int(np.ceil(seconds / 3600 / _MOST_TICKS))
    for moment in np.arange(0, seconds + 1e-6, tick):
        place = _across(float(moment), seconds)
        yield Rule(place, top, place, bottom + 5, GRID)
        yield Label(place, bottom + 17, clock(float(moment)), 13, FAINT, "middle")
    yield Rule(_LEFT, bottom, WIDTH - _RIGHT, bottom, FAINT)


def _curve(values: "np.ndarray", lane: tuple[float, int], colour: str) -> Area:
    """Steps from left to right; where a film has more rows than the curve has steps, each shows its highest."""
    top, height = lane
    clean = np.nan_to_num(values.astype(float))
    if len(clean) > _POINTS:
        edges = np.linspace(0, len(clean), _POINTS, endpoint=False).astype(int)
        clean = np.maximum.reduceat(clean, edges)
    base = top + height
    across = np.linspace(_LEFT, WIDTH - _RIGHT, len(clean) + 1).round()
    points: list[tuple[float, float]] = []
    for place, value in enumerate(np.clip(clean, 0.0, 1.0)):
        up = float(round(base - height * float(value)))
        if points and points[-1][1] == up:
            points.pop()
        else:
            points.append((float(across[place]), up))
        points.append((float(across[place + 1]), up))
    return Area(points=tuple(points), base=base, colour=colour)


def _listed(chosen: Candidates, top: float) -> Iterator[Label]:
    """The clips in order of rank: when, how good, what."""
    for rank, one in enumerate(chosen.candidates[:_MOST_LISTED], 1):
        times = f"{clock(one.start)} – {clock(one.end)}"
        title = one.title if len(one.title) <= 110 else one.title[:109] + "…"
        yield Label(16, top + (rank - 0.5) * _LIST_ROW, f"{rank} · {one.score:.0f}   {times}   {title}", 15, INK)
    if len(chosen.candidates) > _MOST_LISTED:
        more = f"and {len(chosen.candidates) - _MOST_LISTED} more"
        yield Label(16, top + (_MOST_LISTED + 0.5) * _LIST_ROW, more, 15, FAINT)
