"""Transcripts from subtitle files, and subtitle files from transcripts. Pure.

Reads SubRip, WebVTT, ASS and Cliply's own JSON; writes SubRip and WebVTT.
"""

import html
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from cliply_assets.transcript.cues import Cue, CueWord, clean_text, parse_ass, parse_cues
from cliply_assets.transcript.layout import SubtitleCue, lay_out
from cliply_assets.transcript.repair import repair_cues
from cliply_resources.documents import Segment, Span, Transcript, Word
from cliply_resources.errors import CallerError
from cliply_resources.speech.sentences import (
    ends_sentence,
    estimate_words,
    segment_of,
    sentences_from_pauses,
    sentences_from_punctuation,
    tidy_words,
)

__all__ = ["read_transcript", "to_srt", "to_vtt"]

MAX_CHARACTERS = 16 * 1024 * 1024
"""Cliply's own JSON of four hours with a time for every word has 6 MB."""
MAX_WORDS = 200_000
"""Fourteen a second for four hours; nobody talks like that."""
MAX_SECONDS = 24 * 3600.0
SLOWEST_SPEECH = 0.12
"""Seconds a character; a cue that stays longer than its words take is read, not listened to."""
WORDS_A_SENTENCE = 40
"""Text with fewer sentence ends than one in so many words is taken as unpunctuated."""


def read_transcript(text: str, *, name: str) -> Transcript:
    """The transcript in a file's text, cleaned and put into order; `name` is what the user calls it.

    Word times come from the file where it has them for every line, else they are estimated from the length of the
    words (`word_times` says which). The engine is `file`; a caller that got the text elsewhere replaces it.

    Raises:
        CallerError: it is none of the formats, damaged, too large or says nothing; the place is named.
    """
    if len(text) > MAX_CHARACTERS:
        raise CallerError(f"{name} has {len(text)} characters; at most {MAX_CHARACTERS} are read.")
    if "\0" in text:
        raise CallerError(f"{name} contains a NUL at character {text.index(chr(0)) + 1}, so it is not a text file.")
    text = text.removeprefix("\ufeff")
    start = text.lstrip()
    if start.startswith("{") and not start.startswith("{\\"):
        return _from_json(text, name)
    if start.startswith("[Script Info]"):
        return _from_cues(parse_ass(text, name=name), name, "ASS")
    kind = "WebVTT" if start.startswith("WEBVTT") else "SubRip"
    return _from_cues(parse_cues(text, name=name), name, kind)


def to_srt(transcript: Transcript, *, span: Span | None = None, max_line: int = 42) -> str:
    """SubRip of the words inside `span`, with times from its start; at most two lines of `max_line` characters.

    Empty where nothing is said there.
    """
    blocks = (
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n" + "\n".join(map(_srt_line, cue.lines)) + "\n"
        for number, cue in enumerate(lay_out(transcript.segments, span=span, max_line=max_line), 1)
    )
    return "\n".join(blocks)


def to_vtt(transcript: Transcript, *, span: Span | None = None, max_line: int = 42) -> str:
    """WebVTT of the words inside `span`, with voices where speakers are known; otherwise like `to_srt`."""
    blocks = (
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_vtt_text(cue)}\n"
        for cue in lay_out(transcript.segments, span=span, max_line=max_line)
    )
    return "\n".join(["WEBVTT\n", *blocks])


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def _srt_line(line: str) -> str:
    return line.replace("-->", "→")


def _vtt_text(cue: SubtitleCue) -> str:
    text = "\n".join(html.escape(line, quote=False) for line in cue.lines)
    if cue.speaker is None:
        return text
    return f"<v {html.escape(clean_text(cue.speaker), quote=False)}>{text}"


def _from_cues(cues: Sequence[Cue], name: str, kind: str) -> Transcript:
    repaired = repair_cues(cues)
    count = sum(len(cue.words) for cue in repaired)
    if not count:
        raise CallerError(
            f"{name} holds no subtitles: expected SRT, WebVTT, ASS or Cliply's JSON with at least one line of speech."
        )
    if count > MAX_WORDS:
        raise CallerError(f"{name} holds {count} words; at most {MAX_WORDS} are read.")
    is_timed = any(word.start is not None for cue in repaired for word in cue.words)
    is_measured = is_timed and all(_has_times(cue) for cue in repaired)
    words = [tidy for cue in repaired for tidy in _timed_words(cue)]
    segments = _segments(repaired, tidy_words(words), is_measured=is_measured)
    return Transcript(
        engine="file",
        engine_detail=f"{kind}, {len(repaired)} cues",
        language=None,
        quality="high",
        word_times="measured" if is_measured else "estimated",
        segments=segments,
    )


