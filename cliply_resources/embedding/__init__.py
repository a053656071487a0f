"""Engines that place pictures and words in one space, behind one small contract."""

from cliply_resources.embedding.contract import Embedder, Image, Vectors
from cliply_resources.embedding.opening import embedder_fingerprint, open_embedder

__all__ = ["Embedder", "Image", "Vectors", "embedder_fingerprint", "open_embedder"]
