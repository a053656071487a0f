"""Cuts a transcript into passages: a few sentences that one person says in one go."""

from collections.abc import Sequence

import msgspec

from cliply_resources.documents import Segment

__all__ = ["Passage", "nearest_passage", "split_passages"]

MOST_WORDS = 50
"""What an embedding model reads of a text, and about what a person reads at a glance."""
MOST_SECONDS = 25.0
"""A result should lead to the place, not near it."""
BREAK_SECONDS = 2.0
"""After such a pause something else begins."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """What is found: `segments` of the transcript in a row, never split."""

    start: float
    end: float
    text: str
    speaker: str | None
    segments: int


def split_passages(segments: Sequence[Segment]) -> tuple[Passage, ...]:
    """Every segment lies in exactly one passage, in order; one that is too long by itself is a passage of its own."""
    groups: list[list[Segment]] = []
    for segment in segments:
        if groups and _goes_on(groups[-1], segment):
            groups[-1].append(segment)
        else:
            groups.append([segment])
    return tuple(
        Passage(
            start=group[0].start,
            end=max(segment.end for segment in group),
            text=" ".join(segment.text.strip() for segment in group).strip(),
            speaker=group[0].speaker,
            segments=len(group),
        )
        for group in groups
    )


def _goes_on(group: Sequence[Segment], segment: Segment) -> bool:
    words = sum(len(each.words) for each in group) + len(segment.words)
    return (
        group[0].speaker == segment.speaker
        and words <= MOST_WORDS
        and segment.end - group[0].start <= MOST_SECONDS
        and segment.start - group[-1].end < BREAK_SECONDS
    )


def nearest_passage(passages: Sequence[Passage], time: float) -> int:
    """The position of the passage that is heard at `time`, else of the nearest one within a pause; -1 where there is none."""
    distances = [max(passage.start - time, time - passage.end, 0.0) for passage in passages]
    best = min(range(len(passages)), key=distances.__getitem__, default=-1)
    return best if best >= 0 and distances[best] <= BREAK_SECONDS else -1
