"""Which face detector this installation uses."""

from cliply_resources.settings import Settings
from cliply_resources.vision.contract import FaceDetector
from cliply_resources.vision.haar import HaarFaceDetector
from cliply_resources.vision.yolo import YoloFaceDetector

__all__ = ["open_detector"]


def open_detector(settings: Settings) -> FaceDetector:
    """The user's own YOLO weights where they are configured, otherwise the bundled cascades.

    Weights that are configured but unusable are an error and never quietly replaced: results would differ without a word.

    Raises:
        ToolMissing: what the configured detector needs is not installed.
        StepFailed: the configured weights are not a face model.
    """
    if settings.yolo_weights is not None:
        return YoloFaceDetector(settings.yolo_weights, home=settings.home)
    return HaarFaceDetector()
