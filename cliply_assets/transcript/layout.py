"""Divides speech into subtitles that can be read in passing: two short lines, broken between phrases. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cliply_resources.documents import Segment, Span, Word
from cliply_resources.speech.sentences import ends_sentence

__all__ = ["SubtitleCue", "lay_out"]

LINES = 2
LONGEST_CUE = 6.0
"""Seconds; longer ones are read twice."""
SHORTEST_CUE = 1.0
"""Seconds, where the next cue leaves room; shorter ones flash."""
PAUSE = 0.7
"""Seconds of silence between two words that divide cues."""
NO_FLICKER = 0.15
"""Seconds; a shorter gap between cues is closed, since it would blink."""

_PHRASES = (
    "and but or so because if when while that which who where than then for from with without in on at to of by as about "
    "after before until since into over under"
)
_PHRASE_STARTS = frozenset(_PHRASES.split())


@dataclass(frozen=True, kw_only=True)
class SubtitleCue:
    """One subtitle; times in seconds from the start of what was asked for."""

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None


def lay_out(segments: Sequence[Segment], *, span: Span | None, max_line: int) -> tuple[SubtitleCue, ...]:
    """The words inside `span` as subtitles in order, not overlapping; a word belongs where its middle lies."""
    if max_line < 1:
        raise ValueError(f"a line must hold at least one character, not {max_line}")
    groups = [group for segment in segments for group in _groups(_inside(segment, span), max_line)]
    low, high = (span.start, span.end) if span is not None else (0.0, float("inf"))
    cues = []
    for index, group in enumerate(groups):
        start = max(group[0].start, low)
        end = min(group[-1].end, high)
        latest = min(max(groups[index + 1][0].start, low), high) if index + 1 < len(groups) else high
        end = max(end, min(start + SHORTEST_CUE, latest))
        if latest - end < NO_FLICKER:
            end = max(end, min(latest, end + NO_FLICKER))
        speakers = {word.speaker for word in group}
        cues.append(
            SubtitleCue(
                start=start - low,
                end=min(end, latest) - low,
                lines=_lines([word.text for word in group], max_line),
                speaker=speakers.pop() if len(speakers) == 1 else None,
            )
        )
    return tuple(cues)


def _inside(segment: Segment, span: Span | None) -> list[Word]:
    if span is None:
        return list(segment.words)
    return [word for word in segment.words if span.contains((word.start + word.end) / 2)]


def _groups(words: Sequence[Word], max_line: int) -> list[list[Word]]:
    """The cheapest division of a sentence into cues: few of them, cut at pauses and between phrases."""
    pieces = [piece for word in words for piece in _pieces(word, max_line)]
    best: list[tuple[float, int]] = [(0.0, 0)]
    for last in range(1, len(pieces) + 1):
        choices = []
        for first in range(last - 1, -1, -1):
            group = pieces[first:last]
            if last - first > 1 and not _fits(group, max_line):
                break
            choices.append((best[first][0] + _cost(group, pieces[last] if last < len(pieces) else None), first))
        best.append(min(choices))
    groups: list[list[Word]] = []
    last = len(pieces)
    while last:
        first = best[last][1]
        groups.append(pieces[first:last])
        last = first
    return groups[::-1]


def _pieces(word: Word, max_line: int) -> Iterator[Word]:
    """The word, in parts of at most one line where it is longer: an address, or a language without spaces."""
    parts = [word.text[at : at + max_line] for at in range(0, len(word.text), max_line)]
    step = (word.end - word.start) / len(parts)
    for index, part in enumerate(parts):
        yield Word(
            text=part,
            start=word.start + index * step,
            end=word.start + (index + 1) * step,
            speaker=word.speaker,
        )


def _fits(group: Sequence[Word], max_line: int) -> bool:
    if group[-1].end - group[0].start > LONGEST_CUE:
        return False
    texts = [word.text for word in group]
    return sum(map(len, texts)) + len(texts) - 1 <= LINES * max_line + 1 and bool(_lines(texts, max_line))


def _cost(group: Sequence[Word], following: Word | None) -> float:
    """How much a reader would mind this cue: 0 is none. The figures order the faults, no more."""
    cost = 3.0
    if len(group) == 1 or group[-1].end - group[0].start < SHORTEST_CUE:
        cost += 3.0
    for before, after in pairwise(group):
        cost += 8.0 if after.start - before.end >= PAUSE else 0.0
    if following is not None:
        cost += _break_cost(group[-1].text, following.text) - 4.0 * min(following.start - group[-1].end, 1.0)
    return cost


def _break_cost(before: str, after: str) -> float:
    """What it costs to read `before` at the end of a line and `after` at the beginning of the next."""
    if ends_sentence(before):
        return 0.0
    if before.endswith((",", ";", ":", "–", "—")):
        return 1.0
    if before.lower() in _PHRASE_STARTS or before.lower() in {
        "the",
        "a",
        "an",
        "my",
        "your",
        "our",
        "their",
        "i",
        "we",
    }:
        return 6.0
    return 2.0 if after.lower() in _PHRASE_STARTS else 4.0


def _lines(texts: Sequence[str], max_line: int) -> tuple[str, ...]:
    """One line, or two of similar length broken between phrases; nothing where even two are too short."""
    whole = " ".join(texts)
    if len(whole) <= max_line:
        return (whole,)
    choices = []
    for cut in range(1, len(texts)):
        upper, lower = " ".join(texts[:cut]), " ".join(texts[cut:])
        if max(len(upper), len(lower)) <= max_line:
            unevenness = abs(len(upper) - len(lower)) / max_line
            choices.append((_break_cost(texts[cut - 1], texts[cut]) + 6.0 * unevenness, (upper, lower)))
    return min(choices)[1] if choices else ()
