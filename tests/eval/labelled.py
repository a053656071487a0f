"""Talks written for measuring: what is said by whom, what the room does, and which moments deserve a clip.

The files in `transcripts/` are plain text: `# key: value` lines first, then `NAME: sentence` lines, `(laughter 2.5)`, `(applause 3)` or
`(pause 4)` with seconds, and `[[ name` … `]]` around every moment that an editor would cut out. Times come from the words alone, at
one pace throughout, so that nothing but what is said (and what the room does) tells a good moment from a dull one.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from cliply_resources.documents import Segment, Span, Transcript, Word

__all__ = ["FOLDER", "Labelled", "Moment", "bare", "read_all", "read_labelled", "room_table"]

FOLDER = Path(__file__).with_name("transcripts")

_LINE = re.compile(r"^([A-Z]+): (.+)$")
_NOISE = re.compile(r"^\((laughter|applause|pause) ([\d.]+)\)$")
_SENTENCE = re.compile(r"[^.?!]+[.?!]+")
_WORD_SECONDS, _LETTER_SECONDS = 0.10, 0.05  # about 160 words a minute
_AFTER_SENTENCE, _AFTER_SPEAKER = 0.4, 0.8  # s
_SOUNDING = 0.92  # of a word's time; the rest is its transition to the next
_ROWS = 10  # a second


class Moment(msgspec.Struct, frozen=True):
    """A stretch that deserves a clip, from its first word to its last word or the room's answer."""

    name: str
    span: Span
    asks: bool
    """Whether its first sentence is a question that the rest answers."""


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """One talk with its truth."""

    name: str
    genre: str
    profile: str
    held_out: bool
    """Whether nobody looked at its figures while rules were tuned."""
    transcript: Transcript
    duration: float
    sentences: tuple[Span, ...]
    moments: tuple[Moment, ...]
    reactions: tuple[tuple[str, Span], ...]


def read_all(folder: Path = FOLDER) -> tuple[Labelled, ...]:
    """Every talk of the folder, by name."""
    return tuple(read_labelled(path) for path in sorted(folder.glob("*.txt")))


def read_labelled(path: Path) -> Labelled:
    """One talk. Raises ValueError naming the line that cannot be read."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    tape = _Tape()
    for number, line in enumerate(lines, 1):
        if not line.startswith("# ") and line.strip():
            tape.take(line.strip(), f"{path.name}, line {number}")
    return Labelled(
        name=path.stem,
        genre=head["genre"],
        profile=head["profile"],
        held_out=head["held out"] == "yes",
        transcript=Transcript(
            engine="file",
            engine_detail="written for measuring",
            language="en",
            quality="high",
            word_times="measured",
            segments=tuple(tape.segments),
        ),
        duration=round(tape.now + 1.0, 3),
        sentences=tuple(Span(one.start, one.end) for one in tape.segments),
        moments=tuple(tape.moments),
        reactions=tuple(tape.reactions),
    )


class _Tape:
    def __init__(self) -> None:
        self.now = 0.5
        self.segments: list[Segment] = []
        self.moments: list[Moment] = []
        self.reactions: list[tuple[str, Span]] = []
        self._open: tuple[str, int] | None = None
        self._last = ""
        self._until = 0.0

    def take(self, line: str, place: str) -> None:
        if line.startswith("[[ "):
            self._open = (line[3:], len(self.segments))
        elif line == "]]" and self._open is not None:
            name, first = self._open
            opening = self.segments[first]
            self.moments.append(Moment(name, Span(opening.start, self._until), opening.text.endswith("?")))
            self._open = None
        elif noise := _NOISE.match(line):
            self._noise(noise[1], float(noise[2]))
        elif said := _LINE.match(line):
            for sentence in _SENTENCE.findall(said[2]):
                self._say(said[1], sentence.split())
        else:
            raise ValueError(f"{place} is neither speech, nor a noise, nor a mark: {line!r}")

    def _noise(self, kind: str, seconds: float) -> None:
        if kind != "pause":
            self._until = round(self.now - _AFTER_SENTENCE + 0.2 + seconds, 3)
            self.reactions.append((kind, Span(round(self.now - _AFTER_SENTENCE + 0.2, 3), self._until)))
        self.now += seconds

    def _say(self, speaker: str, texts: list[str]) -> None:
        if self._last and speaker != self._last:
            self.now += _AFTER_SPEAKER - _AFTER_SENTENCE
        words = tuple(self._words(speaker, texts))
        self.segments.append(
            Segment(start=words[0].start, end=words[-1].end, text=" ".join(texts), words=words, speaker=speaker)
        )
        self._last, self._until = speaker, words[-1].end
        self.now += _AFTER_SENTENCE

    def _words(self, speaker: str, texts: list[str]) -> Iterator[Word]:
        for text in texts:
            length = _WORD_SECONDS + _LETTER_SECONDS * len(text)
            end = round(self.now + _SOUNDING * length, 3)
            yield Word(text=text, start=round(self.now, 3), end=end, speaker=speaker)
            self.now += length


def bare(transcript: Transcript) -> Transcript:
    """What a plain recogniser would have heard: the words at their times, without capitals, punctuation or speakers."""

    def plain(word: Word) -> Word:
        return Word(text=word.text.lower().strip(".,?!"), start=word.start, end=word.end)

    segments = []
    for segment in transcript.segments:
        words = tuple(plain(word) for word in segment.words)
        segments.append(
            Segment(start=segment.start, end=segment.end, text=" ".join(w.text for w in words), words=words)
        )
    return msgspec.structs.replace(transcript, segments=tuple(segments))


def room_table(talk: Labelled) -> pl.DataFrame:
    """What listening would have measured: an even voice where somebody speaks, and the room's laughter and applause."""
    rows = int(talk.duration * _ROWS)
    times = np.arange(rows) / _ROWS
    spoken, room = np.zeros(rows, bool), {kind: np.zeros(rows, np.float32) for kind in ("laughter", "applause")}
    for span in talk.sentences:
        spoken |= (times >= span.start) & (times < span.end)
    for kind, span in talk.reactions:
        room[kind][(times >= span.start) & (times < span.end)] = 0.9
    noisy = (room["laughter"] + room["applause"]) > 0
    level = np.where(spoken, -22.0, np.where(noisy, -20.0, -55.0))
    return pl.DataFrame(
        {
            "time": times,
            "rms_db": level.astype(np.float32),
            "speech": spoken.astype(np.float32),
            "pitch_hz": np.zeros(rows, np.float32),
            "syllable_rate": np.where(spoken, 4.0, 0.0).astype(np.float32),
            "onset": np.zeros(rows, np.float32),
            **room,
            "silence": ~(spoken | noisy),
            "beat": np.zeros(rows, bool),
        }
    )
