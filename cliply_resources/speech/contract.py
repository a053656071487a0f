"""What every speech engine promises, so that the next one in line can take over."""

from pathlib import Path
from typing import Literal, Protocol

from cliply_resources.documents import Transcript
from cliply_resources.progress import Progress

__all__ = ["NO_SPEECH", "SpeechEngine", "is_english", "no_speech", "primary_language"]

NO_SPEECH = "No speech was found in this video; clips are proposed from picture and sound alone."


class SpeechEngine(Protocol):
    """Turns 16 kHz mono 16-bit WAV into a transcript; made from the settings, costs nothing until it transcribes.

    Implementations stream: a four-hour file costs no more memory than a short one, apart from the words themselves.
    """

    @property
    def name(self) -> str:
        """As in `Settings.transcript_engines` and `Transcript.engine`."""
        ...

    def available(self) -> str | None:
        """Why this engine cannot be used here, as the end of a sentence; `None` where it can.

        Looks at what is installed and configured; never loads a model, never asks the network.
        """
        ...

    def transcribe(self, audio: Path, *, language: str | None, progress: Progress) -> Transcript:
        """Everything that is said in `audio`; no segments and a note where nothing is.

        `language` is ISO 639-1, `None` lets the engine find out.

        Raises:
            StepFailed: the engine could not do it; another one may.
            UpstreamError: the service behind it could not.
            MediaError: `audio` is not 16 kHz mono 16-bit WAV; no engine can.
        """
        ...


def no_speech(
    engine: str,
    detail: str,
    *,
    language: str | None = None,
    quality: Literal["high", "normal", "low"] = "normal",
) -> Transcript:
    """The transcript of a video in which nobody speaks."""
    return Transcript(
        engine=engine,
        engine_detail=detail,
        language=language,
        quality=quality,
        word_times="measured",
        segments=(),
        note=NO_SPEECH,
    )


def primary_language(tag: str | None) -> str | None:
    """`en` for `en-US`, `EN_gb` and `en`; `None` for nothing, `und` and `multi`."""
    if tag is None:
        return None
    primary = tag.strip().lower().replace("_", "-").split("-")[0]
    return None if primary in {"", "und", "multi", "mul", "zxx"} else primary


def is_english(tag: str | None) -> bool:
    """Whether the language is English or not known to be another one."""
    return primary_language(tag) in {None, "en", "eng"}
