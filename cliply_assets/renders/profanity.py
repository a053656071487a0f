"""Swear words are shown by their first letter; who asked for it gets the same in captions and subtitle files."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from cliply_resources.documents import Transcript, Word

__all__ = ["LANGUAGES", "mask_text", "mask_transcript", "mask_words"]

LANGUAGES = ("en", "de", "es", "fr")
"""Whose swear words are known."""

_FILE = Path(__file__).with_name("profanity.json")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_KNOWN_ENDINGS = ("", "s", "es", "ed", "er", "ers", "ing", "in", "y", "ty", "ting")


class _Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    whole: dict[str, tuple[str, ...]]
    """By language: words that are masked as they stand and with an English ending."""
    anywhere: tuple[str, ...]
    """Roots that are masked wherever a word contains them."""


@lru_cache(maxsize=1)
def _lists() -> _Lists:
    return msgspec.json.decode(_FILE.read_bytes(), type=_Lists)


@lru_cache(maxsize=1)
def _whole() -> frozenset[str]:
    return frozenset(
        root + ending
        for language, roots in _lists().whole.items()
        for root in roots
        for ending in (_KNOWN_ENDINGS if language == "en" else ("",))
    )


def mask_text(text: str) -> str:
    """The text with every swear word as its first letter and as many asterisks as it has more; its length stays."""

    def masked(found: re.Match[str]) -> str:
        word = found.group()
        plain = word.casefold().replace("’", "'")
        if plain in _whole() or any(root in plain for root in _lists().anywhere):
            return word[0] + "*" * (len(word) - 1)
        return word

    return _WORD.sub(masked, text)


def mask_words(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words, those that swear masked; times stay."""
    return tuple(msgspec.structs.replace(word, text=mask_text(word.text)) for word in words)


def mask_transcript(transcript: Transcript) -> Transcript:
    """The transcript as captions and subtitle files are to have it; it says so where anything was masked."""
    segments = tuple(
        msgspec.structs.replace(one, text=mask_text(one.text), words=mask_words(one.words))
        for one in transcript.segments
    )
    if segments == transcript.segments:
        return transcript
    detail = f"{transcript.engine_detail} (swear words masked)".strip()
    return msgspec.structs.replace(transcript, segments=segments, engine_detail=detail)
