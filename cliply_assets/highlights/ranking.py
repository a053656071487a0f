"""What a moment is worth, in named parts with reasons, and which moments are chosen together.

A part that the film gives no evidence for is left out and its weight shared among the rest, so that a film without sound, faces
or a heatmap is judged by what it has; but little evidence also convinces less, and draws the score towards the ordinary.
"""

import math
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from cliply_assets.highlights.film import Film
from cliply_assets.highlights.moments import Moment
from cliply_assets.highlights.reasons import Part, judge
from cliply_assets.highlights.text_signals import cosine

__all__ = ["Ranked", "choose", "rank"]

_ORDINARY = 0.38  # what a moment is taken for without any evidence
_ORDINARY_WEIGHT = 1.5  # how much evidence outweighs that; about one strong part
_SCALE_FROM, _SCALE_TO = 0.15, 0.80  # raw scores of the dullest and the best moments, mapped to 0 and 100
_WORTH_POSTING = 42.0  # below this a clip is filler
_AGAINST_BEST = 0.55  # and so is one much weaker than the film's best
_OVERLAP = 0.10  # of the shorter clip
_SAME_THING = 0.60  # share of the smaller clip's keywords above which two clips say the same
_TELLING = 6  # keywords below which that share is chance
_LIKENESS_PRICE = 14.0  # points for saying in part what a chosen clip says
_NEARNESS_PRICE = 5.0  # points for standing right beside a chosen clip
_MOST_BROKEN = 0.33  # of the score, for a moment that leaves out most of itself
_MISSED = 1.5  # s of full worth left out that cost most of that
_NEW_THING = 0.5  # certainty of something new, beyond which what follows belongs to the next moment
_REASONS = 6


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """A judged moment."""

    moment: Moment
    score: float
    subscores: dict[str, float]
    reasons: tuple[str, ...]
    words: Counter[str]
    """Its keywords, for telling whether two moments are about the same."""


def rank(film: Film, moments: Sequence[Moment], weights: dict[str, float]) -> list[Ranked]:
    """Judges every moment, best first; the order of equals is that of time."""
    unique = list(dict.fromkeys((moment.start, moment.end) for moment in moments))
    by_times = {(moment.start, moment.end): moment for moment in reversed(moments)}
    ranked = [_judged(film, by_times[times], weights) for times in unique]
    return sorted(ranked, key=lambda one: (-one.score, one.moment.start, one.moment.end))


def choose(
    ranked: Sequence[Ranked], wanted: int, duration: float, *, near_misses: int = 3
) -> tuple[list[Ranked], list[Ranked]]:
    """At most `wanted` that are worth posting and differ from each other, best first; and the best `near_misses` that fell short."""
    chosen: list[Ranked] = []
    left = list(ranked)
    bar = max(_WORTH_POSTING, _AGAINST_BEST * ranked[0].score) if ranked else 0.0
    while left and len(chosen) < wanted:
        left = [one for one in left if _fits_beside(one, chosen)]
        best = max(left, key=lambda one: _marginal(one, chosen, duration), default=None)
        if best is None or best.score < bar:
            break
        chosen.append(best)
    near: list[Ranked] = []
    for one in left:
        if len(near) < near_misses and _fits_beside(one, [*chosen, *near]):
            near.append(one)
    return sorted(chosen, key=lambda one: (-one.score, one.moment.start)), near


def _fits_beside(one: Ranked, chosen: Sequence[Ranked]) -> bool:
    return all(
        one.moment.overlap(other.moment) <= _OVERLAP and _retold(one.words, other.words) < _SAME_THING
        for other in chosen
    )


def _retold(one: Counter[str], other: Counter[str]) -> float:
    """How much of the smaller bag of words is in the larger; a story within a longer clip is still the same story."""
    smaller = min(one.total(), other.total())
    return (one & other).total() / smaller if smaller >= _TELLING else 0.0


