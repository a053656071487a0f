"""Reads subtitle files into cues: SubRip, WebVTT with its word times and voices, and ASS through pysubs2. Pure.

What is not speech goes: markup, sound descriptions in brackets, music signs, the dash or `>>` before a new voice. A
name before the text ("ANNA: Hello") becomes the speaker.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pysubs2

from cliply_resources.errors import CallerError

__all__ = ["Cue", "CueWord", "clean_text", "parse_ass", "parse_cues", "parse_time"]

MAX_CUES = 50_000
"""Three a second for four hours, and more than any subtitle file has."""
MAX_CUE_CHARACTERS = 2000
"""A screen holds 80; a karaoke cue with a time before every letter may reach 1500."""
MAX_SECONDS = 24 * 3600.0

_ARROW = re.compile(r"^\s*(\S+)\s+-->\s+(\S+)(?:\s+.*)?$")
_TIME = re.compile(r"^(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?$")
_WORD_TIME = re.compile(r"<((?:\d{1,4}:)?\d{1,2}:\d{1,2}[.,]\d{1,9})>")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_SOUND = re.compile(r"\[[^\[\]]*\]|[♪♫♬♩]+|^\s*\([^()]*\)\s*$")
_NEW_VOICE = re.compile(r"^\s*(?:>>+|[-–—](?=\s*[^\s\d]))\s*")
# Where the rest is in capitals too, "SO I SAID:" is speech.
_NAME = re.compile(r"^([A-Z][A-Z .'’-]{1,30}):\s+(?=.*[a-z])")
_VTT_BLOCK = re.compile(r"^(NOTE|STYLE|REGION)(\s|$)")

# Marks that turn the direction of writing or hide it; Unicode's own advice is to drop them outside of editors.
_HIDDEN = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0xFEFF, 0x00AD)))


@dataclass(frozen=True)
class CueWord:
    """A word of a cue, with the moment it begins where the file says so."""

    text: str
    start: float | None = None


@dataclass(frozen=True)
class Cue:
    """What one cue says: lines of words, and the voice where the file names it."""

    start: float
    end: float
    lines: tuple[tuple[CueWord, ...], ...]
    speaker: str | None = None

    @property
    def words(self) -> tuple[CueWord, ...]:
        """Its words in reading order."""
        return tuple(word for line in self.lines for word in line)


def clean_text(text: str) -> str:
    """Without control characters and invisible marks of direction; any white space becomes a space."""
    kept = (
        " " if unicodedata.category(c) in {"Cc", "Zs", "Zl", "Zp"} else c
        for c in text
        if c not in _HIDDEN and unicodedata.category(c) not in {"Cs", "Co"}
    )
    return " ".join("".join(kept).split())


def parse_time(text: str) -> float | None:
    """Seconds of `01:02:03,456`, `02:03.4` and the like; `None` for anything else."""
    match = _TIME.match(text.strip())
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    if int(minutes) > 59 or int(seconds) > 59:
        return None
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + (float(f"0.{fraction}") if fraction else 0.0)


def parse_cues(text: str, *, name: str) -> tuple[Cue, ...]:
    """The cues of SubRip or WebVTT text, in the order of the file, without those that say nothing.

    Raises:
        CallerError: a time cannot be read, a cue ends before it begins, or there is too much; the line is named.
    """
    cues: list[Cue] = []
    for number, start, end, lines in _blocks(text, name):
        cue = _cue(start, end, lines)
        if len(cues) >= MAX_CUES:
            raise CallerError(f"{name} has more than {MAX_CUES} cues (line {number}); no film is that long.")
        if cue is not None:
            cues.append(cue)
    return tuple(cues)


def parse_ass(text: str, *, name: str) -> tuple[Cue, ...]:
    """The dialogue of an ASS or SSA file, without its drawings and comments.

    Raises:
        CallerError: it is not such a file, or there is too much in it.
    """
    try:
        events = pysubs2.SSAFile.from_string(text).events
    except (pysubs2.exceptions.Pysubs2Error, ValueError, KeyError, IndexError) as error:
        raise CallerError(f"{name} cannot be read as ASS subtitles ({error}); export it as SRT instead.") from error
    if len(events) > MAX_CUES:
        raise CallerError(f"{name} has {len(events)} cues; at most {MAX_CUES} are read.")
    cues = []
    for event in events:
        if event.is_comment or event.is_drawing or event.end <= event.start or event.start < 0:
            continue
        cue = _cue(event.start / 1000, event.end / 1000, event.plaintext.split("\n"))
        if cue is not None:
            cues.append(cue)
    return tuple(cues)


def _blocks(text: str, name: str) -> Iterator[tuple[int, float, float, list[str]]]:
    """Line number, times and text lines of each cue; headers, notes, styles and cue names are passed over."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if lines[at].startswith(("NOTE", "STYLE", "REGION")) and _begins_block(lines, at):
            at = _next_blank(lines, at)
            continue
        if "-->" not in lines[at]:
            at += 1
            continue
        match = _ARROW.match(lines[at])
        if match is None:
            raise CallerError(_bad_time(name, at + 1, lines[at]))
        start, end = parse_time(match.group(1)), parse_time(match.group(2))
        if start is None or end is None:
            raise CallerError(_bad_time(name, at + 1, lines[at]))
        if end < start or end > MAX_SECONDS:
            raise CallerError(f"{name}, line {at + 1}: the cue {lines[at].strip()[:80]!r} {_why_not(start, end)}.")
        last = _cue_end(lines, at + 1)
        said = [line for line in lines[at + 1 : last] if line and not line.isspace()]
        if sum(map(len, said)) > MAX_CUE_CHARACTERS:
            raise CallerError(
                f"{name}, line {at + 1}: one cue holds more than {MAX_CUE_CHARACTERS} characters; divide it."
            )
        yield at + 1, start, end, said
        at = last