def _has_times(cue: Cue) -> bool:
    """Whether the file times the words of this cue; its first one begins with the cue."""
    return len(cue.words) == 1 or any(word.start is not None for word in cue.words)


def _timed_words(cue: Cue) -> Iterator[Word]:
    """The cue's words at the file's times, and estimated between those."""
    run: list[CueWord] = []
    since = cue.start
    for word in cue.words:
        if word.start is not None and word.start >= since and run:
            yield from _estimated(run, since, word.start, cue.speaker)
            run = []
        if word.start is not None and not run:
            since = max(since, word.start)
        run.append(word)
    yield from _estimated(run, since, max(cue.end, since), cue.speaker)


def _estimated(run: Sequence[CueWord], start: float, end: float, speaker: str | None) -> Iterator[Word]:
    return iter(estimate_words([word.text for word in run], start, end, slowest=SLOWEST_SPEECH, speaker=speaker))


def _segments(cues: Sequence[Cue], words: Sequence[Word], *, is_measured: bool) -> tuple[Segment, ...]:
    """Sentences where there is punctuation to go by; else by pauses, or as the file has its cues."""
    ends = sum(ends_sentence(word.text) for word in words)
    if ends * WORDS_A_SENTENCE >= len(words):
        return sentences_from_punctuation(words)
    if is_measured:
        return sentences_from_pauses(words)
    segments = []
    at = 0
    for cue in cues:
        segments.append(segment_of(words[at : at + len(cue.words)]))
        at += len(cue.words)
    return tuple(segments)


def _from_json(text: str, name: str) -> Transcript:
    try:
        given = msgspec.json.decode(text, type=Transcript)
    except msgspec.ValidationError as error:
        raise CallerError(f"{name} is not a transcript of Cliply: {error}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise CallerError(f"{name} is not valid JSON: {error}.") from error
    count = sum(len(segment.words) for segment in given.segments)
    if count > MAX_WORDS:
        raise CallerError(f"{name} holds {count} words; at most {MAX_WORDS} are read.")
    segments = tuple(_checked(segment, f"{name}, segment {number}") for number, segment in enumerate(given.segments, 1))
    for number, (before, after) in enumerate(pairwise(segments), 2):
        if after.start < before.end:
            raise CallerError(
                f"{name}, segment {number} begins at {after.start:g} s, before segment {number - 1} ends at {before.end:g} s."
            )
    return msgspec.structs.replace(
        given,
        engine="file",
        engine_detail=f"JSON, made by {clean_text(given.engine)} ({clean_text(given.engine_detail)})",
        note="",
        segments=segments,
    )


def _checked(segment: Segment, place: str) -> Segment:
    """The segment with clean text, its bounds and text those of its words."""
    if not segment.words:
        raise CallerError(f"{place} has no words; give each segment the words of its text.")
    cleaned = []
    latest = 0.0
    for number, word in enumerate(segment.words, 1):
        text = clean_text(word.text)
        if not text:
            raise CallerError(f"{place}, word {number} is empty; leave it out.")
        if not (
            math.isfinite(word.start) and math.isfinite(word.end) and latest <= word.start < word.end <= MAX_SECONDS
        ):
            raise CallerError(
                f"{place}, word {number} ({text[:40]!r}) runs from {word.start:g} to {word.end:g} s; words must follow each "
                f"other, end after they begin, and lie within {MAX_SECONDS / 3600:.0f} hours."
            )
        latest = word.end
        speaker = clean_text(word.speaker) or None if word.speaker else None
        cleaned.append(msgspec.structs.replace(word, text=text, speaker=speaker))
    whole = segment_of(cleaned)
    named = clean_text(segment.speaker) or None if segment.speaker else None
    return msgspec.structs.replace(whole, speaker=named or whole.speaker)
