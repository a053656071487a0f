"""A transcript as sentences, whether or not its engine wrote punctuation, and the gaps in which a clip may begin or end."""

import re
from functools import cached_property

import msgspec

from cliply_resources.documents import Transcript, Word

__all__ = ["Sentence", "clean_words", "split_sentences", "tokens_of"]

_ENDS = re.compile(r"[.!?…。！？؟।]+[\"'”’»)\]]*$")
_ABBREVIATION = re.compile(r"^(?:[a-z]|mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|no|inc|jr|sr|approx)\.$", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;:—–]$")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")

_BREATH = 0.45  # s; in running speech a longer pause ends a sentence more often than not
_LONG_PAUSE = 1.2  # s; whatever the punctuation says, nobody is still in the same sentence
_SEGMENT_PAUSE = 0.3  # s; with an engine's own break beside it, this much is enough
_LONGEST_SECONDS = 18.0
_LONGEST_WORDS = 45
_LONGEST_WORD = 8.0  # s; longer is an engine that lost its place, and its end is not believed
_SHORTEST_WORD = 0.02  # s
_PUNCTUATED = 1 / 40  # sentence ends a word, below which the engine did not punctuate


class Sentence(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A sentence, or what of it fits between two breaths."""

    index: int
    start: float
    end: float
    words: tuple[Word, ...]
    speaker: str | None
    closed: bool
    """Whether it comes to an end; false where a run of words was only cut to size."""

    @cached_property
    def text(self) -> str:
        """Its words, joined by spaces."""
        return " ".join(word.text for word in self.words)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Lower-case words without punctuation."""
        return tokens_of(self.text)

    @property
    def duration(self) -> float:
        """Seconds from its first word to its last."""
        return self.end - self.start


def tokens_of(text: str) -> tuple[str, ...]:
    """Lower-case words without punctuation, contractions whole."""
    return tuple(_TOKEN.findall(text.lower().replace("’", "'")))


def clean_words(transcript: Transcript, duration: float) -> tuple[list[Word], set[int]]:
    """The words inside the film in order of time, and the positions of those that end a segment of the engine."""
    kept: list[tuple[Word, bool]] = []
    for segment in transcript.segments:
        for place, word in enumerate(segment.words):
            start = max(0.0, word.start)
            end = min(duration, max(word.end, start + _SHORTEST_WORD), start + _LONGEST_WORD)
            if word.text.strip() and start < end:
                plain = msgspec.structs.replace(
                    word, text=word.text.strip(), start=start, end=end, speaker=word.speaker or segment.speaker
                )
                kept.append((plain, place == len(segment.words) - 1))
    kept.sort(key=lambda pair: (pair[0].start, pair[0].end))
    return [word for word, _ in kept], {place for place, (_, last) in enumerate(kept) if last}


def split_sentences(transcript: Transcript, duration: float) -> tuple[Sentence, ...]:
    """Sentences in order; by punctuation where there is any, by pauses otherwise, and never across speakers."""
    words, segment_ends = clean_words(transcript, duration)
    if not words:
        return ()
    punctuated = sum(bool(_ENDS.search(word.text)) for word in words) >= _PUNCTUATED * len(words)
    pieces: list[tuple[list[Word], bool]] = []
    run: list[Word] = []
    for place, word in enumerate(words):
        run.append(word)
        following = words[place + 1] if place + 1 < len(words) else None
        if _breaks(word, following, place in segment_ends, punctuated):
            pieces += _cut_to_size(run)
            run = []
    return tuple(
        Sentence(
            index=index,
            start=piece[0].start,
            end=max(word.end for word in piece),
            words=tuple(piece),
            speaker=piece[0].speaker,
            closed=closed,
        )
        for index, (piece, closed) in enumerate(pieces)
    )


def _breaks(word: Word, following: Word | None, segment_ends: bool, punctuated: bool) -> bool:
    if following is None:
        return True
    pause = following.start - word.end
    if pause >= _LONG_PAUSE or (word.speaker and following.speaker and word.speaker != following.speaker):
        return True
    if punctuated:
        return ends_sentence(word.text) or (segment_ends and pause >= _BREATH)
    return pause >= _BREATH or (segment_ends and pause >= _SEGMENT_PAUSE)


def ends_sentence(text: str) -> bool:
    """Whether this word's punctuation ends a sentence ("Dr." does not)."""
    return bool(_ENDS.search(text)) and not _ABBREVIATION.match(text)


def _cut_to_size(run: list[Word], closed: bool = True) -> list[tuple[list[Word], bool]]:
    """Halves a run that is too long at its best place, until every piece is short enough."""
    if len(run) < 8 or (run[-1].end - run[0].start <= _LONGEST_SECONDS and len(run) <= _LONGEST_WORDS):
        return [(run, closed)]
    middle = len(run) / 2
    inner = range(3, len(run) - 3)
    best = max(inner, key=lambda place: _cut_quality(run, place) - 0.6 * abs(place - middle) / middle)
    # A cut at a comma leaves a thought that stands; any other leaves a torn one.
    torn = not _CLAUSE.search(run[best - 1].text) and run[best].start - run[best - 1].end < _SEGMENT_PAUSE
    return _cut_to_size(run[:best], not torn) + _cut_to_size(run[best:], closed)


def _cut_quality(run: list[Word], place: int) -> float:
    pause = max(0.0, run[place].start - run[place - 1].end)
    return min(pause / 0.3, 1.5) + (0.8 if _CLAUSE.search(run[place - 1].text) else 0.0)
