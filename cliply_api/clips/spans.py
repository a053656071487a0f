"""Where a clip may begin and end: pure, no rows, no clock."""

from collections.abc import Sequence

from cliply_resources.documents import Span, Word
from cliply_resources.errors import CallerError
from cliply_resources.uploads import LONGEST_CLIP, SHORTEST_CLIP

__all__ = ["snap_to_words"]

REACH = 1.5
"""Seconds. A boundary moves to a word that is as near as this; in a longer silence it stays where it was put."""
BEFORE_WORD = 0.15
"""Seconds; a first word that starts with the picture sounds cut off."""
AFTER_WORD = 0.3
"""Seconds; the last word may ring out."""


def snap_to_words(
    start: float,
    end: float,
    words: Sequence[Word],
    *,
    duration: float,
    keep_start: bool = False,
    keep_end: bool = False,
) -> Span:
    """The span nearest to `start` to `end` (seconds) that cuts no word in two, in whole milliseconds, inside `[0, duration]`.

    It begins a little before a word and ends a little after one, but never reaches into the word before or behind. A boundary
    that nobody wants moved is kept as it is.

    Raises:
        CallerError: the span is shorter or longer than a clip may be, or lies outside of the source.
    """
    if not 0 <= start < end <= duration + 0.05:
        raise CallerError(
            f"A clip from {start:.2f} s to {end:.2f} s does not lie inside the video, which is {duration:.2f} s long. "
            "Choose a span inside it."
        )
    spoken = sorted(words, key=lambda word: word.start)
    first = start if keep_start else _snap_start(start, spoken)
    last = end if keep_end else min(_snap_end(end, spoken), duration)
    if last - first < SHORTEST_CLIP:
        raise CallerError(
            f"That would be a clip of {max(0.0, last - first):.2f} s between whole words; it must have at least {SHORTEST_CLIP:g} s."
        )
    if last - first > LONGEST_CLIP:
        raise CallerError(f"That would be a clip of {last - first:.0f} s; it may have at most {LONGEST_CLIP:g} s.")
    return Span(round(first, 3), round(last, 3))


def _snap_start(wanted: float, words: Sequence[Word]) -> float:
    nearest = min(words, key=lambda word: abs(word.start - wanted), default=None)
    if nearest is None or (abs(nearest.start - wanted) > REACH and not _inside(wanted, words)):
        return wanted
    earlier = max((word.end for word in words if word.start < nearest.start), default=0.0)
    return min(max(nearest.start - BEFORE_WORD, earlier, 0.0), nearest.start)


def _snap_end(wanted: float, words: Sequence[Word]) -> float:
    nearest = min(words, key=lambda word: abs(word.end - wanted), default=None)
    if nearest is None or (abs(nearest.end - wanted) > REACH and not _inside(wanted, words)):
        return wanted
    later = min((word.start for word in words if word.end > nearest.end), default=nearest.end + AFTER_WORD)
    return max(min(nearest.end + AFTER_WORD, later), nearest.end)


def _inside(moment: float, words: Sequence[Word]) -> bool:
    return any(word.start < moment < word.end for word in words)
