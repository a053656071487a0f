"""Small pictures with known truth: rooms that can be cut between, and a portrait that can be put into them."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

Picture = NDArray[np.uint8]
Room = Callable[..., Picture]
Scene = Callable[..., Picture]

FACE = (177 / 512, 66 / 512, 97 / 512, 97 / 512)
"""The face in the portrait: left, top, width, height."""


@pytest.fixture(scope="session")
def room() -> Room:
    """`room(seed, width, height)`: a colourful place that looks like no other seed's."""

    def paint(seed: int, width: int = 64, height: int = 36) -> Picture:
        coarse = np.random.default_rng(seed).integers(20, 220, (5, 8, 3), dtype=np.uint8)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)

    return paint


@pytest.fixture(scope="session")
def portrait() -> Picture:
    """The public-domain portrait that comes with scikit-image, BGR."""
    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)


@pytest.fixture(scope="session")
def scene(room: Room, portrait: Picture) -> Scene:
    """`scene([(x, size, guest), …], seed)`: 640 × 360 with portraits whose faces' middles are at `x` (fraction)."""
    cooler = np.clip(portrait[:, ::-1].astype(np.float32) * (1.15, 0.95, 0.7), 0, 255).astype(np.uint8)

    def draw(people: list[tuple[float, int, bool]], seed: int = 1) -> Picture:
        picture = room(seed, 640, 360) // 2 + 40
        for x, size, guest in people:
            middle = FACE[0] + FACE[2] / 2
            left = round(x * 640 - size * (1 - middle if guest else middle))
            figure = cv2.resize(cooler if guest else portrait, (size, size), interpolation=cv2.INTER_AREA)
            top = 380 - size
            x0, x1 = max(0, left), min(640, left + size)
            y0 = max(0, top)
            picture[y0:, x0:x1] = figure[y0 - top : 360 - top, x0 - left : x1 - left]
        return picture

    return draw


@pytest.fixture(scope="session")
def face_height() -> Callable[[int], float]:
    """Height of the face, as a fraction of the picture, of a portrait drawn at this size."""
    return lambda size: FACE[3] * size / 360
