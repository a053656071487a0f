"""Tries speech engines in order, and says which one was used and why not the others."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from cliply_resources.documents import Transcript
from cliply_resources.errors import StepFailed, ToolMissing, UpstreamError
from cliply_resources.progress import Progress, silent
from cliply_resources.settings import Settings
from cliply_resources.speech.contract import SpeechEngine
from cliply_resources.speech.deepgram_engine import DeepgramEngine
from cliply_resources.speech.faster_whisper_engine import FasterWhisperEngine
from cliply_resources.speech.pocketsphinx_engine import PocketsphinxEngine
from cliply_resources.speech.whisperx_engine import WhisperxEngine

__all__ = ["ENGINES", "best_engine", "engine_reasons", "open_engine", "transcribe_with_first_available", "warm_up"]

ENGINES: dict[str, Callable[[Settings], SpeechEngine]] = {
    "whisperx": WhisperxEngine,
    "faster-whisper": FasterWhisperEngine,
    "deepgram": DeepgramEngine,
    "pocketsphinx": lambda _: PocketsphinxEngine(),
}
"""Every engine by the name it has in `Settings.transcript_engines`."""

_ANOTHER_MAY = (StepFailed, ToolMissing, UpstreamError)
"""What one engine's failure looks like; unusable sound is the same for all of them."""


def open_engine(name: str, settings: Settings) -> SpeechEngine:
    """The engine of that name; nothing is loaded yet.

    Raises:
        ToolMissing: there is none.
    """
    if name not in ENGINES:
        raise ToolMissing(
            f"there is no speech engine {name!r}.",
            remedy=f"Name some of {', '.join(ENGINES)} in CLIPLY_TRANSCRIPT_ENGINES.",
        )
    return ENGINES[name](settings)


def engine_reasons(settings: Settings) -> dict[str, str | None]:
    """Why each engine of the settings cannot be used, in their order; `None` for one that can. Cheap, no network."""
    reasons: dict[str, str | None] = {}
    for name in settings.transcript_engines:
        try:
            reasons[name] = open_engine(name, settings).available()
        except ToolMissing as error:
            reasons[name] = str(error)
    return reasons


def best_engine(settings: Settings) -> str | None:
    """The engine that would be tried first, `None` where none can be used."""
    return next((name for name, reason in engine_reasons(settings).items() if reason is None), None)


def warm_up(settings: Settings) -> str | None:
    """Loads what the engine that would be tried first can keep between films; its name, or nothing where it keeps nothing.

    Raises:
        StepFailed: the model is there and cannot be loaded.
    """
    name = best_engine(settings)
    engine = open_engine(name, settings) if name is not None else None
    if not isinstance(engine, FasterWhisperEngine):
        return None
    try:
        engine.warm_up()
    except (RuntimeError, ValueError, OSError) as error:
        raise StepFailed(f"The speech model of {name} could not be loaded: {error}", detail=repr(error)) from error
    return name


def transcribe_with_first_available(
    audio: Path,
    *,
    settings: Settings,
    language: str | None = None,
    progress: Progress = silent,
) -> Transcript:
    """The transcript of the first engine that can make one; its note names those passed over, and why.

    `audio` is 16 kHz mono 16-bit WAV, `language` ISO 639-1 or `None` to find out.

    Raises:
        MediaError: `audio` is something else, or missing.
        StepFailed: no engine could do it; the message gives every reason.
    """
    passed_over: list[tuple[str, str]] = []
    for name, engine in _usable(settings, passed_over):
        try:
            transcript = engine.transcribe(audio, language=language, progress=progress)
        except _ANOTHER_MAY as error:
            passed_over.append((name, str(error).rstrip(".")))
            continue
        return msgspec.structs.replace(transcript, note=_note(transcript, passed_over))
    if not passed_over:
        raise StepFailed('No speech engine is named; set CLIPLY_TRANSCRIPT_ENGINES, for example to ["pocketsphinx"].')
    raise StepFailed(
        f"No speech engine could make a transcript: {_listed(passed_over)}. Bring a transcript as SRT, VTT or JSON, or "
        "make one of these engines usable."
    )


def _usable(settings: Settings, passed_over: list[tuple[str, str]]) -> Iterator[tuple[str, SpeechEngine]]:
    """The engines that say they can be used, one after the other; the others go to `passed_over`."""
    for name, reason in engine_reasons(settings).items():
        if reason is None:
            yield name, open_engine(name, settings)
        else:
            passed_over.append((name, reason.rstrip(".")))


def _note(transcript: Transcript, passed_over: list[tuple[str, str]]) -> str:
    if not passed_over:
        return transcript.note
    return f"{transcript.note} Made by {transcript.engine}; passed over were {_listed(passed_over)}.".strip()


def _listed(passed_over: list[tuple[str, str]]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in passed_over)
