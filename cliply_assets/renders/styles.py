"""Cliply's own caption styles, one JSON file each, and what an aspect ratio leaves free for words.

Lengths are pixels on a picture whose shorter side is 1080; `scale` of the aspect table adapts them to other shapes.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from cliply_resources.documents import CaptionPlan
from cliply_resources.documents.looks import CaptionBox, CaptionLook
from cliply_resources.errors import StepFailed

__all__ = [
    "STYLE_NAMES",
    "CaptionBox",
    "CaptionLook",
    "Shape",
    "load_style",
    "look_for",
    "look_of",
    "read_style",
    "shape_of",
    "style_digest",
]

_FOLDER = Path(__file__).parent / "styles"

STYLE_NAMES = ("highlight_word", "karaoke", "pop_in", "typewriter", "bounce")


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


def look_of(plan: CaptionPlan) -> CaptionLook:
    """The style that a plan's words are drawn in: one of the user's own, or the named one.

    Raises:
        StepFailed: the plan names none that there is.
    """
    return plan.look or load_style(plan.style)


def look_for(plan: CaptionPlan) -> CaptionLook:
    """The same where a title is to be drawn, too: a plan without captions has the usual one."""
    return load_style(STYLE_NAMES[0]) if plan.style == "none" else look_of(plan)


def read_style(path: Path) -> CaptionLook:
    """One of Cliply's own styles from its file, which bears its name.

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
