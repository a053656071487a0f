"""Moments, not windows: from what stands out, back to what set it up, on to where it lands.

Every proposal keeps the hard rules (inside the film, between the allowed lengths, never inside a word); how good it is, `ranking`
says. Proposals overlap freely; `ranking` chooses among them.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cliply_assets.highlights.boundaries import Gap, Limits, fit, gaps_around, snap_outside_words, word_gaps
from cliply_assets.highlights.sentences import Sentence
from cliply_assets.highlights.text_signals import Reading, answer_follows, continues, points_back
from cliply_assets.highlights.timeline import STEP, Timeline

__all__ = ["Film", "Moment", "hooking", "read_film", "signal_moments", "spoken_moments", "unfinished"]

Floats = NDArray[np.float64]

_LANDING_REACH = 3.0  # s; a room answers within this
_LANDING_HEARD = 2.0  # s of laughter or applause a clip keeps
_HEARD = 0.5  # likelihood from which laughter or applause is taken for real
_ENDS_A_PEAK = 3  # proposals each peak may make
_BEST_OVERALL = 60  # proposals taken whatever their peak
_TOPIC_TURN = 0.4  # likeness lost between two stretches, from which they are about two things


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal: its times, the sentences it holds whole, and the instant it is built around."""

    start: float
    end: float
    first: int
    last: int
    """Sentences `first` to `last`; none where `last < first`."""
    peak: float

    @property
    def spoken(self) -> bool:
        """Whether any whole sentence is in it."""
        return self.last >= self.first

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start

    def overlap(self, other: "Moment") -> float:
        """Shared seconds as a fraction of the shorter of the two."""
        shared = min(self.end, other.end) - max(self.start, other.start)
        return max(0.0, shared) / min(self.duration, other.duration)


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that proposing and ranking read, worked out once."""

    limits: Limits
    timeline: Timeline
    curve: Floats
    """The signals mixed for this kind of film, one value a row."""
    sentences: tuple[Sentence, ...]
    readings: tuple[Reading, ...]
    gaps: tuple[Gap, ...]
    values: Floats
    """How worth hearing each sentence is with its sound and the room's answer, 0 to 1."""
    openings: Floats
    """How well a clip would open with each sentence, about -1 to 1."""
    landings: Floats
    """How well a clip would end after each sentence, about -1 to 1."""
    turns: Floats
    """How surely something new begins with each sentence, 0 to 1; a clip that runs across is about two things."""
    answers: dict[int, int]
    """Question to the sentence that begins its answer."""
    asked: tuple[int, ...]
    """The question that each sentence still belongs to the answer of; -1 where there is none."""
    reactions: tuple[tuple[str, float, float] | None, ...]
    """What the room does right after each sentence: `laughter` or `applause`, when, and how surely."""


def read_film(
    *,
    limits: Limits,
    timeline: Timeline,
    weights: dict[str, float],
    sentences: tuple[Sentence, ...],
    readings: tuple[Reading, ...],
) -> Film:
    """Judges every sentence as content, as a beginning and as an end."""
    answers = {
        place: answer
        for place in range(len(sentences))
        if (answer := answer_follows(sentences, readings, place)) is not None
    }
    reactions = tuple(_reaction(timeline, sentences, place) for place in range(len(sentences)))
    besides_text = timeline.weighted({**weights, "text": 0.0})
    values = np.array(
        [
            _value(reading, float(besides_text[timeline.rows(sentence.start, sentence.end)].mean()), reaction)
            for sentence, reading, reaction in zip(sentences, readings, reactions, strict=True)
        ]
    )
    turns = np.array([_turn(sentences, readings, answers, reactions, place) for place in range(len(sentences))])
    asked = _asked(answers, turns)
    openings = np.array(
        [
            _opening(sentences, readings, place) - _question_lost(sentences, answers, asked[place], place, limits)
            for place in range(len(sentences))
        ]
    )
    landings = np.array([_landing(sentences, readings, place, reactions[place]) for place in range(len(sentences))])
    openings = openings + 0.25 * turns
    landings[:-1] += 0.35 * turns[1:]
    return Film(
        limits=limits,
        timeline=timeline,
        curve=timeline.weighted(weights),
        sentences=sentences,
        readings=readings,
        gaps=gaps_around(sentences, limits.duration),
        values=values,
        openings=openings,
        landings=landings,
        turns=turns,
        answers=answers,
        asked=asked,
        reactions=reactions,
    )


