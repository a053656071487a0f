"""Where every caption word stands, in pixels and output frames.

Cliply places each word itself instead of letting libass flow a line: the spoken word can then grow, hop or carry a plate
without pushing its neighbours. Positions come from the font's own advances, so they are known before anything is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TypeVar

from cliply_assets.renders.fonts import Face, face_named
from cliply_assets.renders.phrases import Phrase, ShownWord, group, shown_words
from cliply_assets.renders.styles import CaptionLook, shape_of
from cliply_resources.documents.clips import CaptionPlan

__all__ = ["CaptionLayout", "PlacedLine", "PlacedPhrase", "PlacedWord", "first_frame_at", "lay_out"]


@dataclass(frozen=True)
class PlacedWord:
    """A word, the middle of its advance box, and the frames in which it is the spoken one."""

    word: ShownWord
    x: float
    y: float
    width: float
    first_frame: int
    end_frame: int
    following_frame: int
    """Where the next word of the phrase takes over; the end of the phrase for its last word."""


@dataclass(frozen=True)
class PlacedLine:
    """A line's words in the order they are said, with the box of its capitals: left, top, right, bottom."""

    words: tuple[PlacedWord, ...]
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class PlacedPhrase:
    """A phrase on screen from `first_frame` until before `end_frame`, at ASS font size `size`."""

    lines: tuple[PlacedLine, ...]
    first_frame: int
    end_frame: int
    size: float

    @property
    def words(self) -> tuple[PlacedWord, ...]:
        """Its words in the order they are said."""
        return tuple(word for line in self.lines for word in line.words)


@dataclass(frozen=True)
class CaptionLayout:
    """All phrases of a clip in order, the faces they use, and the words no font could draw."""

    phrases: tuple[PlacedPhrase, ...]
    faces: tuple[Face, ...]
    omitted: tuple[str, ...]
    scale: float
    """Multiplies the style's pixel lengths on this picture."""

    @property
    def occupied(self) -> tuple[float, float, float, float] | None:
        """Left, top, right and bottom of everything that is ever drawn, plates and hops included; nothing without words."""
        boxes = [(line.box, phrase.size) for phrase in self.phrases for line in phrase.lines]
        if not boxes:
            return None
        # A third of the font size is more than any style's descenders, outline, plate or hop.
        return (
            min(box[0] - size / 3 for box, size in boxes),
            min(box[1] - size / 3 for box, size in boxes),
            max(box[2] + size / 3 for box, size in boxes),
            max(box[3] + size / 3 for box, size in boxes),
        )


def first_frame_at(seconds: float, frame_rate: Fraction) -> int:
    """The output frame nearest to a moment: a caption starts half a frame early at most, and half a frame late."""
    return max(0, ceil(seconds * frame_rate - Fraction(1, 2)))


def lay_out(
    plan: CaptionPlan, *, width: int, height: int, look: CaptionLook, frame_rate: Fraction, own: Face | None = None
) -> CaptionLayout:
    """Every word of `plan` placed inside the safe area of a `width` × `height` picture; in `own` letters where it has them."""
    shape = shape_of(width, height)
    scale = shape.scale * min(width, height) / 1080
    left, top, right, bottom = shape.safe_area(width, height)
    size = look.size * scale
    padding = look.box.padding[0] if look.box else 0.0
    spare = 2 * scale * max(padding, look.outline + look.shadow)
    # A word that grows at the edge of a line must stay inside too.
    limit = (right - left - spare) / (1 + (look.active_scale - 1) / 2)
    preferred = own or face_named(look.font)
    shown, omitted = shown_words(plan.words, look, preferred)
    phrases = group(shown, look, width_of=lambda line: _line_width(line, size, look), limit=limit)
    placed = []
    for index, phrase in enumerate(phrases):
        end = first_frame_at(phrase.end, frame_rate)
        if index + 1 < len(phrases):
            end = min(end, first_frame_at(phrases[index + 1].start, frame_rate))
        centre = (width / 2, (plan.centre or look.centre_of(shape.aspect)) * height)
        lines = _place_lines(phrase, look, size * phrase.scale, centre, (top, bottom), spare / 2)
        placed.append(_timed(phrase, lines, size * phrase.scale, end, frame_rate))
    faces = tuple(dict.fromkeys(word.face for word in shown))
    return CaptionLayout(phrases=tuple(placed), faces=faces, omitted=omitted, scale=scale)


