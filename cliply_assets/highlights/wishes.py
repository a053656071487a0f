"""What a user wants the clips to be about, and what they must leave out."""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cliply_assets.highlights import lexicon
from cliply_assets.highlights.boundaries import Gap
from cliply_assets.highlights.sentences import Sentence, tokens_of
from cliply_resources.documents import Span

__all__ = ["ABOUT", "keep_out", "left_out", "relevance", "words_of_topic"]

Floats = NDArray[np.float64]

ABOUT = 0.65
"""Relevance from which a sentence itself is about the topic; a neighbour of one has less."""

_ROOT = 6  # letters that stand for a word's family, without its ending
_ENDINGS = ("ings", "ing", "ers", "er", "ies", "ed", "es", "s", "e", "y")
_NEAR = 2  # sentences on either side in which the rest of a topic may be said
_FADES = (1.0, 0.6, 0.35)  # of a hit, for the sentence itself and its neighbours: who names a thing goes on about it
_ASKED_FOR = re.compile(
    r"^\s*(?:please\s+)?(?:find\s+)?(?:me\s+)?(?:the\s+)?(?:part|moment|bit|scene|place)s?\s+(?:where|when|in which|about|that)\s+"
    r"(?:(?:he|she|they|we|i|it|someone|somebody)\s+)?(?:(?:talks?|speaks?|says?|tells?|mentions?|explains?)\s+)?(?:about\s+|of\s+)?",
    re.IGNORECASE,
)


def words_of_topic(topic: str) -> tuple[str, ...]:
    """The words that tell what is meant: "find the part where she talks about the oven" is "oven"."""
    tokens = tokens_of(_ASKED_FOR.sub("", topic))
    telling = tuple(token for token in tokens if token not in lexicon.STOP_WORDS)
    return tuple(dict.fromkeys(telling or tokens))


def relevance(sentences: Sequence[Sentence], topic: str) -> Floats:
    """How much each sentence is about the topic, 0 to 1: rare words of it count more than common ones, neighbours share in a hit.

    Words match whatever their ending ("fire", "fired", "firing"); whoever says half of a topic's weight is about it.
    """
    wanted = [_root(word) for word in words_of_topic(topic)]
    said = [{_root(token) for token in sentence.tokens} for sentence in sentences]
    known = Counter(root for roots in said for root in roots)
    weights = {root: math.log(1.0 + (len(said) + 1) / (1 + known[root])) for root in wanted}
    total = sum(weights.values())
    # "The widow and the stairs" are rarely in one sentence; whoever names one of them close to the other means both.
    near = [set().union(*said[max(0, place - _NEAR) : place + _NEAR + 1]) for place in range(len(said))]
    hits = np.array(
        [
            sum(weights[root] for root in weights if root in around) if not roots.isdisjoint(weights) else 0.0
            for roots, around in zip(said, near, strict=True)
        ],
        dtype=np.float64,
    )
    hits = hits / total if total > 0 else hits
    # Half of a long wish is met where most of its words are; the whole of a short one has to be.
    hits = np.minimum(1.0, hits * (1.0 if len(wanted) <= 2 else 1.4))
    spread: Floats = np.zeros(len(said))
    for step, share in enumerate(_FADES[: len(said)]):
        spread[step:] = np.maximum(spread[step:], share * hits[: len(said) - step])
        spread[: len(said) - step] = np.maximum(spread[: len(said) - step], share * hits[step:])
    return spread


def _root(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:_ROOT]


def left_out(start: float, end: float, ranges: Sequence[Span]) -> bool:
    """Whether any of a stretch lies in an excluded range."""
    return any(start < one.end - 1e-6 and end > one.start + 1e-6 for one in ranges)


def keep_out(gaps: Sequence[Gap], sentences: Sequence[Sentence], ranges: Sequence[Span]) -> tuple[Gap, ...]:
    """The gaps before every sentence and after the last, without the excluded time beside a sentence that stays."""
    trimmed = []
    for place, gap in enumerate(gaps):
        low, high = gap.low, gap.high
        for one in ranges:
            follows_excluded = place > 0 and left_out(sentences[place - 1].start, sentences[place - 1].end, (one,))
            if (follows_excluded or place == 0) and one.start <= low + 1e-6:
                low = max(low, min(one.end, high))
            before_excluded = place < len(sentences) and left_out(sentences[place].start, sentences[place].end, (one,))
            if (before_excluded or place == len(sentences)) and one.end >= high - 1e-6:
                high = min(high, max(one.start, low))
        trimmed.append(Gap(low, high))
    return tuple(trimmed)
