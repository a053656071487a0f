"""What every embedding engine promises."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = ["Embedder", "Image", "Vectors"]

Image = npt.NDArray[np.uint8]
"""Height × width × BGR."""

Vectors = npt.NDArray[np.float32]
"""One row for each thing, of length 1: the product of two rows is the cosine of their angle."""


@runtime_checkable
class Embedder(Protocol):
    """Places pictures and sentences in one space, so that a sentence lies near the pictures that it describes."""

    @property
    def name(self) -> str:
        """Engine, model and checkpoint; vectors are comparable only where this is equal."""

    @property
    def dimensions(self) -> int:
        """Numbers a vector."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """A row for each text, in order; what is longer than the model reads is cut, never refused."""

    def embed_images(self, pictures: Sequence[Image]) -> Vectors:
        """A row for each picture, in order; the pictures may differ in size."""