def _marginal(one: Ranked, chosen: Sequence[Ranked], duration: float) -> float:
    """The score, less what chosen moments already give: variety in words and over the film."""
    price = 0.0
    for other in chosen:
        apart = abs(one.moment.peak - other.moment.peak) / max(duration, 1e-9)
        nearness = max(0.0, 1.0 - apart / 0.05)
        price = max(price, _LIKENESS_PRICE * cosine(one.words, other.words) + _NEARNESS_PRICE * nearness)
    return one.score - price


def _judged(film: Film, moment: Moment, weights: dict[str, float]) -> Ranked:
    parts = judge(film, moment)
    known = {name: part for name, part in parts.items() if part.value is not None and weights.get(name)}
    weight = sum(weights[name] for name in known)
    total = sum(weights[name] * (part.value or 0.0) for name, part in known.items())
    raw = (total + _ORDINARY * _ORDINARY_WEIGHT) / (weight + _ORDINARY_WEIGHT)
    scaled = float(np.clip((raw - _SCALE_FROM) / (_SCALE_TO - _SCALE_FROM), 0.0, 1.0))
    marred = [_dead_air(film, moment), _padding(film, moment), _scattered(film, moment), _broken_off(film, moment)]
    score = 100.0 * scaled * math.prod(1.0 - part for part in marred)
    keywords = Counter(word for reading in film.readings[moment.first : moment.last + 1] for word in reading.keywords)
    return Ranked(
        moment=moment,
        score=round(score, 1),
        subscores={name: round(100.0 * (part.value or 0.0), 1) for name, part in known.items()},
        reasons=_strongest(known, weights),
        words=keywords,
    )


def _dead_air(film: Film, moment: Moment) -> float:
    """Up to half the score for a clip in which hardly anything is heard, although the film has sound."""
    silence = film.timeline.silence
    if silence is None:
        return 0.0
    share = float(silence[film.timeline.rows(moment.start, moment.end)].mean())
    ordinary = float(silence.mean())
    return 0.5 * min(1.0, max(0.0, share - max(0.25, ordinary)) / 0.5)


def _padding(film: Film, moment: Moment) -> float:
    """Up to half the score for housekeeping and hedging that a viewer would skip."""
    places = range(moment.first, moment.last + 1)
    spoken = sum(film.sentences[place].duration for place in places)
    dull = sum(film.sentences[place].duration * film.readings[place].dull for place in places)
    return 0.5 * dull / spoken if spoken > 0 else 0.0


def _scattered(film: Film, moment: Moment) -> float:
    """Up to a third of the score for being about more than one thing."""
    turns = float(film.turns[moment.first + 1 : moment.last + 1].sum())
    return 0.33 * min(1.0, turns / 1.5)


def _broken_off(film: Film, moment: Moment) -> float:
    """Up to a third of the score for leaving out what belongs to it: a moment is as long as it stays good and still fits."""
    if not moment.spoken:
        return 0.0
    room = film.limits.longest - moment.duration
    begin, end = film.sentences[moment.first].start, film.sentences[moment.last].end
    missed = 0.0
    for places in (range(moment.first - 1, -1, -1), range(moment.last + 1, len(film.sentences))):
        gained = 0.0
        for place in places:
            sentence = film.sentences[place]
            outside = begin - sentence.start if place < moment.first else sentence.end - end
            crossed = film.turns[place + 1 if place < moment.first else place]
            if outside > room or crossed >= _NEW_THING:
                break
            gained += sentence.duration * (film.values[place] - film.ordinary)
            missed = max(missed, gained)
    return _MOST_BROKEN * math.tanh(missed / _MISSED)


def _strongest(parts: dict[str, Part], weights: dict[str, float]) -> tuple[str, ...]:
    """What carries the score most comes first; each sentence once."""
    said = sorted(
        ((weights[name] * weight, reason) for name, part in parts.items() for weight, reason in part.reasons),
        key=lambda pair: -pair[0],
    )
    return tuple(dict.fromkeys(reason for _, reason in said))[:_REASONS]
