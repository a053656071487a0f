"""Engines that find faces, behind one small contract."""

from cliply_resources.vision.contract import FaceBox, FaceDetector, Image, Sides
from cliply_resources.vision.opening import open_detector

__all__ = ["FaceBox", "FaceDetector", "Image", "Sides", "open_detector"]
