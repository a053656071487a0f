"""Deepgram's pre-recorded API: accurate text with speakers, for a key and a fee.

The sound is sent as it is, a piece at a time. A repeated request is billed again, so only answers that say when to come
back are repeated, and only briefly.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from cliply_resources.documents import Transcript, Word
from cliply_resources.errors import Rejected, TryLater
from cliply_resources.outbound import CONFIGURED, Reply, fetch
from cliply_resources.progress import Progress
from cliply_resources.settings import Settings
from cliply_resources.speech.contract import no_speech, primary_language
from cliply_resources.speech.sentences import sentences_from_punctuation, tidy_words
from cliply_resources.speech.sound import open_sound

__all__ = ["DEEPGRAM_MODEL", "DeepgramEngine"]

DEEPGRAM_MODEL = "nova-3"
MAX_REPLY_BYTES = 64 * 1024 * 1024
"""Four hours are about 40 000 words of 150 bytes, told twice."""
PROCESSING_SECONDS = 660.0
"""Deepgram gives up after ten minutes."""
SLOWEST_UPLOAD = 250_000
"""Bytes a second; a slower connection should not wait for hours."""
LONGEST_WAIT = 60.0
"""Seconds; a later moment is the next engine's turn."""
MOST_ATTEMPTS = 3


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float
    confidence: float | None = None
    punctuated_word: str | None = None
    speaker: int | None = None


class _Alternative(msgspec.Struct):
    words: list[_Word] = []


class _Channel(msgspec.Struct):
    alternatives: list[_Alternative] = []
    detected_language: str | None = None


class _Results(msgspec.Struct):
    channels: list[_Channel] = []


class _ModelInfo(msgspec.Struct):
    name: str = ""
    version: str = ""


class _Metadata(msgspec.Struct):
    request_id: str = ""
    model_info: dict[str, _ModelInfo] = {}


class _Answer(msgspec.Struct):
    """What is read of the answer; every key is optional there, and unknown ones are passed over."""

    results: _Results
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


@dataclass(frozen=True)
class DeepgramEngine:
    """Speech to text in some thirty languages, with speakers, by somebody else's computers."""

    settings: Settings
    name: str = "deepgram"

    def available(self) -> str | None:
        """Needs a key; whether it is a good one shows when it is used."""
        key = self.settings.deepgram_api_key
        if key is None or not key.get_secret_value().strip():
            return "no key (set CLIPLY_DEEPGRAM_API_KEY)"
        return None

    def transcribe(self, audio: Path, *, language: str | None, progress: Progress) -> Transcript:
        """Deepgram's words with times, certainty and speakers (`Speaker 1`, …), in sentences.

        Raises:
            TryLater: it is busy or cannot be reached.
            Rejected: it refuses the key, the account or the sound, or answers with something else than documented.
            MediaError: `audio` is not 16 kHz mono 16-bit WAV.
        """
        with open_sound(audio) as sound:
            seconds = sound.seconds
        progress(0.0, f"sending {seconds:.0f} s of sound to Deepgram")
        answer = self._ask(audio, primary_language(language)).json(_Answer)
        progress(1.0, "received the transcript")
        if not answer.results.channels:
            raise Rejected("Deepgram answered without a channel, so there is nothing to read.")
        channel = answer.results.channels[0]
        spoken = primary_language(channel.detected_language) or primary_language(language)
        found = channel.alternatives[0].words if channel.alternatives else []
        words = tidy_words(map(_word, found))
        detail = _detail(answer.metadata)
        if not words:
            return no_speech(self.name, detail, language=spoken, quality="high")
        return Transcript(
            engine=self.name,
            engine_detail=detail,
            language=spoken,
            quality="high",
            word_times="measured",
            segments=sentences_from_punctuation(words),
        )

    def _ask(self, audio: Path, language: str | None) -> Reply:
        assert self.settings.deepgram_api_key is not None
        options = {"model": DEEPGRAM_MODEL, "smart_format": "true", "punctuate": "true", "diarize": "true"}
        options |= {"language": language} if language else {"detect_language": "true"}
        send = partial(
            fetch,
            f"{self.settings.deepgram_url.rstrip('/')}/v1/listen?{urlencode(options)}",
            policy=CONFIGURED,
            method="POST",
            headers={
                "authorization": f"Token {self.settings.deepgram_api_key.get_secret_value().strip()}",
                "content-type": "audio/wav",
            },
            body=audio,
            timeout=PROCESSING_SECONDS + audio.stat().st_size / SLOWEST_UPLOAD,
            max_bytes=MAX_REPLY_BYTES,
        )
        for _ in range(MOST_ATTEMPTS - 1):
            try:
                return send()
            except TryLater as busy:
                if busy.retry_after is None or busy.retry_after > LONGEST_WAIT:
                    raise
                time.sleep(busy.retry_after)
        return send()


def _word(found: _Word) -> Word:
    return Word(
        text=found.punctuated_word or found.word,
        start=found.start,
        end=found.end,
        confidence=found.confidence,
        speaker=None if found.speaker is None else f"Speaker {found.speaker + 1}",
    )


def _detail(metadata: _Metadata) -> str:
    used = next(iter(metadata.model_info.values()), _ModelInfo(name=DEEPGRAM_MODEL))
    return f"Deepgram {used.name} {used.version}".rstrip()
