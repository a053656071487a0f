"""What is known about the sample talk: who says what and when, what deserves a clip, who is seen where."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from cliply_resources.documents import Segment, Span, Transcript, Word

__all__ = [
    "FPS",
    "MOUTHS",
    "PORTRAIT_FACE",
    "PORTRAIT_SIDE",
    "Box",
    "Exchange",
    "Figure",
    "Person",
    "Reaction",
    "SampleTruth",
    "Shot",
    "SpeechTruth",
    "TruthPassage",
    "cut_short",
    "load_speech_truth",
]

FPS = 30
"""Frames a second of the film, constant."""

MOUTHS = 6
"""How many mouths a person has: 0 is a smile at rest, 1 is closed, 5 is wide open."""

PORTRAIT_SIDE = 512
"""Pixels along each side of the portrait that both people are made from."""

PORTRAIT_FACE = (177, 66, 97, 97)
"""x, y, width and height of the face in the portrait's pixels."""

_SPEECH_TRUTH = Path(__file__).with_name("truth.json")

Person = Literal["host", "guest"]


class Box(msgspec.Struct, frozen=True):
    """A rectangle in fractions of the picture, origin top left."""

    x: float
    y: float
    w: float
    h: float

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle, in fractions of the picture."""
        return self.x + self.w / 2, self.y + self.h / 2


class Exchange(msgspec.Struct, frozen=True):
    """A question of the host, and the guest's answer to it."""

    question: Span
    answer: Span


class Reaction(msgspec.Struct, frozen=True):
    """Noise of the audience."""

    kind: Literal["applause", "laughter"]
    span: Span


class TruthPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch about one thing, its audience reaction included; `reasons` say why a good one is good."""

    name: str
    mood: Literal["lively", "plain", "dull"]
    span: Span
    worth_clipping: bool
    reasons: tuple[str, ...] = ()


class SpeechTruth(msgspec.Struct, frozen=True, kw_only=True):
    """`truth.json` beside the speech: the part of the truth that its synthesis decided. Speakers are `host` and `guest`."""

    title: str
    duration: float
    segments: tuple[Segment, ...]
    """One for each sentence."""
    passages: tuple[TruthPassage, ...]
    reactions: tuple[Reaction, ...]
    exchanges: tuple[Exchange, ...]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """How one person stands in one shot; lengths are fractions of the picture's height, positions of its width.

    The middle of the portrait is at `centre + walk · s(u) + sway · sin(2π · t / period)`, with u the done fraction of the
    shot and s(u) = (1 − cos πu) / 2.
    """

    person: Person
    size: float
    """Side of the whole portrait."""
    top: float
    centre: float
    walk: float = 0.0
    sway: float = 0.0
    period: float = 6.0
    """Seconds."""

    def side(self, height: int) -> int:
        """The portrait's side in pixels of a picture `height` pixels high; even."""
        return 2 * round(self.size * height / 2)

    def box(self, frame: int, frames: int, *, width: int, height: int) -> Box:
        """Where the face is in the `frame`-th of the shot's `frames` frames; the middle of the portrait moves, the face with it."""
        moved = self.centre + self.walk * (1 - math.cos(math.pi * frame / frames)) / 2
        moved += self.sway * math.sin(2 * math.pi * frame / (self.period * FPS))
        side = self.side(height)
        # The overlay filter draws on even pixels only, as the colour planes have half the size.
        left = 2 * math.floor((moved * width - side / 2) / 2)
        top = 2 * math.floor(self.top * height / 2)
        scale = side / PORTRAIT_SIDE
        x, y, w, h = PORTRAIT_FACE
        if self.person == "host":
            x = PORTRAIT_SIDE - x - w
        return Box((left + x * scale) / width, (top + y * scale) / height, w * scale / width, h * scale / height)


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One camera position between two hard cuts."""

    view: Literal["wide", "host", "guest", "close", "walk", "slide"]
    first_frame: int
    frames: int
    figures: tuple[Figure, ...] = ()
    slide: tuple[str, ...] = ()
    """Heading and lines of what is shown in a slide view."""

    @property
    def span(self) -> Span:
        """From its first frame to the next shot's."""
        return Span(self.first_frame / FPS, (self.first_frame + self.frames) / FPS)


