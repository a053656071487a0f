"""A film read as a whole: what each sentence is worth, how well a clip would open and end with it, and where something new begins."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cliply_assets.highlights.boundaries import Gap, Limits, gaps_around
from cliply_assets.highlights.sentences import Sentence
from cliply_assets.highlights.text_signals import Reading, answer_follows, continues, points_back, points_forward
from cliply_assets.highlights.timeline import STEP, Timeline
from cliply_assets.highlights.wishes import keep_out, relevance
from cliply_resources.documents import Span, ViewerMark

__all__ = ["HEARD", "Film", "excess", "hooking", "read_film", "unfinished"]

Floats = NDArray[np.float64]

HEARD = 0.5
"""Likelihood from which laughter or applause is taken for real."""

_LANDING_REACH = 3.0  # s; a room answers within this
_ANSWER_SENTENCES = 6  # of an answer tell whether the question was worth asking
_NEW_BREATH = 2.5  # s; after a longer silence another thing may begin
_COMPANY = 0.4  # of a sentence's worth that is its neighbours'; a plain line in a good story is still the story
_ONWARD = 0.45  # price of stopping where the same voice goes on with something just as good
_CHAPTER_REACH = 4.0  # s; publishers set marks by eye
_CHAPTER_TURN = 0.8  # certainty that a chapter is about something new
_TOPIC_TURN = 0.4  # likeness lost between two stretches, from which they are about two things


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
    ordinary: float
    """Worth of the film's ordinary sentence; what lies above it adds to a moment, what lies below takes away."""
    pulls: Floats
    """How strongly each sentence pulls a listener in, 0 to 1; a question no more than its answer is worth."""
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
    topic: str
    """What the clips are to be about; empty where the user leaves that open."""
    about: Floats
    """How much each sentence is about the topic, 0 to 1; all 1 without one."""
    excluded: tuple[Span, ...]
    """Ranges that no clip may touch."""
    reactions: tuple[tuple[str, float, float] | None, ...]
    """What the room does right after each sentence: `laughter` or `applause`, when, and how surely."""
    marks: tuple[ViewerMark, ...]
    """Moments that viewers name in their comments."""


def read_film(  # noqa: PLR0913 - a film is read with everything that is known
    *,
    limits: Limits,
    timeline: Timeline,
    weights: dict[str, float],
    sentences: tuple[Sentence, ...],
    readings: tuple[Reading, ...],
    topic: str = "",
    excluded: tuple[Span, ...] = (),
    chapters: Sequence[float] = (),
    marks: tuple[ViewerMark, ...] = (),
) -> Film:
    """Judges every sentence as content, as a beginning and as an end; with a topic, by what it says about that above all."""
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
    turns = _with_chapters(turns, sentences, chapters)
    values = _with_neighbours(values, turns)
    about = relevance(sentences, topic) if topic else np.ones(len(sentences))
    if topic:
        values = np.clip(values * (0.4 + 0.6 * about) + 0.3 * about, 0.0, 1.0)
    asked = _asked(answers, turns)
    pulls = np.array([_pull(readings, values, answers, place) for place in range(len(sentences))])
    openings = np.array(
        [
            _opening(sentences, readings, pulls, place)
            - _question_lost(sentences, answers, asked[place], place, limits)
            for place in range(len(sentences))
        ]
    )
    landings = np.array([_landing(sentences, readings, place, reactions[place]) for place in range(len(sentences))])
    openings = openings + 0.25 * turns
    landings[:-1] += 0.35 * turns[1:]
    landings -= _ONWARD * _still_good(sentences, values, turns)
    return Film(
        limits=limits,
        timeline=timeline,
        curve=timeline.weighted(weights),
        sentences=sentences,
        readings=readings,
        gaps=keep_out(gaps_around(sentences, limits.duration), sentences, excluded),
        values=values,
        ordinary=_ordinary(sentences, values),
        pulls=pulls,
        openings=openings,
        landings=landings,
        turns=turns,
        answers=answers,
        asked=asked,
        topic=topic,
        about=about,
        excluded=excluded,
        reactions=reactions,
        marks=marks,
    )


def _value(reading: Reading, sound: float, reaction: tuple[str, float, float] | None) -> float:
    answered = 0.3 * reaction[2] if reaction else 0.0
    return float(np.clip(reading.interest + 0.4 * (sound - 0.5) + answered, 0.0, 1.0))


def _with_chapters(turns: Floats, sentences: Sequence[Sentence], chapters: Sequence[float]) -> Floats:
    """Something new begins with the sentence nearest to where the publisher begins a chapter."""
    turned = turns.copy()
    starts = np.array([sentence.start for sentence in sentences])
    for begin in chapters:
        if len(starts) == 0 or begin <= starts[0]:
            continue
        nearest = int(np.argmin(np.abs(starts - begin)))
        if abs(starts[nearest] - begin) <= _CHAPTER_REACH and nearest > 0:
            turned[nearest] = max(turned[nearest], _CHAPTER_TURN)
    return turned


