"""The two people of the sample talk, drawn from one public-domain portrait (NASA, by way of scikit-image).

The guest is the portrait itself, cut out of its background. The host is its mirror image with other clothes, other hair
and glasses. Each has a strip of mouths, from a smile at rest over closed to wide open.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import msgspec
import numpy as np
from skimage import data

from cliply_assets.sample.truth import PORTRAIT_SIDE, Person

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[Any]

__all__ = ["Sprite", "sprite"]

_JAW_DROP = (0.0, -3.2, -1.0, 1.4, 3.6, 6.0)
"""How far the lower lip is from its place in the portrait, in the portrait's pixels, for each mouth."""

_MOUTH_PATCH = (194, 134, 60, 48)
"""x, y, width, height around mouth and chin; everything in it belongs to the face, so it needs no transparency."""
_MOUTH_MIDDLE, _MOUTH_HALF_WIDTH = 224.0, 21.0
_LIP_TOP, _LIP_SAG = 140.0, 9.0  # the edge between teeth and lower lip is a parabola through both corners of the mouth
_CHIN_END = 180.0  # nothing below it moves

_BODY = (
    *((60, 500), (40, 420), (55, 300), (80, 235), (120, 200), (130, 165), (180, 150), (165, 110), (165, 70), (190, 35)),
    *((230, 24), (270, 40), (290, 80), (285, 115), (262, 135), (250, 165), (274, 206), (300, 245), (330, 260)),
    *((350, 345), (400, 360), (450, 390), (480, 460), (490, 500)),
)
"""Surely the person."""
_AROUND = (
    *((40, 511), (15, 420), (30, 300), (50, 225), (105, 190), (110, 170), (140, 140), (150, 125), (148, 60), (170, 25)),
    *((230, 10), (285, 25), (305, 80), (300, 130), (280, 165), (310, 200), (312, 235), (350, 250), (368, 345)),
    *((400, 335), (470, 360), (505, 450), (511, 511)),
)
"""Surely not the person is everything outside."""
_GAPS = (((171, 119), (180, 121), (184, 146), (172, 147)), ((264, 150), (274, 150), (284, 190), (274, 184), (258, 170)))
"""Background that shows between ears and collar."""
_HAIR = (
    *((154, 92), (158, 60), (178, 30), (210, 16), (250, 16), (285, 38), (302, 75), (300, 105), (284, 128), (268, 132)),
    *(
        (266, 112),
        (262, 86),
        (240, 82),
        (215, 80),
        (192, 72),
        (184, 84),
        (181, 105),
        (182, 120),
        (172, 118),
        (158, 108),
    ),
)
_EYES = ((204.0, 101.0), (246.0, 103.5))


class Sprite(msgspec.Struct, frozen=True):
    """One person at one size. `picture` is BGRA; the mouths lie one below the other in `mouths` (BGR), each as high as
    `mouth_box` says, and belong at its x and y in the picture. All lengths are even."""

    picture: "Image"
    mouths: "Image"
    mouth_box: tuple[int, int, int, int]


def sprite(person: Person, side: int) -> Sprite:
    """The whole portrait of `person`, `side` pixels wide and high."""
    scale = side / PORTRAIT_SIDE
    colours, alpha = _guest() if person == "guest" else _host()
    big = cv2.resize(colours, (side, side), interpolation=cv2.INTER_LANCZOS4)
    soft = cv2.GaussianBlur(big, (0, 0), 1.2 * scale)
    big = cv2.addWeighted(big, 1.5, soft, -0.5, 0)
    if person == "host":
        _draw_glasses(big, scale)
    edge = cv2.resize(cv2.GaussianBlur(alpha, (0, 0), 1.2), (side, side), interpolation=cv2.INTER_CUBIC)
    # The edge moves a little inwards, as its outermost pixels still have the old background's colour.
    edge = np.clip((edge.astype(np.float32) - 120) * (255 / 100), 0, 255).astype(np.uint8)
    box = _even_box(person, scale)
    mouths = _mouth_strip(big, person, scale, box)
    return Sprite(picture=np.dstack([big, edge]), mouths=mouths, mouth_box=box)