def _gap(word: ShownWord, size: float, look: CaptionLook) -> float:
    """Pixels between a word and the one before it."""
    return 0.0 if word.glued else look.word_gap * word.face.width(" ", size)


def _line_width(line: Sequence[ShownWord], size: float, look: CaptionLook) -> float:
    letters = sum(word.face.width(word.text, size) for word in line)
    return letters + sum(_gap(word, size, look) for word in line[1:])


_Item = TypeVar("_Item")


def _visual_order(items: Sequence[_Item], right_to_left: Sequence[bool]) -> list[_Item]:
    """Left to right as drawn: a line that begins right-to-left is mirrored, but Latin runs inside it keep their order."""
    if not right_to_left[0]:
        return list(items)
    runs: list[list[_Item]] = []
    was_latin = False
    for item, rtl in zip(items, right_to_left, strict=True):
        if not rtl and was_latin:
            runs[-1].append(item)
        else:
            runs.append([item])
        was_latin = not rtl
    return [item for run in reversed(runs) for item in run]


@dataclass(frozen=True)
class _Spot:
    word: ShownWord
    x: float
    y: float
    width: float


def _place_lines(
    phrase: Phrase,
    look: CaptionLook,
    size: float,
    centre: tuple[float, float],
    vertical_limits: tuple[float, float],
    spare: float,
) -> list[tuple[list[_Spot], tuple[float, float, float, float]]]:
    face = phrase.words[0].face
    capitals = face.cap_height * face.pixels_per_unit(size)
    pitch = look.line_pitch * size
    block = capitals + pitch * (len(phrase.lines) - 1)
    top, bottom = vertical_limits
    first_top = min(max(centre[1] - block / 2, top + spare), bottom - spare - block)
    placed = []
    for row, line in enumerate(phrase.lines):
        width = _line_width(line, size, look)
        baseline = first_top + capitals + row * pitch
        x = centre[0] - width / 2
        box = (x, baseline - capitals, x + width, baseline)
        spots = {}
        ordered = _visual_order(range(len(line)), [word.right_to_left for word in line])
        for position, index in enumerate(ordered):
            word = line[index]
            if position:
                x += _gap(word, size, look)
            advance = word.face.width(word.text, size)
            # libass centres a word's line box (ascent + descent) on its position, and faces differ in their ascent.
            unit = word.face.pixels_per_unit(size)
            middle = baseline - (word.face.ascent - word.face.descent) / 2 * unit
            spots[index] = _Spot(word, x + advance / 2, middle, advance)
            x += advance
        placed.append(([spots[index] for index in range(len(line))], box))
    return placed


def _timed(
    phrase: Phrase,
    lines: list[tuple[list[_Spot], tuple[float, float, float, float]]],
    size: float,
    end_frame: int,
    frame_rate: Fraction,
) -> PlacedPhrase:
    starts = [first_frame_at(word.start, frame_rate) for word in phrase.words]
    nexts = [*starts[1:], end_frame]
    placed, at = [], 0
    for spots, box in lines:
        words = []
        for spot in spots:
            said_until = first_frame_at(spot.word.end, frame_rate)
            words.append(
                PlacedWord(
                    word=spot.word,
                    x=spot.x,
                    y=spot.y,
                    width=spot.width,
                    first_frame=starts[at],
                    end_frame=min(max(said_until, starts[at] + 1), nexts[at]),
                    following_frame=nexts[at],
                )
            )
            at += 1
        placed.append(PlacedLine(words=tuple(words), box=box))
    return PlacedPhrase(lines=tuple(placed), first_frame=starts[0], end_frame=end_frame, size=size)
