"""Whisper through CTranslate2: fast and accurate, with a model that is already on this machine."""

import ctypes
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cliply_resources.documents import Span, Transcript, Word
from cliply_resources.errors import StepFailed, ToolMissing
from cliply_resources.progress import Progress, part_of
from cliply_resources.settings import Settings
from cliply_resources.speech.contract import is_english, no_speech, primary_language
from cliply_resources.speech.listening import in_blocks, listen
from cliply_resources.speech.sentences import sentences_from_punctuation, tidy_words
from cliply_resources.speech.sound import Sound, as_floats, open_sound
from cliply_resources.speech.whisper_models import WhisperModelFiles, find_whisper_model

__all__ = ["FasterWhisperEngine", "WhisperDecoding", "whisper_device"]

LISTENING_SHARE = 0.03
"""Of the whole work; the rest is decoding."""
BLOCK_SECONDS = 600.0
"""Decoded at once: 38 MB of samples and 20 MB of features, whatever the length of the video."""
LONGEST_PAUSE = 30.0
"""Seconds of silence that are decoded along; a window of the model."""
DOUBTFUL_BELOW = 0.5
"""Mean word probability under which the text is called low quality whatever the model."""


@dataclass(frozen=True, kw_only=True)
class WhisperDecoding:
    """How hard the model searches; the defaults are faster-whisper's own."""

    beam_size: int = 5
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """Tried in order while the text repeats itself or is improbable."""
    max_new_tokens: int | None = None


@dataclass(frozen=True)
class FasterWhisperEngine:
    """Speech to text in any language the model knows, with word times."""

    settings: Settings
    decoding: WhisperDecoding = field(default_factory=WhisperDecoding)
    name: str = "faster-whisper"

    def available(self) -> str | None:
        """Needs the package and a complete model on this machine."""
        if importlib.util.find_spec("faster_whisper") is None:
            return "not installed (`pip install faster-whisper`)"
        try:
            find_whisper_model(self.settings)
        except ToolMissing as error:
            return str(error).rstrip(".")
        return None

    def warm_up(self) -> None:
        """Loads the model into this process, where the next films find it.

        Raises:
            ToolMissing: there is no complete model on this machine.
        """
        _load(find_whisper_model(self.settings))

    def transcribe(self, audio: Path, *, language: str | None, progress: Progress) -> Transcript:
        """Whisper's text and word times, in sentences; silent stretches are never shown to the model.

        Raises:
            ToolMissing: the model is gone.
            StepFailed: it cannot be loaded or run, or knows English only and another language is asked for.
            MediaError: `audio` is not 16 kHz mono 16-bit WAV.
        """
        files = find_whisper_model(self.settings)
        stretches = listen(audio, progress=part_of(progress, 0.0, LISTENING_SHARE))
        heard = _Heard(language=primary_language(language))
        if not stretches:
            return no_speech(self.name, self._detail(files), language=heard.language, quality=files.quality)
        blocks = in_blocks(stretches, most_seconds=BLOCK_SECONDS, longest_pause=LONGEST_PAUSE)
        with open_sound(audio) as sound:
            words = self._recognised(sound, blocks, files, heard, part_of(progress, LISTENING_SHARE, 1.0))
        progress(1.0, "recognised the speech")
        if not words:
            return no_speech(self.name, self._detail(files), language=heard.language, quality=files.quality)
        return Transcript(
            engine=self.name,
            engine_detail=self._detail(files),
            language=heard.language,
            quality=_quality(files, words),
            word_times="measured",
            segments=sentences_from_punctuation(words),
        )

    def _recognised(
        self,
        sound: Sound,
        blocks: tuple[Span, ...],
        files: WhisperModelFiles,
        heard: "_Heard",
        progress: Progress,
    ) -> tuple[Word, ...]:
        try:
            model = _load(files)
            if not model.model.is_multilingual and not is_english(heard.language):
                raise StepFailed(
                    f"the model {files.name} knows English only, and the video is said to be in {heard.language!r}"
                )
            return tidy_words(self._words(model, sound, blocks, heard, progress))
        except (RuntimeError, ValueError, OSError) as error:
            raise StepFailed(f"the model {files.name} could not be run: {error}", detail=repr(error)) from error

    def _detail(self, files: WhisperModelFiles) -> str:
        device = " ".join(whisper_device())
        return f"faster-whisper {version('faster-whisper')}, {files.name}, {device}, beam {self.decoding.beam_size}"

    def _words(
        self,
        model: Any,
        sound: Sound,
        blocks: tuple[Span, ...],
        heard: "_Heard",
        progress: Progress,
    ) -> Iterator[Word]:
        for block in blocks:
            samples = as_floats(sound.read(block.start, block.end))
            found, info = model.transcribe(
                samples,
                language=heard.language,
                beam_size=self.decoding.beam_size,
                temperature=list(self.decoding.temperatures),
                max_new_tokens=self.decoding.max_new_tokens,
                word_timestamps=True,
                # What one block got wrong must not be repeated in the next window.
                condition_on_previous_text=False,
                vad_filter=True,
                vad_parameters={"min_silence_duration_ms": 500, "speech_pad_ms": 200},
            )
            # The whole video is in the language of its first minutes: a quotation must not switch it.
            heard.language = info.language
            for segment in found:
                moment = min(block.start + segment.end, sound.seconds)
                progress(moment / sound.seconds, f"recognising speech, at {moment:.0f} s of {sound.seconds:.0f} s")
                for word in segment.words or ():
                    yield Word(
                        text=word.word.strip(),
                        start=block.start + float(word.start),
                        end=block.start + float(word.end),
                        confidence=float(word.probability),
                    )


@dataclass
class _Heard:
    language: str | None


def whisper_device() -> tuple[str, str]:
    """Where CTranslate2 runs and with which numbers: `("cuda", "float16")` or `("cpu", "int8")`."""
    import ctranslate2

    if not ctranslate2.get_cuda_device_count():
        return "cpu", "int8"
    # A driver without the CUDA libraries counts as a device and fails only in the middle of the work.
    for library in ("libcublas.so.12", "libcudnn.so.9"):
        try:
            ctypes.CDLL(library)
        except OSError:
            return "cpu", "int8"
    return "cuda", "float16"


@lru_cache(maxsize=1)
def _load(files: WhisperModelFiles) -> Any:
    """Kept for the next film: loading costs seconds, and a worker's process does one film after the other."""
    from faster_whisper import WhisperModel

    device, numbers = whisper_device()
    return WhisperModel(str(files.folder), device=device, compute_type=numbers, local_files_only=True)


def _quality(files: WhisperModelFiles, words: tuple[Word, ...]) -> Literal["high", "normal", "low"]:
    certainty = float(np.mean([word.confidence for word in words if word.confidence is not None]))
    return files.quality if certainty >= DOUBTFUL_BELOW else "low"