def spoken_moments(film: Film, *, wanted: int) -> list[Moment]:
    """Whole runs of sentences around everything worth hearing; by single words only where no run of sentences fits."""
    if not film.sentences:
        return []
    first, last, scores = _runs(film)
    order = np.argsort(-scores, kind="stable")
    chosen = dict.fromkeys(int(run) for run in order[:_BEST_OVERALL])
    for peak in _peaks(film.values, max(24, 5 * wanted)):
        holding = order[(first[order] <= peak) & (last[order] >= peak)][:_ENDS_A_PEAK]
        chosen.update(dict.fromkeys(int(run) for run in holding))
    found = [moment for run in chosen if (moment := _moment(film, int(first[run]), int(last[run]))) is not None]
    return found or _word_moments(film, wanted=wanted)


def signal_moments(film: Film, *, wanted: int, anchors: Sequence[float] = ()) -> list[Moment]:
    """Stretches around the peaks of sound and picture; from a quiet place or a cut before to one after.

    `anchors` are times at which something begins by design, such as chapters.
    """
    limits, curve = film.limits, film.curve
    gaps = word_gaps(film.sentences, limits.duration)
    length = min(max((limits.shortest * limits.longest) ** 0.5, limits.shortest), limits.longest)
    marks = sorted({*limits.cuts, *anchors})
    found = []
    for row in _peaks(_spread(curve, max(1, int(limits.shortest / STEP / 4))), max(12, 4 * wanted)):
        peak = row * STEP
        start = _quiet_place(curve, marks, peak - 0.7 * length, peak - 0.2 * length)
        end = _quiet_place(curve, marks, max(peak + 0.2 * length, start + 0.8 * length), start + 1.3 * length)
        times = _between_words(gaps, start, end, limits)
        if times is not None:
            found.append(_with_sentences(film, times, peak))
    return found


def _value(reading: Reading, sound: float, reaction: tuple[str, float, float] | None) -> float:
    answered = 0.3 * reaction[2] if reaction else 0.0
    return float(np.clip(reading.interest + 0.4 * (sound - 0.5) + answered, 0.0, 1.0))


def _reaction(timeline: Timeline, sentences: Sequence[Sentence], place: int) -> tuple[str, float, float] | None:
    """The room's answer to a sentence counts until the next one is well under way."""
    start = sentences[place].end - STEP
    following = sentences[place + 1].end if place + 1 < len(sentences) else timeline.duration
    end = min(sentences[place].end + _LANDING_REACH, following, timeline.duration)
    best: tuple[str, float, float] | None = None
    for name in ("laughter", "applause"):
        found = timeline.peak(name, start, end) if end > start else None
        if found and found[0] >= _HEARD and (best is None or found[0] > best[2]):
            column = timeline.columns[name]
            onset = int(found[1] / STEP)
            while onset * STEP > start and column[onset - 1] >= _HEARD:
                onset -= 1
            best = (name, max(onset * STEP, sentences[place].end), found[0])
    return best


def _turn(
    sentences: Sequence[Sentence],
    readings: Sequence[Reading],
    answers: dict[int, int],
    reactions: Sequence[tuple[str, float, float] | None],
    place: int,
) -> float:
    """Something new begins with a question to somebody else, after applause, or where the vocabulary turns."""
    if place == 0:
        return 0.0
    shift = readings[place].opens_topic
    turn = max(0.0, shift - _TOPIC_TURN) / (1.0 - _TOPIC_TURN)
    if place in answers and place - 1 not in answers:
        asker, answerer = sentences[place].speaker, sentences[answers[place]].speaker
        if asker and answerer and asker != answerer:
            turn = max(turn, 0.6 + 0.3 * shift)
        elif not (asker and answerer) and sentences[place].tokens[0] not in ("and", "or", "but", "then"):
            # Without voices told apart, a story's own "and do you know why?" looks like an interviewer's question.
            turn = max(turn, 0.4 + 0.4 * shift)
    before = reactions[place - 1]
    if before:
        # People clap when something is over; they laugh in the middle of a story.
        turn = max(turn, (0.8 if before[0] == "applause" else 0.2) * before[2])
    return turn


