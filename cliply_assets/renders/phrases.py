"""Words grouped into short phrases that read at a glance, broken where a speaker would breathe.

A phrase is at most two balanced lines; it never flashes a single word, never flickers off for less than 0.2 s, and is
chosen together with its neighbours (least total cost) and not greedily, so that no phrase eats the words of the next.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cliply_assets.renders.fonts import Face, face_for, showable
from cliply_assets.renders.styles import CaptionLook
from cliply_resources.documents.transcript import Word

__all__ = ["Phrase", "ShownWord", "group", "is_ideographic", "shown_words"]

HOLD = 0.3  # s a phrase stays after its last word, so that the eye can finish it
SHORTEST_GAP = 0.2  # s; a shorter pause between phrases would flicker
SHORTEST_PHRASE = 0.7  # s on screen, where the next phrase leaves room
_LONG_PAUSE = 0.8  # s; what follows is another thought
_PAUSE = 0.3  # s; a breath
_SMALLEST_SCALE = 0.78  # a phrase that would have to shrink further takes fewer words instead
_LONGEST_WORD = 24  # characters; longer ones (addresses, tokens) are shown in pieces

# English words that belong to what follows; a line that ends on one reads as torn.
_LEANING = frozenset(
    (
        *("a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "with"),
        *("from", "and", "or", "but", "if", "that", "than", "as", "is", "are", "was"),
        *("were", "be", "i", "we", "you", "he", "she", "they", "it", "my", "your"),
        *("our", "his", "her", "their", "its", "this", "these", "those", "not", "no", "very"),
        *("so", "do", "does", "did", "can", "could", "will", "would", "should"),
    )
)


@dataclass(frozen=True)
class ShownWord:
    """A word as it is drawn."""

    text: str
    start: float
    end: float
    face: Face
    ends_sentence: bool
    ends_clause: bool
    speaker: str | None
    glued: bool
    """Set without a space after the word before it, as in Chinese and Japanese."""

    @property
    def right_to_left(self) -> bool:
        """Whether its script runs from right to left."""
        first = next((unicodedata.bidirectional(c) for c in self.text if unicodedata.bidirectional(c) in "LRAL"), "L")
        return first in {"R", "AL"}


@dataclass(frozen=True)
class Phrase:
    """What is on screen at one time. `scale` shrinks a phrase whose longest line would leave the safe area."""

    lines: tuple[tuple[ShownWord, ...], ...]
    start: float
    end: float
    scale: float

    @property
    def words(self) -> tuple[ShownWord, ...]:
        """Its words in the order they are said."""
        return tuple(word for line in self.lines for word in line)


def _display_text(text: str, look: CaptionLook) -> str:
    if look.punctuation == "light":
        stripped = text.rstrip(",.;:…—–").lstrip("…—–") or text
        text = stripped if any(c.isalnum() for c in stripped) else ""
    match look.case:
        case "upper":
            return text.upper()
        case "lower":
            return text.lower()
    return text


def is_ideographic(character: str) -> bool:
    """Whether it belongs to a script that sets no spaces, as Chinese and Japanese."""
    return unicodedata.east_asian_width(character) in "WF" and "HANGUL" not in unicodedata.name(character, "")


def _pieces(word: Word, text: str) -> list[tuple[str, float, float]]:
    count = -(-len(text) // _LONGEST_WORD)
    size = -(-len(text) // count)
    step = (word.end - word.start) / count
    return [
        (text[i * size : (i + 1) * size], word.start + i * step, word.start + (i + 1) * step)
        for i in range(count)
        if text[i * size : (i + 1) * size]
    ]


def shown_words(
    words: Sequence[Word], look: CaptionLook, preferred: Face
) -> tuple[tuple[ShownWord, ...], tuple[str, ...]]:
    """The words that can be drawn, in order of time, and the texts of those left out because no font has their glyphs."""
    shown: list[ShownWord] = []
    omitted: list[str] = []
    earliest = 0.0
    for word in sorted(words, key=lambda w: w.start):
        spoken = showable(word.text)
        text = _display_text(spoken, look)
        if not text:
            continue
        if (face := face_for(text, preferred)) is None:
            omitted.append(spoken)
            continue
        for piece, start, end in _pieces(word, text):
            # Engines give touching, overlapping and (at the clip's edge) negative times; shown ones only move forward.
            earliest = max(earliest, start)
            glued = bool(shown) and is_ideographic(piece[0]) and is_ideographic(shown[-1].text[-1])
            shown.append(
                ShownWord(
                    text=piece,
                    start=earliest,
                    end=max(end, earliest),
                    face=face,
                    ends_sentence=spoken.rstrip("\"'”’)»").endswith((".", "?", "!", "…", "。", "？", "！", "؟")),
                    ends_clause=spoken.endswith((",", ";", ":", "—", "–", "、", "，", "،")),
                    speaker=word.speaker,
                    glued=glued,
                )
            )
    return tuple(shown), tuple(omitted)


def _leans(word: ShownWord) -> bool:
    return not (word.ends_sentence or word.ends_clause) and word.text.lower() in _LEANING


def _load(words: Sequence[ShownWord]) -> float:
    return sum(0.3 if word.glued else 1.0 for word in words)


LineWidth = Callable[[Sequence[ShownWord]], float]


def _set_lines(
    words: Sequence[ShownWord], look: CaptionLook, width_of: LineWidth, limit: float
) -> tuple[tuple[tuple[ShownWord, ...], ...], float, float] | None:
    """The best one or two lines: the words, the scale that makes them fit, and their cost; `None` where they are too many."""
    best: tuple[tuple[tuple[ShownWord, ...], ...], float, float] | None = None
    splits = [len(words)] + (list(range(1, len(words))) if look.lines == 2 else [])
    for at in splits:
        lines = tuple(tuple(part) for part in (words[:at], words[at:]) if part)
        if max(_load(line) for line in lines) > look.words_per_line:
            continue
        widths = [width_of(line) for line in lines]
        scale = min(1.0, limit / max(widths))
        cost = 12 * (1 - scale) + (max(widths) - min(widths)) / limit
        if len(lines) == 2:
            # A second line is paid for, and a break in the middle of a thought costs more than uneven lines.
            cost += 0.25 + 0.9 * _leans(lines[0][-1]) - 0.4 * lines[0][-1].ends_clause
        if best is None or cost < best[2]:
            best = (lines, scale, cost)
    return best


def _break_cost(word: ShownWord, following: ShownWord | None) -> float:
    if following is None or word.ends_sentence:
        return -1.5
    pause = following.start - word.end
    if pause >= _PAUSE:
        return -1.2
    if word.ends_clause:
        return -0.9
    return 2.2 if _leans(word) else 0.2


def _inner_cost(words: Sequence[ShownWord]) -> float | None:
    """What it costs to show these together; `None` where a long pause or another speaker keeps them apart."""
    cost = 0.0
    for word, following in pairwise(words):
        pause = following.start - word.end
        if pause >= _LONG_PAUSE or word.speaker != following.speaker:
            return None
        cost += 2.0 * (pause >= _PAUSE) + 2.5 * word.ends_sentence + 0.4 * word.ends_clause
    return cost


def _phrase_end(words: Sequence[ShownWord], following: ShownWord | None) -> float:
    first, last = words[0], words[-1]
    end = max(last.end + HOLD, first.start + SHORTEST_PHRASE)
    if following is not None and following.start - end < SHORTEST_GAP:
        return following.start
    return end


def _phrase_cost(words: Sequence[ShownWord], following: ShownWord | None, look: CaptionLook) -> float | None:
    inner = _inner_cost(words)
    if inner is None:
        return None
    seconds = _phrase_end(words, following) - words[0].start
    capacity = look.words_per_line * look.lines
    fullness = _load(words) / capacity
    cost = 0.6 + inner + _break_cost(words[-1], following) + 1.5 * (fullness - 0.7) ** 2
    if len(words) == 1 and not words[0].glued:
        cost += 1.5 if seconds >= 1.0 else 6.0
    if seconds < SHORTEST_PHRASE:
        cost += 5.0 * (SHORTEST_PHRASE - seconds) / SHORTEST_PHRASE
    return cost


def group(words: Sequence[ShownWord], look: CaptionLook, *, width_of: LineWidth, limit: float) -> tuple[Phrase, ...]:
    """Phrases that cover all words in order. `width_of` measures a line in pixels, `limit` is the widest that fits."""
    # By number of words covered: the least cost, and where its last phrase starts.
    best: list[tuple[float, int]] = [(0.0, 0)]
    last: list[Phrase] = []
    most = look.words_per_line * look.lines * 4  # glued characters count for less than a word
    for end in range(1, len(words) + 1):
        following = words[end] if end < len(words) else None
        winner: tuple[float, int, Phrase] | None = None
        for start in range(end - 1, max(-1, end - 1 - most), -1):
            part = words[start:end]
            if _load(part) > look.words_per_line * look.lines:
                break
            cost = _phrase_cost(part, following, look)
            lines = _set_lines(part, look, width_of, limit)
            if cost is None or lines is None or (lines[1] < _SMALLEST_SCALE and len(part) > 1):
                continue
            total = best[start][0] + cost + lines[2]
            if winner is None or total < winner[0]:
                phrase = Phrase(lines=lines[0], start=part[0].start, end=_phrase_end(part, following), scale=lines[1])
                winner = (total, start, phrase)
        assert winner is not None  # a single word always makes a phrase
        best.append(winner[:2])
        last.append(winner[2])
    phrases: list[Phrase] = []
    at = len(words)
    while at > 0:
        phrases.append(last[at - 1])
        at = best[at][1]
    return tuple(reversed(phrases))
