"""Puts cues into order: sorted, without overlaps, and without the text that rolling captions say twice. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from cliply_assets.transcript.cues import Cue

__all__ = ["repair_cues"]

TOUCHING = 0.15
"""Seconds; cues this close belong to one another."""
SAME_START = 0.05
"""Seconds; cues that begin together are one: two voices, or two lines of one."""
ROLLING_FROM = 0.3
"""Share of neighbouring cues that repeat a line, from which a file is taken for rolling captions."""
SHORTEST_CUE = 0.05
"""Seconds; rolling captions hold a finished line for 10 ms."""


def repair_cues(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """Cues in order of time that do not overlap, each saying only what is new.

    Rolling captions (each cue repeats the line before) are recognised by the file as a whole, so that somebody who says
    "No." twice is not silenced. A cue that overlaps the next ends where that one begins.
    """
    ordered = sorted(cues, key=lambda cue: cue.start)
    if _is_rolling(ordered):
        ordered = _unrolled(ordered)
    merged: list[Cue] = []
    for cue in ordered:
        if merged and cue.start - merged[-1].start < SAME_START:
            merged[-1] = _together(merged[-1], cue)
        else:
            merged.append(cue)
    clipped = [replace(cue, end=min(cue.end, following.start)) for cue, following in pairwise(merged)]
    return (*clipped, *merged[-1:])


def _together(first: Cue, second: Cue) -> Cue:
    """Both cues as one; the same text at the same time is said once."""
    end = max(first.end, second.end)
    if _texts(first) == _texts(second):
        return replace(first, end=end)
    speaker = first.speaker if first.speaker == second.speaker else None
    return Cue(start=first.start, end=end, lines=first.lines + second.lines, speaker=speaker)


def _is_rolling(cues: Sequence[Cue]) -> bool:
    """Whether cues often begin with the line before and then go on; the same line alone is somebody repeating it."""
    repeats = sum(0 < _repeated_lines(before, cue) < len(cue.lines) for before, cue in pairwise(cues))
    return len(cues) > 2 and repeats >= ROLLING_FROM * (len(cues) - 1)


def _unrolled(cues: Sequence[Cue]) -> list[Cue]:
    """Each cue without the lines that the one before it ended with."""
    kept: list[Cue] = []
    before: Cue | None = None
    for cue in cues:
        repeated = _repeated_lines(before, cue) if before is not None else 0
        lines = cue.lines[repeated:]
        if lines:
            kept.append(replace(cue, lines=lines))
        elif kept and cue.end - cue.start > SHORTEST_CUE:
            # The line stays on the screen; it was said before.
            kept[-1] = replace(kept[-1], end=max(kept[-1].end, min(cue.end, kept[-1].end + TOUCHING)))
        before = cue
    return kept


def _repeated_lines(before: Cue, cue: Cue) -> int:
    """How many lines at the top of `cue` are the last ones of `before`, which it follows without a pause."""
    if cue.start - before.end > TOUCHING:
        return 0
    old, new = _texts(before), _texts(cue)
    return next((count for count in range(min(len(old), len(new)), 0, -1) if old[-count:] == new[:count]), 0)


def _texts(cue: Cue) -> list[str]:
    return [" ".join(word.text for word in line) for line in cue.lines]