class SampleTruth(msgspec.Struct, frozen=True, kw_only=True):
    """`truth.json` beside the film: everything that is known about it."""

    title: str
    duration: float
    width: int
    height: int
    fps: int
    frames: int
    segments: tuple[Segment, ...]
    passages: tuple[TruthPassage, ...]
    reactions: tuple[Reaction, ...]
    exchanges: tuple[Exchange, ...]
    shots: tuple[Shot, ...]

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order, with the speaker of each."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def transcript(self) -> Transcript:
        """The truth in the form that every transcript engine returns."""
        return Transcript(
            engine="file",
            engine_detail="sample talk, as synthesised",
            language="en",
            quality="high",
            word_times="measured",
            segments=self.segments,
        )

    @property
    def cuts(self) -> tuple[float, ...]:
        """The times of the first frame of every shot but the first."""
        return tuple(shot.span.start for shot in self.shots[1:])

    @property
    def worth_clipping(self) -> tuple[TruthPassage, ...]:
        """The passages that a good choice of clips is made from."""
        return tuple(passage for passage in self.passages if passage.worth_clipping)

    def shot_at(self, time: float) -> Shot:
        """The shot on screen. Raises ValueError outside the film."""
        frame = round(time * self.fps)
        for shot in self.shots:
            if shot.first_frame <= frame < shot.first_frame + shot.frames:
                return shot
        raise ValueError(f"the film runs from 0 s to {self.duration} s, which leaves out {time} s")

    def faces_at(self, time: float) -> dict[Person, Box]:
        """The faces in the frame nearest to `time`, exact to the pixel at this film's size."""
        shot = self.shot_at(time)
        frame = round(time * self.fps) - shot.first_frame
        return {
            figure.person: figure.box(frame, shot.frames, width=self.width, height=self.height)
            for figure in shot.figures
        }

    def speaker_at(self, time: float) -> Person | None:
        """Who is in the middle of a sentence; `None` between sentences."""
        for segment in self.segments:
            if segment.start <= time < segment.end:
                return "host" if segment.speaker == "host" else "guest"
        return None


def load_speech_truth() -> SpeechTruth:
    """The truth of the speech that comes with Cliply."""
    return msgspec.json.decode(_SPEECH_TRUTH.read_bytes(), type=SpeechTruth)


def cut_short(speech: SpeechTruth, seconds: float) -> SpeechTruth:
    """The same speech ended after `seconds`: words that fit stay, as do passages and reactions of which a part is left."""
    if seconds >= speech.duration:
        return speech
    segments = tuple(_of_words(said) for one in speech.segments if (said := _said(one, seconds)))
    passages = tuple(
        msgspec.structs.replace(
            passage,
            span=_shortened(passage.span, seconds),
            worth_clipping=passage.worth_clipping and passage.span.end <= seconds,
        )
        for passage in speech.passages
        if passage.span.start < seconds
    )
    return SpeechTruth(
        title=speech.title,
        duration=seconds,
        segments=segments,
        passages=passages,
        reactions=tuple(
            Reaction(reaction.kind, _shortened(reaction.span, seconds))
            for reaction in speech.reactions
            if reaction.span.start < seconds
        ),
        exchanges=tuple(_answered(speech.exchanges, seconds)),
    )


def _shortened(span: Span, seconds: float) -> Span:
    return Span(span.start, min(span.end, seconds))


def _said(segment: Segment, seconds: float) -> tuple[Word, ...]:
    return tuple(word for word in segment.words if word.end <= seconds)


def _of_words(words: tuple[Word, ...]) -> Segment:
    text = " ".join(word.text for word in words)
    return Segment(start=words[0].start, end=words[-1].end, text=text, words=words, speaker=words[0].speaker)


def _answered(exchanges: Iterable[Exchange], seconds: float) -> Iterable[Exchange]:
    return (exchange for exchange in exchanges if exchange.answer.end <= seconds)
