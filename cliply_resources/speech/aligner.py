"""Finds when each word of a known English text is said: forced alignment with pocketsphinx's acoustic model.

Word starts come out within 10 ms (half of them) and 40 ms (95 %) on clean speech, at 1 to 2 % of real time. Text that
was not said there is noticed: its sounds score at -4.5 a frame and below, where right text scores -0.8 to -1.9 (clean
to an old recording); such segments keep the times they came with.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cliply_resources.documents import Segment, Span, Transcript, Word
from cliply_resources.progress import Progress, silent
from cliply_resources.speech.contract import is_english
from cliply_resources.speech.pronunciation import guess_sounds, spoken_tokens
from cliply_resources.speech.sentences import segment_of, tidy_words
from cliply_resources.speech.sound import Sound, open_sound

__all__ = ["MEASURED_FROM", "Alignment", "align", "align_transcript", "align_words"]

FRAME_SECONDS = 0.01
WORST_SCORE = -3.0
"""Mean log score of a word's frames; between right text (-1.9 and better) and wrong text (-4.5 and worse)."""
MARGIN = 0.5
"""Seconds heard before and after, because brought times are coarse."""
GROUP_GAP = 1.0
"""Seconds; segments closer than this are aligned together, so that a word on the wrong side of a cue is found."""
GROUP_SECONDS = 30.0
MEASURED_FROM = 0.8
"""Share of words found from which a transcript's word times are called measured."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Segments with the same words at measured times, as far as they were found."""

    segments: tuple[Segment, ...]
    found: int
    """Words whose time was measured."""
    words: int


@dataclass(frozen=True)
class _Timed:
    start: float
    end: float
    score: float
    """Sum of log scores of the frames."""


def align_words(audio: Path, segments: Sequence[Segment], *, progress: Progress = silent) -> tuple[Segment, ...]:
    """The same segments with measured word times; a segment that is not found in the sound keeps its times.

    `audio` is 16 kHz mono 16-bit WAV, the text English. Raises MediaError where `audio` is something else.
    """
    return align(audio, segments, progress=progress).segments


def align_transcript(audio: Path, transcript: Transcript, *, progress: Progress = silent) -> Transcript:
    """The transcript with measured word times, where its language is English and most of it is found in the sound.

    One that has measured times already, is empty or in another language comes back as it is.
    """
    if transcript.word_times == "measured" or not transcript.segments or not is_english(transcript.language):
        return transcript
    aligned = align(audio, transcript.segments, progress=progress)
    share = aligned.found / aligned.words
    note = transcript.note
    if share < MEASURED_FROM:
        lacking = f"Only {share:.0%} of the words were found in the sound; the times of the others are estimates."
        note = f"{note} {lacking}".strip()
    return msgspec.structs.replace(
        transcript,
        segments=aligned.segments,
        word_times="measured" if share >= MEASURED_FROM else "estimated",
        note=note,
    )


def align(audio: Path, segments: Sequence[Segment], *, progress: Progress = silent) -> Alignment:
    """Like `align_words`, and says how many words were found."""
    with open_sound(audio) as sound:
        aligner = _Aligner(sound)
        timed: list[tuple[Word, ...] | None] = []
        groups = _grouped(segments)
        for index, group in enumerate(groups):
            progress(index / len(groups), f"timing words, at {group[0].start:.0f} s of {sound.seconds:.0f} s")
            before = groups[index - 1][-1].end if index else 0.0
            after = groups[index + 1][0].start if index + 1 < len(groups) else sound.seconds
            timed += aligner.times(group, before, after)
    progress(1.0, "timed the words")
    found = sum(len(words) for words in timed if words is not None)
    kept = [words if words is not None else segment.words for words, segment in zip(timed, segments, strict=True)]
    return Alignment(segments=_in_order(kept, segments), found=found, words=sum(len(s.words) for s in segments))


def _grouped(segments: Sequence[Segment]) -> list[list[Segment]]:
    groups: list[list[Segment]] = []
    for segment in segments:
        if (
            groups
            and segment.start - groups[-1][-1].end < GROUP_GAP
            and segment.end - groups[-1][0].start <= GROUP_SECONDS
        ):
            groups[-1].append(segment)
        else:
            groups.append([segment])
    return groups


