"""Builds transcripts from lines of text, with word times at a talker's pace."""

from itertools import pairwise

from cliply_resources.documents import Scenes, Segment, Span, Transcript, Word


def transcript_of(lines, *, pause=0.35, punctuated=True, start=0.5, language="en"):
    """`lines` may name a speaker: "A:Why?". Returns the transcript and when the last word ends."""
    segments = []
    at = start
    for line in lines:
        speaker, _, said = line.partition(":") if line[1:2] == ":" else (None, "", line)
        words = []
        for text in said.split():
            length = 0.12 + 0.05 * len(text)
            plain = text if punctuated else text.lower().strip(".,?!")
            words.append(Word(text=plain, start=round(at, 3), end=round(at + 0.9 * length, 3), speaker=speaker))
            at += length
        segments.append(segment_of(words, speaker))
        at += pause
    return transcript_from(segments, language), at


def segment_of(words, speaker=None):
    return Segment(
        start=words[0].start,
        end=words[-1].end,
        text=" ".join(word.text for word in words),
        words=tuple(words),
        speaker=speaker,
    )


def transcript_from(segments, language="en"):
    return Transcript(
        engine="file",
        engine_detail="test",
        language=language,
        quality="high",
        word_times="measured",
        segments=tuple(segments),
    )


def shots_of(duration, cuts=()):
    edges = [0.0, *sorted(cuts), duration]
    return Scenes(shots=tuple(Span(a, b) for a, b in pairwise(edges) if a < b), detector="test")
