"""A transcript from bare text: whole sentences at the times an ordinary talker would have said them. Pure."""

import re
from collections.abc import Iterator

from cliply_assets.transcript.cues import clean_text
from cliply_resources.documents import Segment, Transcript, Word
from cliply_resources.errors import CallerError
from cliply_resources.speech.sentences import ends_sentence, segment_of

__all__ = ["WORDS_A_MINUTE", "read_plain_text"]

WORDS_A_MINUTE = 150.0
"""How fast people talk to an audience; times follow from the word count alone."""

_MOST_WORDS = 200_000
_LETTERS_A_WORD = 5.2  # English, with the space; longer words take longer
_PAUSE = 0.35  # s after a sentence
_SPEAKER_PAUSE = 0.7  # s; also after a paragraph
_NAME = re.compile(r"^([A-Z][\w .'’-]{0,30}):(?:\s+|$)")


def read_plain_text(text: str, *, name: str) -> Transcript:
    """The text as speech from 0 s on, about 150 words a minute with pauses; "NAME: ..." at the start of a line is a speaker.

    Raises:
        CallerError: there are no words, or too many.
    """
    segments: list[Segment] = []
    now, speaker, count = 0.0, None, 0
    for line in text.splitlines():
        line_text = clean_text(line)
        named = _NAME.match(line_text)
        if named:
            speaker, line_text = named[1].strip(), line_text[named.end() :]
        for words in _sentences(line_text.split()):
            count += len(words)
            if count > _MOST_WORDS:
                raise CallerError(f"{name} holds more than {_MOST_WORDS} words; give a shorter text.")
            timed = tuple(_timed(words, now, speaker))
            segments.append(segment_of(timed))
            now = timed[-1].end + _PAUSE
        now += _SPEAKER_PAUSE - _PAUSE if line_text else 0.0
    if not segments:
        raise CallerError(f"{name} holds no words; give a transcript as Cliply's JSON, SRT, WebVTT or plain text.")
    return Transcript(
        engine="file",
        engine_detail=f"plain text, {count} words",
        language=None,
        quality="high",
        word_times="estimated",
        segments=tuple(segments),
        note=f"The file has no times; they are estimated at {WORDS_A_MINUTE:g} words a minute.",
    )


def _sentences(words: list[str]) -> Iterator[list[str]]:
    first = 0
    for place, word in enumerate(words, 1):
        if ends_sentence(word) or place == len(words):
            yield words[first:place]
            first = place


def _timed(words: list[str], start: float, speaker: str | None) -> Iterator[Word]:
    # The pause belongs to the word count's pace, so speech itself is a little faster.
    letter = 60.0 / WORDS_A_MINUTE / _LETTERS_A_WORD * 0.92
    now = start
    for word in words:
        end = now + letter * (len(word) + 1)
        yield Word(text=word, start=round(now, 3), end=round(end, 3), speaker=speaker)
        now = end
