"""Which source of a transcript is believed first. Pure.

1. The transcript that the user brought: it is what they want to read.
2. Captions that a person made for the site, and text subtitles inside the file.
3. A speech engine of high or normal quality.
4. Captions that the site made by itself, where only the offline engine is left.
5. The offline engine.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from cliply_resources.documents import Origin, SubtitleStream, Transcript
from cliply_resources.speech.sentences import segment_of

__all__ = ["OFFLINE_ENGINE", "TEXT_SUBTITLES", "Source", "cut_to", "is_whole", "plan_sources"]

OFFLINE_ENGINE = "pocketsphinx"

TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
"""Codecs that ffmpeg turns into SubRip; the others are pictures of text."""

_CODES = {
    "eng": "en", "ger": "de", "deu": "de", "fre": "fr", "fra": "fr", "spa": "es", "ita": "it", "por": "pt",
    "dut": "nl", "nld": "nl", "rus": "ru", "jpn": "ja", "chi": "zh", "zho": "zh", "kor": "ko", "ara": "ar",
    "hin": "hi", "pol": "pl", "tur": "tr", "swe": "sv", "dan": "da", "nor": "no", "fin": "fi", "ces": "cs",
    "cze": "cs", "ukr": "uk", "heb": "he", "gre": "el", "ell": "el",
}  # fmt: skip
FEWEST_WORDS_A_MINUTE = 12
"""Slow talks have 90; a track for foreign lines only ("forced") has a handful."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One place a transcript can come from."""

    kind: Literal["file", "site-captions", "embedded-subtitles", "engine"]
    stream: int | None = None
    """Index of the subtitle stream, for `embedded-subtitles`."""
    language: str | None = None
    is_automatic: bool = False
    """Made by a machine of the site."""


def plan_sources(
    *,
    brought: bool,
    origin: Origin | None,
    subtitles: Sequence[SubtitleStream],
    language: str | None,
    engine: str | None,
) -> tuple[Source, ...]:
    """The sources there are, the best first; each is tried when those before it turn out to be unusable.

    `language` is what the user says is spoken, `engine` the first speech engine that can be used. Sources in another
    language than the user's are left out: they are translations. A brought transcript is the only one: where it is
    faulty, its owner should hear so.
    """
    if brought:
        return (Source(kind="file", language=language),)
    captions = _captions(origin, language)
    by_hand = [source for source in captions if not source.is_automatic]
    by_machine = [source for source in captions if source.is_automatic]
    embedded = _embedded(subtitles, language)
    engines = [Source(kind="engine", language=language)] if engine is not None else []
    if engine in {None, OFFLINE_ENGINE}:
        return (*by_hand, *embedded, *by_machine, *engines)
    # Should every good engine fail on the spot, the chain still ends with the offline one.
    return (*by_hand, *embedded, *engines, *by_machine)


def is_whole(transcript: Transcript, duration: float) -> bool:
    """Whether it can be the text of all `duration` seconds, and not only of signs and foreign lines."""
    return len(transcript.words) >= FEWEST_WORDS_A_MINUTE * duration / 60


def cut_to(transcript: Transcript, duration: float) -> Transcript:
    """The transcript without what lies beyond the end of the film, as subtitles of a longer cut do."""
    segments = []
    for segment in transcript.segments:
        words = [
            msgspec.structs.replace(word, end=min(word.end, duration))
            for word in segment.words
            if word.start < duration
        ]
        if words:
            kept = segment_of(words)
            segments.append(msgspec.structs.replace(kept, speaker=segment.speaker or kept.speaker))
    return msgspec.structs.replace(transcript, segments=tuple(segments))


def _captions(origin: Origin | None, language: str | None) -> list[Source]:
    if origin is None or not origin.captions or not _agree(origin.captions_language, language):
        return []
    return [
        Source(
            kind="site-captions",
            language=_code(origin.captions_language),
            is_automatic=origin.captions_automatic,
        )
    ]


def _embedded(subtitles: Sequence[SubtitleStream], language: str | None) -> list[Source]:
    """Text tracks, those in the user's language before those that do not say; else in the order of the file."""
    usable = [stream for stream in subtitles if stream.codec in TEXT_SUBTITLES and _agree(stream.language, language)]
    usable.sort(key=lambda stream: _code(stream.language) is None)
    return [
        Source(kind="embedded-subtitles", stream=stream.index, language=_code(stream.language)) for stream in usable
    ]


def _agree(found: str | None, wanted: str | None) -> bool:
    return _code(found) is None or _code(wanted) is None or _code(found) == _code(wanted)


def _code(tag: str | None) -> str | None:
    """ISO 639-1 of `en-US`, `eng` and the like; `None` where nothing is said."""
    primary = (tag or "").lower().replace("_", "-").split("-")[0]
    return None if primary in {"", "und", "mul", "zxx", "mis"} else _CODES.get(primary, primary)
