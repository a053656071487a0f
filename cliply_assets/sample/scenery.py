"""What stands behind the people of the sample talk: a studio, and slides."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import font_manrope  # type: ignore[import-untyped]  # a wheel of font files
import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[Any]

__all__ = ["slide", "studio"]

_SEED = 5
_WALL_LEFT, _WALL_RIGHT = (92, 52, 30), (78, 30, 66)  # BGR: deep blue to plum
_LAMP = (120, 190, 255)  # BGR: warm
_LAMPS = 26
_PANELS = 14
_INK, _PAPER, _ACCENT = (38, 34, 52), (246, 243, 236), (226, 104, 44)  # RGB


def studio(width: int, height: int, *, words: str = "", blur: float = 0.0) -> "Picture":
    """A dark wall of panels in warm light with lamps out of focus, BGR; `words` stand on the wall.

    `blur` is the softness of a long lens, as a fraction of the height.
    """
    rng = np.random.default_rng(_SEED)
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    wall = (1 - across) * np.array(_WALL_LEFT, np.float32) + across * np.array(_WALL_RIGHT, np.float32)
    wall = wall * (1.25 - 0.75 * down)
    wall = wall * (0.86 + 0.2 * np.abs(np.sin(np.pi * _PANELS * across)) ** 0.35)
    for centre in (0.27, 0.72):
        wall += 70 * np.exp(-(((across - centre) * 3.2) ** 2) - ((down - 0.3) * 1.7) ** 2) * np.array([0.9, 0.75, 0.8])
    glow = np.zeros_like(wall)
    for _ in range(_LAMPS):
        middle = (int(rng.uniform(0, width)), int(rng.uniform(0.02, 0.5) * height))
        lamp = np.array(_LAMP) * rng.uniform(0.12, 0.5)
        cv2.circle(glow, middle, int(rng.uniform(0.008, 0.03) * height), lamp.tolist(), -1, cv2.LINE_AA)
    wall += cv2.GaussianBlur(glow, (0, 0), max(0.004 * height, 0.5))
    picture = wall.clip(0, 255).astype(np.uint8)
    if words:
        picture = _with_words_on_the_wall(picture, words)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), blur * height)) if blur else picture


def slide(width: int, height: int, heading: str, lines: tuple[str, ...]) -> "Picture":
    """A page with a heading and numbered lines, BGR."""
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, round(0.018 * width), height), fill=_ACCENT)
    draw.text((0.09 * width, 0.15 * height), heading, font=_font("ExtraBold", round(0.095 * height)), fill=_INK)
    draw.rectangle((0.09 * width, 0.295 * height, 0.19 * width, 0.305 * height), fill=_ACCENT)
    for number, line in enumerate(lines):
        top = (0.38 + 0.145 * number) * height
        draw.text((0.09 * width, top), str(number + 1), font=_font("ExtraBold", round(0.07 * height)), fill=_ACCENT)
        draw.text((0.14 * width, top), line, font=_font("Medium", round(0.07 * height)), fill=_INK)
    return np.ascontiguousarray(np.asarray(page)[..., ::-1])


def _with_words_on_the_wall(picture: "Picture", words: str) -> "Picture":
    height, width = picture.shape[:2]
    layer = Image.new("L", (width, height), 0)
    font = _font("ExtraBold", round(0.085 * height))
    ImageDraw.Draw(layer).text((width / 2, 0.12 * height), words, font=font, fill=255, anchor="mm")
    light = np.asarray(layer, np.float32)[..., None] / 255 * 0.75
    return (picture * (1 - light) + np.array([214, 226, 240], np.float32) * light).astype(np.uint8)


@lru_cache(maxsize=8)
def _font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(font_manrope.__file__).parent / "files" / f"Manrope-{weight}.ttf"), size)
