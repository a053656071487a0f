"""What viewers wrote, as curves over the film: each from 0 to 1 against the film's own ordinary, or none where too little is known."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cliply_resources.documents import ChatWindow, ViewerMark

__all__ = ["chat_activity", "comment_marks", "marks_within"]

Floats = NDArray[np.float64]

_BEFORE, _FULL, _AFTER = (
    3.0,
    12.0,
    25.0,
)  # s around a named moment: people name where it begins, and what follows is meant
_ENOUGH_PEOPLE = 3.0  # who name or like a moment anywhere in the film; fewer are a whim
_SAME_WISH = 30.0  # s; one viewer who names a moment twice is one viewer
_CHAT_LAG = 6.0  # s that a stream's delay, reading and typing take
_CHAT_EASED = 10.0  # s
_CHAT_NEIGHBOURHOOD = (
    300.0  # s; viewers come and go over a stream, so the chat is compared with itself around the moment
)
_BUSY = 3  # people in one window; a chat that never has them is silence


def comment_marks(rows: int, step: float, marks: Sequence[ViewerMark]) -> Floats | None:
    """How many people's comments point at each row, likes counted by their logarithm; `None` where hardly anybody does."""
    once = _each_viewer_once(marks)
    if sum(_people(mark) for mark in once) < _ENOUGH_PEOPLE:
        return None
    times = (np.arange(rows) + 0.5) * step
    curve = np.zeros(rows)
    for mark in once:
        after = times - mark.time
        near = np.clip((_AFTER - after) / (_AFTER - _FULL), 0.0, 1.0) * (after >= -_BEFORE)
        curve += _people(mark) * near
    return curve


def chat_activity(rows: int, step: float, chat: Sequence[ChatWindow]) -> Floats | None:
    """How many more people write than around it, moved back by the time that reacting takes; `None` for a silent chat."""
    if not chat or max(window.chatters for window in chat) < _BUSY:
        return None
    people = np.zeros(rows)
    times = (np.arange(rows) + 0.5) * step + _CHAT_LAG
    for window in chat:
        people[(times >= window.start) & (times < window.end)] += window.chatters
    known = (times >= chat[0].start) & (times < chat[-1].end)
    if not known.any():
        return None
    eased = _mean_around(people, known, _CHAT_EASED / step)
    usual = _mean_around(people, known, _CHAT_NEIGHBOURHOOD / step)
    # One person more among none is no event: a little is added to both.
    excess = np.log((eased + 1.0) / (usual + 1.0))
    return np.where(known, excess, float(np.median(excess[known])))


def marks_within(marks: Sequence[ViewerMark], start: float, end: float) -> tuple[ViewerMark, ...]:
    """The marks that mean a stretch, each viewer once, the most liked first."""
    inside = [mark for mark in _each_viewer_once(marks) if start - _BEFORE <= mark.time < end]
    return tuple(sorted(inside, key=lambda mark: (-mark.likes, mark.time, mark.viewer)))


def _people(mark: ViewerMark) -> float:
    return 1.0 + math.log2(1.0 + mark.likes)


def _each_viewer_once(marks: Sequence[ViewerMark]) -> list[ViewerMark]:
    kept: list[ViewerMark] = []
    last: dict[int, float] = {}
    for mark in sorted(marks, key=lambda mark: mark.time):
        if mark.time - last.get(mark.viewer, -math.inf) >= _SAME_WISH:
            kept.append(mark)
            last[mark.viewer] = mark.time
    return kept


def _mean_around(values: Floats, known: NDArray[np.bool_], width: float) -> Floats:
    """The mean over `width` rows of what is known; rows at the edges take what there is."""
    half = max(0, int(width / 2))
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    places = np.arange(len(values))
    first, last = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    mean: Floats = (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1)
    return mean