def _with_neighbours(values: Floats, turns: Floats) -> Floats:
    """Each sentence's worth mixed with that of two on either side, as far as nothing new begins between them."""
    mixed = values.copy()
    for place in range(len(values)):
        near, weight = 0.0, 0.0
        for way in (-1, 1):
            joined = 1.0
            for step in (1, 2):
                other = place + way * step
                if not 0 <= other < len(values):
                    break
                joined *= 1.0 - turns[max(other, other - way)]
                near += joined / step * values[other]
                weight += joined / step
        if weight > 0:
            mixed[place] = (1.0 - _COMPANY) * values[place] + _COMPANY * near / weight
    return mixed


def _ordinary(sentences: Sequence[Sentence], values: Floats) -> float:
    """The worth that half of the talking time stays below."""
    if not sentences:
        return 0.0
    order = np.argsort(values, kind="stable")
    spent = np.cumsum(np.array([sentences[int(place)].duration for place in order]))
    return float(values[order[min(int(np.searchsorted(spent, 0.5 * spent[-1])), len(order) - 1)]])


def excess(film: Film, first: int, last: int) -> float:
    """How much sentences `first` to `last` together are worth above the film's ordinary, in seconds of full worth."""
    spoken = np.array([film.sentences[place].duration for place in range(first, last + 1)])
    return float((spoken * (film.values[first : last + 1] - film.ordinary)).sum())


def _pull(readings: Sequence[Reading], values: Floats, answers: dict[int, int], place: int) -> float:
    """A question holds nobody whose answer is a street number; it pulls as its answer's best sentences are worth hearing."""
    pull = hooking(readings[place])
    if place not in answers or readings[place].strength("question") < 0.5:
        return pull
    answer = np.sort(values[answers[place] : answers[place] + _ANSWER_SENTENCES])[::-1][:3]
    return min(1.0, pull * float(np.clip(0.35 + 2.2 * (answer.mean() - 0.12), 0.35, 1.15)))


def _still_good(sentences: Sequence[Sentence], values: Floats, turns: Floats) -> Floats:
    """What is lost by stopping after each sentence: the worth of the next two of the same voice, as far as nothing new begins."""
    lost = np.zeros(len(values))
    for place in range(len(values) - 1):
        joined = 1.0
        for following in range(place + 1, min(place + 3, len(values))):
            pause = sentences[following].start - sentences[following - 1].end
            if sentences[following].speaker != sentences[place].speaker or pause > _NEW_BREATH:
                break
            joined *= 1.0 - turns[following]
            lost[place] = max(lost[place], joined * values[following])
    return lost


def _reaction(timeline: Timeline, sentences: Sequence[Sentence], place: int) -> tuple[str, float, float] | None:
    """The room's answer to a sentence counts until the next one is well under way."""
    start = sentences[place].end - STEP
    following = sentences[place + 1].end if place + 1 < len(sentences) else timeline.duration
    end = min(sentences[place].end + _LANDING_REACH, following, timeline.duration)
    best: tuple[str, float, float] | None = None
    for name in ("laughter", "applause"):
        found = timeline.peak(name, start, end) if end > start else None
        if found and found[0] >= HEARD and (best is None or found[0] > best[2]):
            column = timeline.columns[name]
            onset = int(found[1] / STEP)
            while onset * STEP > start and column[onset - 1] >= HEARD:
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
    if place == 0 or place in (answers.get(place - 1), answers.get(place - 2)):
        # An answer is about what was asked, whatever words it begins with.
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
        "saying": 0.4,
        "scene": 0.3,
        "opinion": 0.45,
        "advice": 0.35,
        "emotion": 0.45,
        "number": 0.3,
    }
    missed = 1.0
    for kind, weight in worth.items():
        missed *= 1.0 - weight * reading.strength(kind)
    return (1.0 - missed) * (1.0 - 0.7 * reading.dull)


def _opening(sentences: Sequence[Sentence], readings: Sequence[Reading], pulls: Floats, place: int) -> float:
    sentence, reading = sentences[place], readings[place]
    soon = 0.0
    if place + 1 < len(sentences) and sentences[place + 1].start - sentence.start < 5.0:
        soon = 0.6 * float(pulls[place + 1])
    good = max(float(pulls[place]), soon)
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
    good -= 0.8 * points_forward(sentences[place])
    unanswered = 0.9 * (reading.strength("question") >= 0.5)
    return good - unanswered - 0.6 * (not sentences[place].closed) - 0.4 * reading.dull
