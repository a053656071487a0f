"""Which moment of the source each moment of a clip shows: the one place that knows what was taken out.

A clip is made of pieces of its source, each a whole number of output frames. Captions, subtitle files, camera, sound, edit lists and
checks ask here, so that none of them can disagree with another. Both directions never go backwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import msgspec

from cliply_resources.documents import CameraMove, RenderSpec, Span, Transcript, Word
from cliply_resources.documents.clips import KeptPiece

__all__ = ["TimeMap", "time_map"]

_ENDS = (".", "?", "!", "…", "。", "？", "！")


@dataclass(frozen=True)
class TimeMap:
    """The pieces of a clip, in order and not overlapping, on the grid of output frames."""

    frame_rate: Fraction
    pieces: tuple[KeptPiece, ...]

    @property
    def frames(self) -> int:
        """Of the clip."""
        return sum(piece.frames for piece in self.pieces)

    @property
    def first_frame(self) -> int:
        """Of the source, where the clip begins."""
        return self.pieces[0].first_frame

    @property
    def source_frames(self) -> int:
        """From the first frame to behind the last, with what lies between the pieces."""
        return self.pieces[-1].end_frame - self.pieces[0].first_frame

    @property
    def seconds_removed(self) -> float:
        """How much shorter the clip is than its span."""
        return float((self.source_frames - self.frames) / self.frame_rate)

    @property
    def starts(self) -> tuple[int, ...]:
        """The frame of the clip on which each piece begins."""
        return (0, *accumulate(piece.frames for piece in self.pieces[:-1]))

    def source_frame(self, frame: int) -> int:
        """The source's frame that the clip's frame shows; `frame` is 0 to `frames` - 1."""
        for start, piece in zip(self.starts, self.pieces, strict=True):
            if frame < start + piece.frames:
                return piece.first_frame + frame - start
        raise IndexError(f"the clip has {self.frames} frames, not {frame + 1}")

    def to_clip(self, moment: float) -> float:
        """Seconds from the clip's start at which a moment of the source is shown, to the millisecond.

        What was taken out falls together at its join, what lies outside at the clip's edge.
        """
        shown = 0.0
        for start, piece in zip(self.starts, self.pieces, strict=True):
            begins = float(piece.first_frame / self.frame_rate)
            length = float(piece.frames / self.frame_rate)
            shown = float(start / self.frame_rate) + min(max(moment - begins, 0.0), length)
            if moment < begins + length:
                break
        return round(shown, 3)

    def to_source(self, moment: float) -> float:
        """The moment of the source, in seconds, that is shown `moment` seconds into the clip; clamped to the clip."""
        last = len(self.pieces) - 1
        for number, (start, piece) in enumerate(zip(self.starts, self.pieces, strict=True)):
            into = moment - float(start / self.frame_rate)
            length = float(piece.frames / self.frame_rate)
            if into < length or number == last:
                return float(piece.first_frame / self.frame_rate) + min(max(into, 0.0), length)
        raise AssertionError("a clip has at least one piece")

    def keeps(self, moment: float) -> bool:
        """Whether the clip shows this moment of the source."""
        return any(
            float(piece.first_frame / self.frame_rate) <= moment < float(piece.end_frame / self.frame_rate)
            for piece in self.pieces
        )

    def keeps_word(self, word: Word) -> bool:
        """Whether the middle of the word is shown."""
        return self.keeps((word.start + word.end) / 2)

    def words(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The words that are heard in the clip, with its times; what stood around a word that is not heard fits together again."""
        return tuple(word for word in self._moved(words) if word is not None)

    def transcript(self, transcript: Transcript) -> Transcript:
        """The transcript of the clip, with its times."""
        moved = iter(self._moved(transcript.words))
        segments = []
        for segment in transcript.segments:
            words = tuple(word for _, word in zip(segment.words, moved, strict=False) if word is not None)
            if words:
                text = " ".join(word.text for word in words)
                times = {"start": words[0].start, "end": words[-1].end}
                segments.append(msgspec.structs.replace(segment, words=words, text=text, **times))
        return msgspec.structs.replace(transcript, segments=tuple(segments))

    def spans(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        """Stretches of the source as they are shown; those that are not go."""
        edges = [(self.to_clip(span.start), self.to_clip(span.end)) for span in spans]
        return tuple(Span(start, end) for start, end in edges if start < end)

    def camera(self, moves: Sequence[CameraMove]) -> tuple[CameraMove, ...]:
        """A camera over the whole span, without the frames that are not shown."""
        origin = self.first_frame
        kept: list[CameraMove] = []
        at = 0
        for move in moves:
            inside = [
                frame - move.first_frame
                for piece in self.pieces
                for frame in range(
                    max(piece.first_frame - origin, move.first_frame),
                    min(piece.end_frame - origin, move.first_frame + move.frames),
                )
            ]
            if inside:
                kept.append(_of_frames(move, inside, at))
                at += len(inside)
        return tuple(kept)

    def _moved(self, words: Sequence[Word]) -> list[Word | None]:
        """Every word with the clip's times, or nothing in place of one that is not heard."""
        moved: list[Word | None] = []
        opens, before = False, -1
        for word in words:
            if not self.keeps_word(word):
                moved.append(None)
                if self._is_between(word):
                    opens = opens or (word.text[:1].isupper() and _ended(moved, before))
                    _close(moved, before, word.text)
                continue
            text = word.text[:1].upper() + word.text[1:] if opens else word.text
            moved.append(
                msgspec.structs.replace(word, text=text, start=self.to_clip(word.start), end=self.to_clip(word.end))
            )
            opens, before = False, len(moved) - 1
        return moved

    def _is_between(self, word: Word) -> bool:
        """Whether the word was taken out, and does not lie outside the clip."""
        middle = Fraction((word.start + word.end) / 2) * self.frame_rate
        return self.first_frame <= middle < self.pieces[-1].end_frame


def _ended(moved: Sequence[Word | None], before: int) -> bool:
    word = moved[before] if before >= 0 else None
    return word is None or word.text.endswith(_ENDS)


def _close(moved: list[Word | None], before: int, gone: str) -> None:
    """Lets the word before end the sentence that the one which is gone ended."""
    word = moved[before] if before >= 0 else None
    if word is not None and gone.endswith(_ENDS) and not word.text.endswith(_ENDS):
        moved[before] = msgspec.structs.replace(word, text=word.text.rstrip(",;:–- ") + gone[-1])


def _of_frames(move: CameraMove, frames: Sequence[int], first_frame: int) -> CameraMove:
    """These frames of the move, counted from its own first, as a move that begins at `first_frame` of the clip."""

    def chosen(path: tuple[int, ...]) -> tuple[int, ...]:
        return path if len(path) < 2 else tuple(path[frame] for frame in frames)

    replace = msgspec.structs.replace
    made = replace(move, first_frame=first_frame, frames=len(frames), x=chosen(move.x), y=chosen(move.y))
    if move.panes:
        panes = tuple(replace(pane, x=chosen(pane.x), y=chosen(pane.y)) for pane in move.panes)
        made = replace(made, panes=panes)
    return made


def time_map(spec: RenderSpec) -> TimeMap:
    """The map of a render: its pieces, or the one piece that its whole span is."""
    rate = Fraction(spec.frame_rate)
    whole = KeptPiece(first_frame=round(spec.span.start * rate), frames=spec.frames)
    return TimeMap(rate, spec.pieces or (whole,))