def _begins_block(lines: Sequence[str], at: int) -> bool:
    return bool(_VTT_BLOCK.match(lines[at])) and (at == 0 or not lines[at - 1].strip())


def _next_blank(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and lines[at].strip():
        at += 1
    return at


def _cue_end(lines: Sequence[str], first: int) -> int:
    """The line after a cue's text: a blank one followed by the next cue, its number or the end.

    Blank lines inside a cue are a common fault of editors; a cue that lost its blank line is another.
    """
    at = first
    while at < len(lines):
        if _ARROW.match(lines[at]):
            # The line before may be the next cue's number, which is not speech.
            return at - 1 if at > first and lines[at - 1].strip().isdigit() else at
        if lines[at].strip():
            at += 1
            continue
        following = _next_text(lines, at)
        if _starts_anew(lines[following : following + 2]):
            return at
        at = following
    return at


def _next_text(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at


def _starts_anew(following: Sequence[str]) -> bool:
    return not following or bool(_VTT_BLOCK.match(following[0])) or any(map(_ARROW.match, following))


def _bad_time(name: str, number: int, line: str) -> str:
    return (
        f"{name}, line {number}: {line.strip()[:80]!r} is not a time; cues begin with a line such as "
        "'00:01:02,500 --> 00:01:04,000'."
    )


def _why_not(start: float, end: float) -> str:
    return "ends before it begins" if end < start else f"lies beyond {MAX_SECONDS / 3600:.0f} hours"


def _cue(start: float, end: float, lines: Sequence[str]) -> Cue | None:
    """The cue, or `None` where nothing is said in it."""
    speaker: str | None = None
    kept: list[tuple[CueWord, ...]] = []
    for raw in lines:
        line = _OVERRIDE.sub("", raw)
        voice = _VOICE.search(line)
        if voice is not None:
            speaker = clean_text(html.unescape(voice.group(1))) or speaker
        line = _NEW_VOICE.sub("", _SOUND.sub(" ", line))
        named = _NAME.match(_TAG.sub("", _WORD_TIME.sub("", line)).lstrip())
        words = tuple(_words(line, start, end))
        if named is not None:
            speaker = clean_text(named.group(1)).title()
            words = words[len(named.group(1).split()) :]
        if words:
            kept.append(words)
    return Cue(start=start, end=end, lines=tuple(kept), speaker=speaker) if kept else None


def _words(line: str, start: float, end: float) -> list[CueWord]:
    """Words of a line; one right after a `<00:00:01.000>` begins then, if that lies inside the cue."""
    parts = _WORD_TIME.split(line)
    moments = [None, *(parse_time(text) for text in parts[1::2])]
    words: list[CueWord] = []
    is_open = False
    for moment, part in zip(moments, parts[0::2], strict=True):
        text = html.unescape(_TAG.sub("", part))
        texts = clean_text(text).split()
        if is_open and texts and not text[:1].isspace():
            # Karaoke gives a time to every syllable; the word keeps the first.
            words[-1] = CueWord(words[-1].text + texts.pop(0), words[-1].start)
        inside = moment if moment is not None and start <= moment <= end else None
        words += [CueWord(text, inside if index == 0 else None) for index, text in enumerate(texts)]
        if text:
            is_open = bool(words) and not text[-1].isspace()
    return words
