"""What was said, by whom, and when."""

from typing import Literal

import msgspec

__all__ = ["Segment", "Transcript", "Word"]


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One spoken word with its punctuation ("right?"), as it is shown."""

    text: str
    start: float
    end: float
    confidence: float | None = None
    """0 to 1 where the engine says; `None` where it does not."""
    speaker: str | None = None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence or breath group. `words` is never empty; their texts joined by spaces are `text`."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...]
    speaker: str | None = None


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """Segments in order, not overlapping; empty `segments` means that no speech was found."""

    engine: str
    """What made it: `whisperx`, `faster-whisper`, `deepgram`, `pocketsphinx`, `file`, `embedded-subtitles`, `site-captions`, `none`."""
    engine_detail: str
    """Model, version and settings, for people and for the content hash."""
    language: str | None
    quality: Literal["high", "normal", "low"]
    """`low` marks text that a viewer would find faulty; it is used for timing and ranking, and said so wherever it is shown."""
    word_times: Literal["measured", "estimated"]
    segments: tuple[Segment, ...]
    note: str = ""
    """A sentence for the user: engines that were passed over and why, or why there is no speech."""

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order."""
        return tuple(word for segment in self.segments for word in segment.words)
