"""Where a clip may begin and end: between words, at good distance from them, and not a few frames beside a cut."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec

from cliply_assets.highlights.sentences import Sentence

__all__ = ["Gap", "Limits", "fit", "gaps_around", "snap_outside_words", "word_gaps"]

_BEFORE_WORD = 0.2  # s; a first word that starts with the picture sounds cut off
_AFTER_WORD = 0.45  # s; the last word may ring out
_GUARD = 0.03  # s; kept from a neighbour's word, whose times are seldom exact
_FLASH = 0.4  # s; a shot shorter than this at either end is a flash, not a shot


class Gap(msgspec.Struct, frozen=True):
    """A stretch between words; a boundary may lie anywhere in it. Empty (`low > high`) where words overlap."""

    low: float
    high: float

    @property
    def open(self) -> bool:
        """Whether a boundary fits at all."""
        return self.low <= self.high + 1e-9

    @property
    def guarded(self) -> tuple[float, float]:
        """The gap less its guards, or its middle where it is narrower than they are."""
        guard = min(_GUARD, max(0.0, self.high - self.low) / 2)
        return self.low + guard, self.high - guard


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What every clip of a film must keep."""

    duration: float
    shortest: float
    longest: float
    cuts: tuple[float, ...] = ()
    beats: tuple[float, ...] = ()
    """Where music sets the pace: a clip begins and ends on one of them rather than between two."""


def gaps_around(sentences: Sequence[Sentence], duration: float) -> tuple[Gap, ...]:
    """The gap before every sentence, and the one after the last."""
    return _gaps([(sentence.start, sentence.end) for sentence in sentences], duration)


def word_gaps(sentences: Sequence[Sentence], duration: float) -> tuple[Gap, ...]:
    """The gap before every word, and the one after the last."""
    return _gaps([(word.start, word.end) for sentence in sentences for word in sentence.words], duration)


def _gaps(stretches: Sequence[tuple[float, float]], duration: float) -> tuple[Gap, ...]:
    """Words of two people may overlap, so a gap begins where the last of all earlier words has ended."""
    lowest, lows = 0.0, []
    for _, end in stretches:
        lows.append(lowest)
        lowest = max(lowest, end)
    highest, highs = duration, []
    for start, _ in reversed(stretches):
        highest = min(highest, start)
        highs.append(highest)
    return tuple(Gap(low, high) for low, high in zip([*lows, lowest], [*reversed(highs), duration], strict=True))


def fit(
    before: Gap, after: Gap, limits: Limits, *, wish: tuple[float, float] | None = None, landing: float = 0.0
) -> tuple[float, float] | None:
    """Start and end for a clip between two gaps, or `None` where no clip of allowed length fits.

    A little air is left around the words, or the times come as near to `wish` as the gaps allow. `landing` is a time in the gap
    after that should still be heard, such as the first laugh. Times are whole milliseconds where the gaps are wide enough.
    """
    if not (before.open and after.open) or after.low - before.high > limits.longest + 1e-9:
        return None
    (first, start_last), (end_first, last) = before.guarded, after.guarded
    start, end = wish or (before.high - _BEFORE_WORD, max(after.low + _AFTER_WORD, landing))
    start, end = min(max(start, first), start_last), min(max(end, end_first), last)
    start, end = _off_cuts(start, end, (first, before.high), (after.low, last), limits)
    end = min(max(end, start + limits.shortest), last)
    start = max(min(start, end - limits.shortest), first)
    end = max(min(end, start + limits.longest), end_first)
    start = min(max(start, end - limits.longest), start_last)
    if not limits.shortest - 1e-6 <= end - start <= limits.longest + 1e-6:
        return None
    return _rounded(start, end, limits, before, after)


def _off_cuts(
    start: float, end: float, starts: tuple[float, float], ends: tuple[float, float], limits: Limits
) -> tuple[float, float]:
    """Moves either end onto a cut that lies a few frames inside, or gives the flash more room."""
    cuts = limits.cuts
    place = bisect_right(cuts, start)
    if place < len(cuts) and cuts[place] - start < _FLASH:
        cut = cuts[place]
        start = cut if cut <= starts[1] else max(starts[0], cut - _FLASH)
    place = bisect_left(cuts, end) - 1
    if place >= 0 and end - cuts[place] < _FLASH:
        cut = cuts[place]
        end = cut if cut >= ends[0] else min(ends[1], cut + _FLASH)
    return start, end


def _rounded(start: float, end: float, limits: Limits, before: Gap, after: Gap) -> tuple[float, float]:
    """Whole milliseconds, if they still lie between the words and keep the length."""
    # Up for the start and down for the end: the other way could catch a frame on the far side of a cut.
    early, late = math.ceil(start * 1000 - 1e-6) / 1000, math.floor(end * 1000 + 1e-6) / 1000
    between_words = early <= before.high + 1e-9 and late >= after.low - 1e-9
    if between_words and late - early >= limits.shortest - 1e-9:
        return early, late
    return start, end


def snap_outside_words(moment: float, gaps: Sequence[Gap]) -> int:
    """The index of the open gap nearest to a time."""
    reach = [(abs(min(max(moment, gap.low), gap.high) - moment), index) for index, gap in enumerate(gaps) if gap.open]
    return min(reach)[1]
