"""Emoji above captions: which words get one, and how they are drawn.

Drawn as flat shapes of one colour each by libass itself, which knows no coloured fonts. The drawings are Microsoft's Fluent Emoji
(flat), under the MIT licence in LICENSE beside them; `convert.py` made them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import msgspec

from cliply_assets.renders.caption_layout import CaptionLayout, PlacedPhrase, PlacedWord
from cliply_assets.renders.caption_motion import Event, number, paint
from cliply_assets.renders.styles import CaptionLook, shape_of
from cliply_resources.documents import Word
from cliply_resources.documents.clips import EmojiMark

__all__ = ["LANGUAGES", "PlacedEmoji", "drawings_digest", "emoji_events", "place_emoji", "plan_emoji"]

LANGUAGES = ("en", "de", "es", "fr")
"""Whose words are known."""

APART = 5.0
"""Seconds between two emoji: one that comes with every sentence says nothing any more."""
_AGAIN = 25.0  # s until the same may come again
_SURE = 0.4  # confidence; what was perhaps never said needs no picture

_FOLDER = Path(__file__).parent
_UNITS = 512
_SIZE = 156  # pixels on a picture whose shorter side is 1080
_SMALL = 112  # pixels there, beside a line
_GAP = 26  # pixels there, to what is drawn of the words
_HOP = 0.2  # of the font size; spoken words hop in some styles
_SHORTEST = 0.6  # s; it comes before its word where the phrase would end sooner
_NEAR = 0.3  # s a word may be shown later than it was said
_SWELL, _SETTLE = 100, 110  # ms
_LAYER = 4  # above words


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    icon: str
    words: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def _dictionary() -> dict[str, _Entry]:
    return msgspec.json.decode((_FOLDER / "dictionary.json").read_bytes(), type=dict[str, _Entry])


@lru_cache(maxsize=1)
def _drawings() -> dict[str, tuple[tuple[str, str], ...]]:
    return msgspec.json.decode((_FOLDER / "drawings.json").read_bytes(), type=dict[str, tuple[tuple[str, str], ...]])


@lru_cache(maxsize=8)
def _known(language: str) -> dict[tuple[str, ...], str]:
    """Emoji by the words that ask for it, one or several in a row."""
    return {
        tuple(said.casefold().split()): emoji
        for emoji, entry in _dictionary().items()
        for said in entry.words.get(language, ())
    }


def plan_emoji(words: Sequence[Word], language: str | None) -> tuple[EmojiMark, ...]:
    """A few words of a clip and their emoji: five seconds apart at least, none twice within twenty-five.

    `language` is that of the words (ISO 639-1; English where it is not known); in one whose words are not known there are none.
    """
    known = _known(language or "en")
    plain = [_plain(word.text) for word in words]
    longest = max(map(len, known), default=0)
    marks: list[EmojiMark] = []
    for place, word in enumerate(words):
        if word.confidence is not None and word.confidence < _SURE:
            continue
        found = next(
            (
                emoji
                for count in range(longest, 0, -1)
                if (emoji := known.get(tuple(plain[place : place + count]))) is not None
            ),
            None,
        )
        if found is None or (marks and word.start - marks[-1].at < APART):
            continue
        if any(mark.emoji == found and word.start - mark.at < _AGAIN for mark in marks):
            continue
        marks.append(EmojiMark(at=word.start, emoji=found))
    return tuple(marks)


def _plain(text: str) -> str:
    kept = text.casefold().strip(" .,;:!?…—–-\"'“”‘’«»()[]¿¡").replace("’", "'")
    return kept.removesuffix("'s")


def drawings_digest(marks: Sequence[EmojiMark]) -> str:
    """Names the exact drawings of these emoji, so that a changed one makes a new render spec."""
    drawn = {mark.emoji: _drawings()[mark.emoji] for mark in marks}
    return hashlib.sha256(msgspec.json.encode(drawn, order="sorted")).hexdigest()


@dataclass(frozen=True)
class PlacedEmoji:
    """An emoji around its middle, `size` pixels wide and high, in the frames in which it is seen."""

    emoji: str
    x: float
    y: float
    size: float
    first_frame: int
    end_frame: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom where it is largest."""
        half = 0.58 * self.size
        return self.x - half, self.y - half, self.x + half, self.y + half


