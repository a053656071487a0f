"""What is known about a composed film."""

from pathlib import Path
from typing import Literal

import msgspec

from cliply_resources.documents import Segment, Span, Transcript

__all__ = ["FPS", "HEIGHT", "SPEECH", "WIDTH", "FilmTruth", "Noise", "Sound", "load_sound"]

FPS, WIDTH, HEIGHT = 25, 1280, 720
SPEECH = Path(__file__).with_name("speech")

Box = tuple[float, float, float, float]


class Noise(msgspec.Struct, frozen=True):
    """The room's answer."""

    kind: Literal["laughter", "applause"]
    span: Span


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """What the synthesis decided: `NAME.json` beside `NAME.opus`."""

    duration: float
    segments: tuple[Segment, ...]
    noises: tuple[Noise, ...]
    good: Span | None
    """The stretch that deserves the clip."""

    @property
    def transcript(self) -> Transcript:
        """Every word at its true time, without the speakers, whom no plain recogniser names."""
        replace = msgspec.structs.replace
        segments = tuple(
            replace(one, speaker=None, words=tuple(replace(word, speaker=None) for word in one.words))
            for one in self.segments
        )
        return Transcript(
            engine="file",
            engine_detail="as synthesised",
            language="en",
            quality="high",
            word_times="measured",
            segments=segments,
        )

    def speaker_at(self, time: float) -> str | None:
        """Who is in the middle of a word."""
        for segment in self.segments:
            if segment.start <= time < segment.end:
                return next((segment.speaker for word in segment.words if word.start <= time < word.end), None)
        return None


class FilmTruth(msgspec.Struct, frozen=True, kw_only=True):
    """Where every visible face is in every frame, as fractions of the picture; and the cuts, in frames."""

    frames: int
    faces: dict[str, tuple[Box | None, ...]]
    cuts: tuple[int, ...]


def load_sound(name: str) -> Sound:
    """The truth of one film's sound."""
    return msgspec.json.decode((SPEECH / f"{name}.json").read_bytes(), type=Sound)
