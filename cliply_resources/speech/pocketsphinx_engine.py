"""The engine that is always there: pocketsphinx with the US-English model of its wheel, no download, no network.

Measured against known text: 2 to 6 % word errors on clean speech, word starts within 10 ms, 8 times real time on one
core; on recorded rooms, telephones and noise a quarter of the words are wrong, and more. How sure the decoder was of
its words tells the two apart, so the transcript says which of them it is:

| mean word posterior | 0.85 | 0.80 | 0.61 | 0.44 | 0.39 | 0.21 |
|---|---|---|---|---|---|---|
| word errors | 2 % | 6 % | 12 % | 23 % | 30 % | 68 % |
"""

import importlib.util
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cliply_resources.documents import Transcript, Word
from cliply_resources.errors import StepFailed
from cliply_resources.progress import Progress, part_of
from cliply_resources.speech.contract import is_english, no_speech
from cliply_resources.speech.listening import Stretch, listen
from cliply_resources.speech.sentences import sentences_from_pauses, tidy_words
from cliply_resources.speech.sound import Sound, open_sound

__all__ = ["PocketsphinxEngine", "estimated_word_errors"]

FRAME_SECONDS = 0.01
NORMAL_FROM = 0.7
"""Mean word posterior; between the clean talks (0.80 and more) and the same with noise 20 dB below the voice (0.61)."""
LISTENING_SHARE = 0.05
"""Of the whole work; the rest is decoding."""
ACTIVE_STATES = 5000
"""At most this many at a time: halves the time on noise, changes nothing on clean speech."""
WORDS_A_FRAME = 20
_ERRORS_BY_POSTERIOR = ((0.21, 0.68), (0.39, 0.30), (0.44, 0.23), (0.61, 0.12), (0.80, 0.06), (0.85, 0.02))
_VARIANT = re.compile(r"\(\d+\)$")  # "to(3)" is the third way to say "to"


@dataclass(frozen=True)
class PocketsphinxEngine:
    """Speech to text for English, on any machine."""

    name: str = "pocketsphinx"

    def available(self) -> str | None:
        """Only a broken installation lacks it."""
        for module in ("pocketsphinx", "faster_whisper"):
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed (`pip install {module.replace('_', '-')}`)"
        return None

    def transcribe(self, audio: Path, *, language: str | None, progress: Progress) -> Transcript:
        """English words with times to 10 ms and a guess at sentences; `low` quality where many words are doubtful.

        Raises:
            StepFailed: another language is asked for.
            MediaError: `audio` is not 16 kHz mono 16-bit WAV.
        """
        if not is_english(language):
            raise StepFailed(f"it knows English only, and the video is said to be in {language!r}")
        stretches = listen(audio, progress=part_of(progress, 0.0, LISTENING_SHARE))
        with open_sound(audio) as sound:
            decoded = _decode(sound, stretches, part_of(progress, LISTENING_SHARE, 1.0))
            words = tidy_words(decoded)
        progress(1.0, "recognised the speech")
        if not words:
            return no_speech(self.name, _detail())
        certainty = float(np.mean([word.confidence for word in words if word.confidence is not None]))
        return Transcript(
            engine=self.name,
            engine_detail=_detail(),
            language="en",
            quality="normal" if certainty >= NORMAL_FROM else "low",
            word_times="measured",
            segments=sentences_from_pauses(words),
            note=_note(certainty, language),
        )


def estimated_word_errors(mean_posterior: float) -> float:
    """The share of wrong words to expect, 0 to 1, read off the measured pairs above."""
    posteriors, errors = zip(*_ERRORS_BY_POSTERIOR, strict=True)
    return float(np.interp(mean_posterior, posteriors, errors))


def _note(certainty: float, language: str | None) -> str:
    if certainty >= NORMAL_FROM:
        return ""
    doubt = "" if language else ", or the speech is not English"
    return (
        f"About {estimated_word_errors(certainty):.0%} of the words may be wrong: the offline engine is made for clear "
        f"English, and this recording is hard for it{doubt}. Bring a transcript, or install a Whisper model, for "
        "captions without mistakes."
    )


def _decode(sound: Sound, stretches: tuple[Stretch, ...], progress: Progress) -> Iterator[Word]:
    """Words of one stretch after the other; each stretch is an utterance of its own, normalised as a whole."""
    decoder = _new_decoder()
    speech = sum(stretch.span.duration for stretch in stretches)
    done = 0.0
    for stretch in stretches:
        start, end = stretch.span.start, stretch.span.end
        # Progress counts speech: a long pause costs nothing.
        progress(done / speech, f"recognising speech, at {start:.0f} s of {sound.seconds:.0f} s")
        decoder.start_utt()
        decoder.process_raw(sound.read(start, end), full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is not None:
            yield from _words(decoder.seg(), start)
        done += stretch.span.duration
    progress(1.0, f"recognising speech, at {sound.seconds:.0f} s of {sound.seconds:.0f} s")


def _words(found: Iterable[Any], offset: float) -> Iterator[Word]:
    """Words of one utterance that begins at `offset`, without silences, breaths and noises."""
    for segment in found:
        text = _VARIANT.sub("", segment.word)
        if text.startswith(("<", "[", "+")):
            continue
        yield Word(
            text=text,
            start=offset + segment.start_frame * FRAME_SECONDS,
            end=offset + (segment.end_frame + 1) * FRAME_SECONDS,
            confidence=segment.prob,
        )


def _new_decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL", maxhmmpf=ACTIVE_STATES, maxwpf=WORDS_A_FRAME)


@lru_cache(maxsize=1)
def _detail() -> str:
    return f"pocketsphinx {version('pocketsphinx')}, US English, {ACTIVE_STATES} states"
