"""The parts of a moment's score, each with the facts behind it in plain sentences."""

import re

import msgspec
import numpy as np

from cliply_assets.highlights.audience_signals import marks_within
from cliply_assets.highlights.film import Film, excess, unfinished
from cliply_assets.highlights.moments import PLENTY, Moment
from cliply_assets.highlights.text_signals import points_back, points_forward

__all__ = ["Part", "clock", "judge"]

_LONGEST_QUOTE = 60  # characters; a reason is read at a glance
_VIEWERS_CARE = 0.65  # of what they replay or write against the film's ordinary, 0.5
_EARLY = 5.0  # s in which a viewer decides to stay
_SAID = {
    "surprise": "Something unexpected: “{}”.",
    "superlative": "It makes a strong claim: “{}”.",
    "number": "It names figures: {}.",
    "story": "It tells a story: “{}”.",
    "scene": "It tells what happened and who said what: “{}”.",
    "saying": "It has a line to take along: “{}”.",
    "opinion": "It takes a stand: “{}”.",
    "advice": "It gives advice that can be used: “{}”.",
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One named part of a score; `value` is `None` where the film gives no evidence either way."""

    value: float | None
    reasons: tuple[tuple[float, str], ...] = ()
    """Sentences with how much each speaks for the moment, 0 to 1."""


def judge(film: Film, moment: Moment) -> dict[str, Part]:
    """Every part there can be; pure, and the same for the same film and moment."""
    spoken = moment.spoken
    none = Part(value=None)
    return {
        "hook": _hook(film, moment) if spoken else none,
        "payoff": _payoff(film, moment) if spoken else none,
        "substance": _substance(film, moment) if spoken else none,
        "emotion": _emotion(film, moment),
        "coherence": _coherence(film, moment),
        "delivery": _delivery(film, moment),
        "room": _room(film, moment),
        "picture": _picture(film, moment),
        "audience": _audience(film, moment),
        "topic": _topic(film, moment) if spoken and film.topic else none,
    }


def clock(seconds: float) -> str:
    """`3:07`, or `1:03:07` from an hour on."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def quote(text: str) -> str:
    """At most sixty characters of what was said, cut between words."""
    text = re.sub(r"\bi(?=\b|')", "I", " ".join(text.split()))
    if len(text) <= _LONGEST_QUOTE:
        return text.rstrip(".,;:")
    return text[: _LONGEST_QUOTE + 1].rsplit(" ", 1)[0].rstrip(".,;:") + " …"


def _hook(film: Film, moment: Moment) -> Part:
    begin = film.sentences[moment.first].start
    early = [
        place
        for place in range(moment.first, min(moment.first + 3, moment.last + 1))
        if film.sentences[place].start - begin < _EARLY
    ]
    pulls = [float(film.pulls[place]) * (1.0 if place == moment.first else 0.7) for place in early]
    best = early[int(np.argmax(pulls))]
    reading = film.readings[best]
    kinds = [
        kind
        for kind in ("hook", "question", "surprise", "superlative", "story", "opinion")
        if reading.strength(kind) > 0
    ]
    if not kinds or max(pulls) < 0.3:
        return Part(value=max(pulls))
    kind = max(kinds, key=reading.strength)
    opening = quote(film.sentences[best].text)
    says = f"It opens with a question: “{opening}”." if kind == "question" else f"It opens strongly: “{opening}”."
    return Part(value=max(pulls), reasons=((max(pulls), says),))


def _payoff(film: Film, moment: Moment) -> Part:
    last = film.readings[moment.last]
    before = film.readings[max(moment.first, moment.last - 1)]
    landed = max(last.strength("payoff"), 0.8 * before.strength("payoff"), 0.6 * last.strength("surprise"))
    reasons: list[tuple[float, str]] = []
    value = 0.35 + 0.5 * landed
    if landed >= 0.35:
        place = moment.last if last.strength("payoff") >= before.strength("payoff") else moment.last - 1
        reasons.append((landed, f"It lands on “{quote(film.sentences[place].text)}”."))
    reaction = film.reactions[moment.last]
    if reaction and reaction[1] <= moment.end + 0.5:
        value += 0.4 * reaction[2]
        reasons.append((reaction[2], _room_said(*reaction[:2], film.sentences[moment.last].end)))
    answered, lost = _questions(film, moment)
    if answered:
        value += 0.3 * min(1.0, float(film.pulls[answered[0]]) / 0.6)
        asked = quote(film.sentences[answered[0]].text).rstrip("?")
        reasons.append((0.8, f"A question (“{asked}?”) is answered inside the clip."))
    value -= 0.35 * unfinished(film.sentences, film.readings, moment.last) + 0.4 * lost
    if last.strength("question") >= 0.5:
        value -= 0.4
    value -= 0.4 * points_forward(film.sentences[moment.last])
    return Part(value=float(np.clip(value, 0.0, 1.0)), reasons=tuple(reasons))


def _questions(film: Film, moment: Moment) -> tuple[list[int], bool]:
    """Questions answered inside with at least two sentences or eight words; and whether the clip opens with an orphaned answer."""
    inside = range(moment.first, moment.last + 1)
    answered = []
    for place in inside:
        answer = film.answers.get(place)
        if answer is not None and answer <= moment.last:
            words = sum(len(film.sentences[k].tokens) for k in range(answer, moment.last + 1))
            if words >= 8 and film.readings[place].dull < 0.5:
                answered.append(place)
    question = film.asked[moment.first]
    lost = question >= 0 and moment.end - film.sentences[question].start <= film.limits.longest
    return answered, lost


def _room_said(name: str, onset: float, spoken_until: float) -> str:
    after = onset - spoken_until
    kind = "Laughter" if name == "laughter" else "Applause"
    return f"{kind} right after the last sentence." if after < 1.0 else f"{kind} {after:.0f} s after the last sentence."


def _substance(film: Film, moment: Moment) -> Part:
    """How much of it is worth hearing: the best sentences, and the average over time, so that padding costs."""
    places = range(moment.first, moment.last + 1)
    values = film.values[moment.first : moment.last + 1]
    spoken = np.array([film.sentences[place].duration for place in places])
    best = np.sort(values)[::-1][:3]
    dull = float(np.average([film.readings[place].dull for place in places], weights=spoken))
    value = 0.25 * float(best.mean()) + 0.35 * float(np.average(values, weights=spoken)) - 0.4 * dull
    # A whole story outweighs its best line.
    value += 0.6 * float(np.tanh(max(0.0, excess(film, moment.first, moment.last)) / PLENTY))
    found: dict[int, tuple[float, str]] = {}
    for kind, says in _SAID.items():
        place = max(places, key=lambda at: film.readings[at].strength(kind))
        strength = film.readings[place].strength(kind)
        # One sentence is quoted once, for what speaks for it most.
        if strength >= 0.4 and 0.6 * strength > found.get(place, (0.0, ""))[0]:
            proof = film.readings[place].evidence.get(kind, ())
            said = ", ".join(proof[:3]) if kind == "number" else quote(film.sentences[place].text)
            found[place] = (0.6 * strength, says.format(said))
    reasons = sorted(found.values(), key=lambda pair: -pair[0])
    return Part(value=float(np.clip(value, 0.0, 1.0)), reasons=tuple(reasons[:3]))


def _emotion(film: Film, moment: Moment) -> Part:
    if not moment.spoken:
        return Part(value=None)
    readings = film.readings[moment.first : moment.last + 1]
    strengths = sorted((reading.strength("emotion") for reading in readings), reverse=True)
    voice = film.timeline.peak("pitch_range", moment.start, moment.end)
    value = 0.75 * float(np.mean(strengths[:2])) + 0.15 * min(1.0, sum(strengths) / 3)
    value += 0.1 * (voice[0] if voice else 0.5)
    words = [word for reading in readings for word in reading.evidence.get("emotion", ())]
    short = [word for word in dict.fromkeys(words) if len(word) <= 25][:3]
    if strengths[0] < 0.4 or not short:
        return Part(value=float(value))
    listed = ", ".join(f"“{word}”" for word in short)
    return Part(value=float(value), reasons=((0.7 * strengths[0], f"Emotion in the words: {listed}."),))


def _coherence(film: Film, moment: Moment) -> Part:
    if not moment.spoken:
        return Part(value=None)
    opening, ending = film.sentences[moment.first], film.sentences[moment.last]
    lean = points_back(opening, film.readings[moment.first])
    _, lost = _questions(film, moment)
    torn = moment.first > 0 and not film.sentences[moment.first - 1].closed
    cut_into = _cuts_a_sentence(film, moment)
    value = 0.85 - 0.5 * lean - 0.35 * lost - 0.3 * torn - 0.35 * (not ending.closed) - 0.3 * cut_into
    value += 0.15 * float(film.turns[moment.first])
    reasons = []
    if lean < 0.2 and not torn and not lost and ending.closed and not cut_into:
        reasons.append((0.35, "It stands alone: a whole thought from its first sentence to its last."))
    return Part(value=float(np.clip(value, 0.0, 1.0)), reasons=tuple(reasons))


def _cuts_a_sentence(film: Film, moment: Moment) -> bool:
    """Whether either end lies inside a sentence, which happens only where sentences are longer than clips may be."""
    neighbours = film.sentences[max(0, moment.first - 1) : moment.last + 2]
    return any(
        sentence.start + 0.01 < edge < sentence.end - 0.01
        for sentence in neighbours
        for edge in (moment.start, moment.end)
    )


def _delivery(film: Film, moment: Moment) -> Part:
    """How it sounds against the rest of the film."""
    parts = {
        name: value
        for name in ("energy", "rise", "pitch_range", "pace", "beats")
        if (value := film.timeline.mean(name, moment.start, moment.end)) is not None
    }
    if not parts:
        return Part(value=None)
    loudest = film.timeline.peak("energy", moment.start, moment.end)
    value = 0.7 * float(np.mean(list(parts.values()))) + 0.3 * (loudest[0] if loudest else 0.5)
    reasons = []
    if loudest and parts["energy"] > 0.6:
        reasons.append((0.6 * parts["energy"], "It is louder and livelier than most of the film."))
    elif loudest and loudest[0] > 0.85 and not moment.spoken:
        reasons.append((0.5, f"The sound peaks at {clock(loudest[1])}."))
    if parts.get("pitch_range", 0.0) > 0.65:
        reasons.append((0.3 * parts["pitch_range"], "The voice moves more than usual here."))
    return Part(value=value, reasons=tuple(reasons))


def _room(film: Film, moment: Moment) -> Part:
    """Laughter and applause inside; a film without any is not punished for it."""
    heard = [
        (name, *peak)
        for name in ("laughter", "applause")
        if (peak := film.timeline.peak(name, moment.start, moment.end)) is not None
    ]
    if not heard:
        return Part(value=None)
    name, value, at = max(heard, key=lambda one: one[1])
    if value < 0.5:
        return Part(value=0.4)
    answers = sum(film.reactions[place] is not None for place in range(moment.first, moment.last + 1))
    value *= min(1.0, 0.65 + 0.12 * max(1, answers))
    shown = "laughs" if name == "laughter" else "applauds"
    ends_on_it = moment.spoken and film.reactions[moment.last] is not None
    reasons = () if ends_on_it else ((0.8 * value, f"The room {shown} at {clock(at)}."),)
    return Part(value=value, reasons=reasons)


def _picture(film: Film, moment: Moment) -> Part:
    names = ("motion", "cuts", "faces")
    parts = {name: value for name in names if (value := film.timeline.mean(name, moment.start, moment.end)) is not None}
    if not parts:
        return Part(value=None)
    reasons = []
    if parts.get("motion", 0.0) > 0.62:
        reasons.append((0.4 * parts["motion"], "More moves in the picture than in most of the film."))
    if parts.get("faces", 0.0) > 0.5:
        reasons.append((0.15, "A face is close and lively."))
    return Part(value=float(np.mean(list(parts.values()))), reasons=tuple(reasons))


def _topic(film: Film, moment: Moment) -> Part:
    """How much of it is about what the user asked for."""
    about = film.about[moment.first : moment.last + 1]
    best = moment.first + int(np.argmax(about))
    value = float(0.6 * about.max() + 0.4 * about.mean())
    return Part(
        value=value,
        reasons=((2.0 * value, f"It is about “{quote(film.topic)}”: “{quote(film.sentences[best].text)}”."),),
    )


def _audience(film: Film, moment: Moment) -> Part:
    """What viewers replay, point at and write about; what is not known of them counts neither way."""
    heard = {
        name: (0.5 * mean + 0.5 * peak[0], peak[1])
        for name in ("replayed", "comments", "chat")
        if (mean := film.timeline.mean(name, moment.start, moment.end)) is not None
        and (peak := film.timeline.peak(name, moment.start, moment.end)) is not None
    }
    if not heard:
        return Part(value=None)
    values = [value for value, _ in heard.values()]
    says: list[tuple[float, str]] = []
    for name, (value, at) in heard.items():
        if value > _VIEWERS_CARE:
            says += [(value, said)] if (said := _viewers_say(film, moment, name, at)) else []
    # What one of them tells is not taken back by the others' silence.
    return Part(value=0.6 * max(values) + 0.4 * float(np.mean(values)), reasons=tuple(says))


def _viewers_say(film: Film, moment: Moment, name: str, at: float) -> str:
    if name == "replayed":
        return f"Viewers replay this part more than most, above all around {clock(at)}."
    if name == "chat":
        return f"More people than usual write in the chat, above all around {clock(at)}."
    marks = marks_within(film.marks, moment.start, moment.end)
    if not marks:
        return ""
    people = "A viewer points" if len(marks) == 1 else f"{len(marks)} viewers point"
    liked = sum(mark.likes for mark in marks)
    likes = f" ({liked} likes)" if liked > 1 else ""
    said = next((f": “{quote(mark.text)}”" for mark in marks if any(map(str.isalpha, mark.text))), "")
    return f"{people} at {clock(marks[0].time)} in the comments{likes}{said}."
