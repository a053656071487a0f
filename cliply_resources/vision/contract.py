"""What every face detector promises."""

from typing import Literal, Protocol, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["SMALLEST_FACE", "FaceBox", "FaceDetector", "Image", "Sides"]

Image = npt.NDArray[np.uint8]
"""Height × width × BGR."""

Sides = Literal["no", "if_needed", "always"]
"""Whether to look for faces seen from the side where that costs extra: never, only where nobody faces the camera, always."""

SMALLEST_FACE = 0.08
"""Height of a face as a fraction of the picture below which nobody would frame a clip on it."""


class FaceBox(msgspec.Struct, frozen=True):
    """One face: left, top, width and height as fractions of the picture, and how sure the detector is (0 to 1)."""

    x: float
    y: float
    w: float
    h: float
    score: float

    @property
    def center(self) -> tuple[float, float]:
        """Its middle, as fractions of the picture."""
        return self.x + self.w / 2, self.y + self.h / 2

    def overlap(self, other: "FaceBox") -> float:
        """Area in common as a fraction of the area of both together, 0 to 1."""
        wide = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        high = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        if wide <= 0 or high <= 0:
            return 0.0
        return wide * high / (self.w * self.h + other.w * other.h - wide * high)


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces in one picture; holds no memory of earlier ones, so that the same picture gives the same boxes."""

    @property
    def name(self) -> str:
        """Engine, model and version, as recorded beside the results."""

    @property
    def searches_regions(self) -> bool:
        """Whether a small cut-out costs much less than the whole picture, so that known faces are cheaply followed."""

    def detect(self, frame: Image, *, smallest: float = SMALLEST_FACE, sides: Sides = "if_needed") -> list[FaceBox]:
        """The faces in `frame`, the surest first, inside the picture and without doubles; an empty list where there are none.

        `smallest` is the least height of a face, as a fraction of the frame's height.
        """