def hooking(reading: Reading) -> float:
    """How strongly a sentence pulls a listener in, 0 to 1."""
    worth = {
        "hook": 0.9,
        "question": 0.6,
        "surprise": 0.6,
        "superlative": 0.45,
        "story": 0.5,
        "opinion": 0.45,
        "advice": 0.35,
        "emotion": 0.45,
        "number": 0.3,
    }
    missed = 1.0
    for kind, weight in worth.items():
        missed *= 1.0 - weight * reading.strength(kind)
    return (1.0 - missed) * (1.0 - 0.7 * reading.dull)


def _opening(sentences: Sequence[Sentence], readings: Sequence[Reading], place: int) -> float:
    sentence, reading = sentences[place], readings[place]
    soon = 0.0
    if place + 1 < len(sentences) and sentences[place + 1].start - sentence.start < 5.0:
        soon = 0.6 * hooking(readings[place + 1])
    good = max(hooking(reading), soon)
    torn = place > 0 and not sentences[place - 1].closed
    return good - 0.8 * points_back(sentence, reading) - 0.4 * reading.dull - 0.5 * torn


def _asked(answers: dict[int, int], turns: Floats) -> tuple[int, ...]:
    asked, question = [], -1
    for place in range(len(turns)):
        if place in answers:
            # Several questions in a row are answered together, from the first one on.
            question = question if question == place - 1 and question in answers else place
            asked.append(-1)
            continue
        if turns[place] >= 0.5:
            question = -1
        asked.append(question)
    return tuple(asked)


def _question_lost(
    sentences: Sequence[Sentence], answers: dict[int, int], question: int, place: int, limits: Limits
) -> float:
    """An answer whose question stays behind, though it would fit, is the commonest clip that nobody understands."""
    if question < 0 or sentences[place].start - sentences[question].start > 0.6 * limits.longest:
        return 0.0
    return 0.7 if answers[question] == place else 0.35


def unfinished(sentences: Sequence[Sentence], readings: Sequence[Reading], place: int) -> float:
    """How much is lost by stopping here: the same voice goes straight on with "so", "and then" or the point itself (0 to 1)."""
    if place + 1 >= len(sentences) or sentences[place + 1].speaker != sentences[place].speaker:
        return 0.0
    following, reading = sentences[place + 1], readings[place + 1]
    pause = max(0.0, following.start - sentences[place].end)
    goes_on = max(0.7 * continues(following), points_back(following, reading), reading.strength("payoff"))
    return goes_on * max(0.0, 1.0 - pause / 2.0) * (1.0 - reading.dull)


def _landing(
    sentences: Sequence[Sentence], readings: Sequence[Reading], place: int, reaction: tuple[str, float, float] | None
) -> float:
    reading = readings[place]
    good = 0.7 * reading.strength("payoff") + 0.2 * reading.strength("surprise") + 0.3 * reading.interest
    if reaction:
        good += 0.6 * reaction[2]
    if place + 1 < len(sentences):
        pause = sentences[place + 1].start - sentences[place].end
        good += 0.2 * min(pause / 1.5, 1.0)
        good -= 0.4 * unfinished(sentences, readings, place)
    else:
        good += 0.2
    unanswered = 0.9 * (reading.strength("question") >= 0.5)
    return good - unanswered - 0.6 * (not sentences[place].closed) - 0.4 * reading.dull


