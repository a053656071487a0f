"""TextTiling (Hearst, Computational Linguistics 23(1), 1997): the baseline that clip finders of the ClipsAI manner build on.

Token sequences of fixed size, blocks of ten of them compared on both sides of every gap by the cosine of their word counts, depth
scores, and a boundary wherever the depth exceeds the mean less half a standard deviation. ClipsAI compares embeddings instead of
counts and keeps every segment of an allowed length, without ranking them; so is it done here.
"""

import math
from collections import Counter

import numpy as np

from cliply_assets.highlights.lexicon import STOP_WORDS
from cliply_assets.highlights.sentences import tokens_of
from cliply_resources.documents import Span, Transcript

__all__ = ["tiles"]

_SEQUENCE = 20  # words a token sequence (w)
_BLOCK = 6  # sequences a block (k); Hearst's ten suit texts longer than ten minutes of talk


def tiles(transcript: Transcript, *, shortest: float, longest: float) -> list[Span]:
    """Topic segments with boundaries moved to sentence ends, in order of time, of lengths from `shortest` to `longest` seconds.

    Neighbours are joined while too short, and what is longer than allowed is cut at the allowed length's last sentence end.
    """
    segments = transcript.segments
    if not segments:
        return []
    words = [(word, place) for place, segment in enumerate(segments) for word in tokens_of(segment.text)]
    cuts = {0, len(segments)}
    for gap in _boundaries([word for word, _ in words]):
        cuts.add(words[gap][1] + 1 if words[gap][1] + 1 < len(segments) else len(segments))
    edges = sorted(cuts)
    found: list[Span] = []
    first = 0
    for edge in edges[1:]:
        while first < edge:
            last = edge
            while last > first + 1 and segments[last - 1].end - segments[first].start > longest:
                last -= 1
            length = segments[last - 1].end - segments[first].start
            if length < shortest:
                if last == edge:
                    break
                first = last
                continue
            if length <= longest:
                found.append(Span(segments[first].start, segments[last - 1].end))
            first = last
    return found


def _boundaries(words: list[str]) -> list[int]:
    """Positions in `words` at which a new topic begins."""
    sequences = [
        Counter(w for w in words[at : at + _SEQUENCE] if w not in STOP_WORDS) for at in range(0, len(words), _SEQUENCE)
    ]
    gaps = range(1, len(sequences))
    likeness = [_likeness(sequences, gap) for gap in gaps]
    if len(likeness) < 3:
        return []
    depths = np.array([_depth(likeness, place) for place in range(len(likeness))])
    bar = depths.mean() - depths.std() / 2
    tops = [
        place
        for place in range(len(depths))
        if depths[place] > bar and depths[place] == depths[max(0, place - 1) : place + 2].max()
    ]
    return [(place + 1) * _SEQUENCE for place in tops]


def _likeness(sequences: list[Counter[str]], gap: int) -> float:
    left: Counter[str] = sum(sequences[max(0, gap - _BLOCK) : gap], Counter())
    right: Counter[str] = sum(sequences[gap : gap + _BLOCK], Counter())
    shared = sum(count * right[word] for word, count in left.items())
    norm = math.sqrt(sum(c * c for c in left.values()) * sum(c * c for c in right.values()))
    return shared / norm if norm else 0.0


def _depth(likeness: list[float], place: int) -> float:
    left = right = place
    while left > 0 and likeness[left - 1] >= likeness[left]:
        left -= 1
    while right + 1 < len(likeness) and likeness[right + 1] >= likeness[right]:
        right += 1
    return likeness[left] + likeness[right] - 2 * likeness[place]