def _in_order(timed: Sequence[tuple[Word, ...]], segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Segments of these words, none beginning before the one in front of it."""
    latest = 0.0
    words: list[Word] = []
    for group in timed:
        for word in group:
            latest = max(latest, word.start)
            words.append(msgspec.structs.replace(word, start=latest))
    tidy = tidy_words(words)
    result = []
    at = 0
    for group, segment in zip(timed, segments, strict=True):
        moved = segment_of(tidy[at : at + len(group)])
        result.append(msgspec.structs.replace(moved, text=segment.text, speaker=segment.speaker))
        at += len(group)
    return tuple(result)


class _Aligner:
    """One decoder and its growing dictionary."""

    def __init__(self, sound: Sound) -> None:
        from pocketsphinx import Decoder

        self._sound = sound
        self._decoder = Decoder(lm=None, loglevel="FATAL")

    def times(self, group: Sequence[Segment], before: float, after: float) -> list[tuple[Word, ...] | None]:
        """The words of each segment at measured times, `None` for a segment that was not found."""
        low = group[0].start - min(MARGIN, max(0.0, (group[0].start - before) / 2))
        high = group[-1].end + min(MARGIN, max(0.0, (after - group[-1].end) / 2))
        found = self._together(group, low, high)
        if len(group) == 1 or any(words is not None for words in found):
            return found
        # One segment that was never said spoils the whole group; its neighbours are found alone.
        return [self._together([segment], segment.start, segment.end)[0] for segment in group]

    def _together(self, group: Sequence[Segment], low: float, high: float) -> list[tuple[Word, ...] | None]:
        tokens = [[self._known(word.text) for word in segment.words] for segment in group]
        flat = [token for segment in tokens for word in segment for token in word]
        low, high = max(0.0, low), min(self._sound.seconds, high)
        timed = self._aligned(flat, Span(low, high)) if flat and low < high else None
        if timed is None:
            return [None] * len(group)
        result: list[tuple[Word, ...] | None] = []
        at = 0
        for segment, spoken in zip(group, tokens, strict=True):
            count = sum(map(len, spoken))
            result.append(_placed(segment.words, spoken, timed[at : at + count]))
            at += count
        return result

    def _aligned(self, tokens: Sequence[str], span: Span) -> list[_Timed] | None:
        """When each token is said within `span`; `None` where the sound cannot be made to fit at all."""
        self._decoder.set_align_text(" ".join(tokens))
        self._decoder.start_utt()
        self._decoder.process_raw(self._sound.read(span.start, span.end), full_utt=True)
        self._decoder.end_utt()
        if self._decoder.hyp() is None:
            return None
        timed = [_timed(found, span.start) for found in self._decoder.seg() if not found.word.startswith(("<", "["))]
        return timed if len(timed) == len(tokens) else None

    def _known(self, text: str) -> tuple[str, ...]:
        """The tokens of one written word, each of them in the dictionary from now on."""
        tokens = spoken_tokens(text)
        letters = "".join(c for c in text if c.isalpha())
        spelled = letters.isupper() and 2 <= len(letters) <= 5
        for token in tokens:
            if self._decoder.lookup_word(token) is None:
                self._decoder.add_word(token, guess_sounds(token, spelled=spelled), True)
        return tokens


def _timed(found: Any, offset: float) -> _Timed:
    return _Timed(
        start=offset + found.start_frame * FRAME_SECONDS,
        end=offset + (found.end_frame + 1) * FRAME_SECONDS,
        score=math.log(max(found.ascore, 1e-300)),
    )


def _placed(
    words: Sequence[Word], tokens: Sequence[tuple[str, ...]], timed: Sequence[_Timed]
) -> tuple[Word, ...] | None:
    """Words at the times of their tokens; `None` where the sounds do not fit, or there is nothing to go by."""
    seconds = sum(token.end - token.start for token in timed)
    if not timed or sum(token.score for token in timed) / (seconds / FRAME_SECONDS) < WORST_SCORE:
        return None
    placed = []
    at = 0
    moment = timed[0].start
    for word, spoken in zip(words, tokens, strict=True):
        own = timed[at : at + len(spoken)]
        at += len(spoken)
        # A dash has no sound of its own: it sits where the word before it ended.
        start, end = (own[0].start, own[-1].end) if own else (moment, moment)
        placed.append(msgspec.structs.replace(word, start=start, end=end))
        moment = end
    return tuple(placed)
