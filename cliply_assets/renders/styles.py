"""Caption styles as data: one JSON file each, read into a checked document.

Lengths are pixels on a picture whose shorter side is 1080; `scale` of the aspect table adapts them to other shapes.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from cliply_resources.errors import StepFailed

__all__ = ["STYLE_NAMES", "CaptionBox", "CaptionLook", "Shape", "load_style", "read_style", "shape_of", "style_digest"]

_FOLDER = Path(__file__).parent / "styles"

STYLE_NAMES = ("highlight_word", "karaoke", "pop_in", "typewriter", "bounce")

Colour = Annotated[str, msgspec.Meta(pattern="^#[0-9A-F]{6}$")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Pixels = Annotated[float, msgspec.Meta(ge=0, le=400)]


class CaptionBox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rounded plate behind the words."""

    around: Literal["word", "line"]
    """`word`: behind the spoken word only; `line`: behind each line for as long as the phrase stands."""
    colour: Colour
    opacity: Share = 1.0
    padding: tuple[Pixels, Pixels]
    """Beyond the letters' width, and above and below their capitals."""
    radius: Pixels


class CaptionLook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a caption style decides."""

    name: str
    description: str
    font: str
    size: Annotated[float, msgspec.Meta(ge=20, le=300)]
    """ASS font size: ascent plus descent, about 1.4 times the em."""
    colour: Colour
    active_colour: Colour
    """Of the word that is being spoken."""
    outline_colour: Colour
    outline: Pixels
    shadow: Pixels
    shadow_opacity: Share
    box: CaptionBox | None = None
    case: Literal["upper", "lower", "as_spoken"]
    punctuation: Literal["keep", "light"]
    """`light` drops commas and full stops at word ends, as short social captions do."""
    words_per_line: Annotated[int, msgspec.Meta(ge=1, le=8)]
    lines: Annotated[int, msgspec.Meta(ge=1, le=2)]
    line_pitch: Annotated[float, msgspec.Meta(ge=0.6, le=2)]
    """Distance of baselines as a multiple of `size`."""
    word_gap: Annotated[float, msgspec.Meta(ge=0.5, le=3)]
    """Multiple of the font's own space."""
    animation: Literal["tint", "fill", "pop", "type", "bounce"]
    active_scale: Annotated[float, msgspec.Meta(ge=1, le=1.5)]
    """How much larger the spoken word grows at its peak."""
    centre: dict[Literal["9:16", "4:5", "1:1", "16:9"], Share]
    """Where the middle of the caption lies, as a share of the picture height."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What an aspect ratio leaves free for words; margins are shares of the width and height.

    On 9:16 the margins are the union of what TikTok, Reels and Shorts draw over the picture: name and search on top, caption and
    buttons below, icons on the right (kept free on the left too, so that centred words stay centred).
    """

    aspect: Literal["9:16", "4:5", "1:1", "16:9"]
    side: float
    top: float
    bottom: float
    scale: float
    """Multiplies a style's pixel lengths."""

    def safe_area(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edge in pixels."""
        return (self.side * width, self.top * height, (1 - self.side) * width, (1 - self.bottom) * height)


_SHAPES: dict[float, Shape] = {
    9 / 16: Shape(aspect="9:16", side=0.111, top=0.14, bottom=0.235, scale=1.0),
    4 / 5: Shape(aspect="4:5", side=0.08, top=0.08, bottom=0.10, scale=0.88),
    1.0: Shape(aspect="1:1", side=0.07, top=0.07, bottom=0.08, scale=0.80),
    16 / 9: Shape(aspect="16:9", side=0.16, top=0.06, bottom=0.07, scale=0.78),
}


def shape_of(width: int, height: int) -> Shape:
    """The shape whose ratio is nearest to the picture's."""
    ratio = width / height
    return _SHAPES[min(_SHAPES, key=lambda known: abs(known - ratio))]


@lru_cache(maxsize=16)
def load_style(name: str) -> CaptionLook:
    """The caption style of that name.

    Raises:
        StepFailed: there is none, or its file is faulty.
    """
    if name not in STYLE_NAMES:
        raise StepFailed(f"There is no caption style {name!r}. There are: {', '.join(STYLE_NAMES)}, and none.")
    return read_style(_FOLDER / f"{name}.json")


def read_style(path: Path) -> CaptionLook:
    """The caption style in a file, which bears its name.

    Raises:
        StepFailed: the file is faulty.
    """
    try:
        look = msgspec.json.decode(path.read_bytes(), type=CaptionLook)
    except (OSError, msgspec.DecodeError) as error:
        raise StepFailed(f"The caption style file {path.name} is faulty: {error}") from error
    if look.name != path.stem or set(look.centre) != {shape.aspect for shape in _SHAPES.values()}:
        raise StepFailed(
            f"The caption style file {path.name} must name itself {path.stem!r} and a centre for every aspect ratio."
        )
    return look


def style_digest(look: CaptionLook) -> str:
    """Names a style's exact data, so that a changed style makes a new render spec."""
    return hashlib.sha256(msgspec.json.encode(look, order="deterministic")).hexdigest()