def _runs(film: Film) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Every run of sentences that could become a clip, with a quick score (higher is better)."""
    starts = np.array([sentence.start for sentence in film.sentences])
    ends = np.maximum.accumulate([sentence.end for sentence in film.sentences])
    lows = np.array([gap.low for gap in film.gaps])
    highs = np.array([gap.high for gap in film.gaps])
    spoken = np.array([sentence.duration for sentence in film.sentences])
    said = np.concatenate([[0.0], np.cumsum(spoken)])
    worth = np.concatenate([[0.0], np.cumsum(spoken * film.values)])
    turned = np.concatenate([[0.0], np.cumsum(film.turns)])
    ideal = (film.limits.shortest * film.limits.longest) ** 0.5
    best = film.values.copy()
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
    for reach in range(len(starts)):
        first = np.arange(len(starts) - reach)
        last = first + reach
        best = np.maximum(best[: len(first)], film.values[last])
        core = ends[last] - starts[first]
        if core.min() > film.limits.longest:
            break
        roomy = highs[last + 1] - lows[first]
        fits = (core <= film.limits.longest) & (roomy >= film.limits.shortest)
        a, b, length = first[fits], last[fits], np.maximum(core[fits], 1e-3)
        talk = said[b + 1] - said[a]
        score = (
            0.30 * film.openings[a]
            + 0.30 * film.landings[b]
            + 0.55 * (worth[b + 1] - worth[a]) / np.maximum(talk, 1e-3)
            + 0.35 * best[fits]
            - 0.12 * np.abs(np.log(length / ideal))
            - 0.45 * np.minimum(turned[b + 1] - turned[a + 1], 1.5)
            - 0.40 * np.maximum(0.0, np.maximum(length, film.limits.shortest) / np.maximum(talk, 1e-3) - 1.4)
        )
        found.append((a, b, score))
    a, b, score = (np.concatenate(parts) for parts in zip(*found, strict=True)) if found else _NOTHING
    return a, b, score


_NOTHING = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


def _moment(film: Film, first: int, last: int) -> Moment | None:
    reaction = film.reactions[last]
    landing = reaction[1] + _LANDING_HEARD if reaction else 0.0
    times = fit(film.gaps[first], film.gaps[last + 1], film.limits, landing=landing)
    if times is None:
        return None
    best = first + int(np.argmax(film.values[first : last + 1]))
    return Moment(start=times[0], end=times[1], first=first, last=last, peak=film.sentences[best].start)


def _peaks(values: Floats, count: int) -> list[int]:
    """The highest places that are no lower than their neighbours, highest first."""
    padded = np.concatenate([[-np.inf], values, [-np.inf]])
    tops = np.flatnonzero((values >= padded[:-2]) & (values >= padded[2:]))
    return [int(top) for top in tops[np.argsort(-values[tops], kind="stable")][:count]]


def _word_moments(film: Film, *, wanted: int) -> list[Moment]:
    """Between any two words, where sentences are too long for the allowed lengths; the longest pauses are taken first."""
    limits, gaps = film.limits, word_gaps(film.sentences, film.limits.duration)
    lows, highs = np.array([gap.low for gap in gaps]), np.array([gap.high for gap in gaps])
    firsts = np.cumsum([0, *(len(sentence.words) for sentence in film.sentences)])
    found = []
    for place in _peaks(film.values, max(12, 3 * wanted)):
        for before in dict.fromkeys((int(firsts[place]), *range(int(firsts[place]), int(firsts[place + 1]), 5))):
            roomy, core = highs - lows[before], lows - highs[before]
            ends = np.flatnonzero(
                (roomy >= limits.shortest) & (core <= limits.longest) & (np.arange(len(gaps)) > before)
            )
            widest = ends[np.argsort(-(highs - lows)[ends], kind="stable")][:20]
            times = next((t for end in widest if (t := fit(gaps[before], gaps[end], limits)) is not None), None)
            if times is not None:
                found.append(_with_sentences(film, times, film.sentences[place].start))
                break
    return found


def _with_sentences(film: Film, times: tuple[float, float], peak: float) -> Moment:
    inside = [s.index for s in film.sentences if s.start >= times[0] - 1e-6 and s.end <= times[1] + 1e-6]
    first, last = (inside[0], inside[-1]) if inside else (0, -1)
    return Moment(start=times[0], end=times[1], first=first, last=last, peak=peak)


def _spread(curve: Floats, reach: int) -> Floats:
    """Smoothed so that one peak is one event."""
    window = np.hanning(2 * reach + 3)
    smooth: Floats = np.convolve(np.pad(curve, reach + 1, mode="edge"), window / window.sum(), mode="valid")
    return smooth


def _quiet_place(curve: Floats, marks: Sequence[float], low: float, high: float) -> float:
    """A cut or another mark between the two times, the last one; otherwise where the curve is lowest."""
    inside = [mark for mark in marks if low <= mark <= high]
    if inside:
        return inside[-1]
    first = min(max(0, int(low / STEP)), len(curve) - 1)
    rows = curve[first : max(first + 1, int(high / STEP) + 1)]
    return max(0.0, (first + int(np.argmin(rows))) * STEP)


def _between_words(gaps: Sequence[Gap], start: float, end: float, limits: Limits) -> tuple[float, float] | None:
    """The wished times brought outside words; the gaps next to the nearest are tried too."""
    before, after = snap_outside_words(start, gaps), snap_outside_words(end, gaps)
    for out in range(4):
        for a, b in ((before, after + out), (before - out, after), (before, after - out), (before + out, after)):
            if 0 <= a <= b < len(gaps):
                times = fit(gaps[a], gaps[b], limits, wish=(start, end))
                if times is not None:
                    return times
    return None