def place_emoji(
    marks: Sequence[EmojiMark],
    layout: CaptionLayout,
    look: CaptionLook,
    *,
    width: int,
    height: int,
    frame_rate: Fraction,
    beside: bool = False,
) -> tuple[PlacedEmoji, ...]:
    """Above the phrases that their words stand in, inside what the platforms leave free; those without room are left out.

    `beside` puts them at the end of a phrase's shorter line: where captions stand on the seam of two panels, a face is above them.
    """
    left, top, right, _ = shape_of(width, height).safe_area(width, height)
    words = [(word, phrase) for phrase in layout.phrases for word in phrase.words]
    placed = []
    for mark in marks:
        word, phrase = min(words, key=lambda pair: abs(pair[0].word.start - mark.at), default=(None, None))
        if word is None or phrase is None or abs(word.word.start - mark.at) > _NEAR:
            continue
        one = _above(mark, word, phrase, (width, frame_rate), layout, look)
        if beside:
            one = _at_line_end(one, phrase, layout)
        if one.box[1] >= top and one.box[0] >= left and one.box[2] <= right:
            placed.append(one)
    return tuple(placed)


def _above(
    mark: EmojiMark,
    word: PlacedWord,
    phrase: PlacedPhrase,
    picture: tuple[int, Fraction],
    layout: CaptionLayout,
    look: CaptionLook,
) -> PlacedEmoji:
    width, frame_rate = picture
    size = _SIZE * layout.scale
    plate = look.box.padding[1] * layout.scale if look.box is not None else look.outline * layout.scale
    edge = min(line.box[1] for line in phrase.lines) - max(plate, _HOP * phrase.size) - _GAP * layout.scale
    latest = phrase.end_frame - round(_SHORTEST * frame_rate)
    return PlacedEmoji(
        emoji=mark.emoji,
        x=width / 2,
        y=edge - size / 2,
        size=size,
        first_frame=max(phrase.first_frame, min(word.first_frame, latest)),
        end_frame=phrase.end_frame,
    )


def _at_line_end(one: PlacedEmoji, phrase: PlacedPhrase, layout: CaptionLayout) -> PlacedEmoji:
    line_left, top, line_right, bottom = min((line.box for line in phrase.lines), key=lambda box: box[2] - box[0])
    size = _SMALL * layout.scale
    # What runs from right to left ends on the left.
    ends_left = phrase.words[0].word.right_to_left
    away = _GAP * layout.scale + 0.58 * size
    return replace(one, x=line_left - away if ends_left else line_right + away, y=(top + bottom) / 2, size=size)


def emoji_events(placed: Sequence[PlacedEmoji]) -> Iterator[Event]:
    """Each springs up and settles, shape upon shape, lowest first."""
    for one in placed:
        whole = 100 * one.size / _UNITS

        def scaled(share: float, percent: float = whole) -> str:
            return f"\\fscx{number(share * percent)}\\fscy{number(share * percent)}"

        spring = f"{scaled(0.3)}\\t(0,{_SWELL},{scaled(1.14)})\\t({_SWELL},{_SWELL + _SETTLE},{scaled(1.0)})"
        for colour, commands in _drawings()[one.emoji]:
            tags = f"\\an5\\pos({number(one.x)},{number(one.y)}){paint(colour)}{spring}\\p1"
            yield Event(_LAYER, one.first_frame, one.end_frame, None, f"{{{tags}}}{_ANCHOR}{commands}")


_ANCHOR = f"m 0 0 l 0 0 m {_UNITS} {_UNITS} l {_UNITS} {_UNITS} "
"""Makes every shape as large as the whole, so that all of them are placed and grow around one middle."""