@lru_cache(maxsize=1)
def _guest() -> "tuple[Image, Image]":
    colours = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)  # type: ignore[no-untyped-call]  # it comes without types
    belongs = np.full((PORTRAIT_SIDE, PORTRAIT_SIDE), cv2.GC_BGD, np.uint8)
    cv2.fillPoly(belongs, [np.array(_AROUND)], cv2.GC_PR_FGD)
    cv2.fillPoly(belongs, [np.array(_BODY)], cv2.GC_FGD)
    for gap in _GAPS:
        cv2.fillPoly(belongs, [np.array(gap)], cv2.GC_BGD)
    # GrabCut starts from random clusters; the film must come out the same every time.
    cv2.setRNGSeed(1)
    everywhere = (0, 0, PORTRAIT_SIDE, PORTRAIT_SIDE)
    cv2.grabCut(colours, belongs, everywhere, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(belongs, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels, areas, _ = cv2.connectedComponentsWithStats(inside)
    alpha = np.where(labels == 1 + areas[1:, cv2.CC_STAT_AREA].argmax(), 255, 0).astype(np.uint8)
    return colours, alpha


@lru_cache(maxsize=1)
def _host() -> "tuple[Image, Image]":
    colours, alpha = _guest()
    hsv: Image = cv2.cvtColor(colours, cv2.COLOR_BGR2HSV).astype(np.float32)
    rows = np.arange(PORTRAIT_SIDE, dtype=np.float32)[:, None]
    suit = (
        np.clip((hsv[..., 1] - 80) / 50, 0, 1)
        * np.clip((rows - 185) / 10, 0, 1)
        * ((hsv[..., 0] < 25) | (hsv[..., 0] > 165))
    )
    hsv[..., 0] = np.where(suit > 0.5, (hsv[..., 0] + 96) % 180, hsv[..., 0])
    hsv[..., 1] *= 1 - 0.35 * suit
    hsv[..., 2] *= 1 - 0.45 * suit
    other: Image = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR).astype(np.float32)
    hair = np.zeros((PORTRAIT_SIDE, PORTRAIT_SIDE), np.uint8)
    cv2.fillPoly(hair, [np.array(_HAIR)], 255)
    mask = cv2.GaussianBlur(hair, (0, 0), 2.5).astype(np.float32)[..., None] / 255
    dark = other * np.array([0.42, 0.36, 0.40], np.float32)
    other = other * (1 - mask) + dark * mask
    return np.ascontiguousarray(other[:, ::-1].astype(np.uint8)), np.ascontiguousarray(alpha[:, ::-1])


def _draw_glasses(picture: "Image", scale: float) -> None:
    def at(x: float, y: float) -> tuple[int, int]:
        # Sixteenths of a pixel (shift=4), so that the rims keep their shape at every size.
        return round((PORTRAIT_SIDE - x) * scale * 16), round(y * scale * 16)

    rim: dict[str, Any] = {
        "color": (38, 30, 30),
        "thickness": max(1, round(1.1 * scale)),
        "lineType": cv2.LINE_AA,
        "shift": 4,
    }
    for x, y in _EYES:
        cv2.ellipse(picture, at(x, y + 1), (round(14 * scale * 16), round(11 * scale * 16)), 0, 0, 360, **rim)
    (left_x, left_y), (right_x, right_y) = _EYES
    cv2.line(picture, at(left_x + 14, left_y), at(right_x - 14, right_y), **rim)
    cv2.line(picture, at(left_x - 14, left_y), at(184, left_y - 3), **rim)
    cv2.line(picture, at(right_x + 14, right_y), at(270, right_y), **rim)


def _even_box(person: Person, scale: float) -> tuple[int, int, int, int]:
    x, y, width, height = _MOUTH_PATCH
    if person == "host":
        x = PORTRAIT_SIDE - x - width
    left, top = 2 * round(x * scale / 2), 2 * round(y * scale / 2)
    return left, top, 2 * round(width * scale / 2), 2 * round(height * scale / 2)


def _mouth_strip(picture: "Image", person: Person, scale: float, box: tuple[int, int, int, int]) -> "Image":
    """All mouths, one below the other: the lower lip and chin pulled up or down, and darkness behind the teeth."""
    left, top, width, height = box
    y, x = np.mgrid[top : top + height, left : left + width].astype(np.float32)
    across = (PORTRAIT_SIDE - x / scale if person == "host" else x / scale) - _MOUTH_MIDDLE
    down = y / scale
    from_middle = np.clip(np.abs(across) / _MOUTH_HALF_WIDTH, 0, 1)
    lip = _LIP_TOP + _LIP_SAG * (1 - from_middle**2)
    strip = []
    for drop in _JAW_DROP:
        moved = drop * (1 - from_middle**2) ** 1.5
        below = np.clip((_CHIN_END - down) / (_CHIN_END - lip - moved), 0, 1)
        taken = down - np.where(down >= lip + moved, moved * below, 0)
        face = cv2.remap(picture, x, (taken * scale).astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        gap = (
            np.clip(np.minimum(down - lip + 0.5, lip + moved - down + 0.3), 0, 1)[..., None] * (moved > 0.2)[..., None]
        )
        strip.append(face * (1 - gap) + np.array([34, 24, 58], np.float32) * gap)
    return np.concatenate(strip).clip(0, 255).astype(np.uint8)
