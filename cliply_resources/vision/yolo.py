"""Faces by ultralytics, for users who have weights."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cliply_resources.errors import StepFailed, ToolMissing
from cliply_resources.vision.contract import SMALLEST_FACE, FaceBox, Image, Sides

__all__ = ["YoloFaceDetector"]

LEAST_SCORE = 0.35
"""Below it the usual face weights report hands, posters and patterns."""

FACE_CLASS = "face"


class YoloFaceDetector:
    """Faces found by a YOLO model whose weights the user brings. See `FaceDetector`.

    Weights that know several classes must have one called `face`; a person's whole body is not a face. `home` is where
    ultralytics may write its own settings.

    Raises:
        ToolMissing: ultralytics or the weights are not there.
        StepFailed: the file is not a YOLO model, or not one for faces.
    """

    searches_regions = False

    def __init__(self, weights: Path, *, home: Path) -> None:
        if find_spec("ultralytics") is None:
            raise ToolMissing(
                "Face weights are configured, but ultralytics is not installed.",
                remedy='Install it with: pip install "cliply[ml]", or unset CLIPLY_YOLO_WEIGHTS.',
            )
        if not weights.is_file():
            raise ToolMissing(
                f"The face weights {weights} do not exist.",
                remedy="Point CLIPLY_YOLO_WEIGHTS to the file, or unset it to use the bundled detector.",
            )
        self._model, version = _load(weights, home)
        self._classes = _face_classes(self._model.names, weights)
        self.name = f"ultralytics-{version} {weights.name}"

    def detect(
        self,
        frame: Image,
        *,
        smallest: float = SMALLEST_FACE,
        sides: Sides = "if_needed",  # noqa: ARG002 - the contract has it; this model sees sides anyway
    ) -> list[FaceBox]:
        """As the contract says; sides cost nothing extra here, so `sides` makes no difference."""
        result = self._model.predict(frame, conf=LEAST_SCORE, classes=self._classes, verbose=False)[0]
        corners = result.boxes.xyxyn.cpu().numpy()
        scores = result.boxes.conf.cpu().numpy()
        boxes = [
            _inside(*(float(edge) for edge in box), score=float(s)) for box, s in zip(corners, scores, strict=True)
        ]
        return sorted((box for box in boxes if box.h >= smallest and box.w > 0), key=lambda each: -each.score)


def _load(weights: Path, home: Path) -> tuple[Any, str]:
    # Without these ultralytics reaches for the network and installs packages while it runs.
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false")
    os.environ.setdefault("YOLO_CONFIG_DIR", str(home / "ultralytics"))
    import ultralytics

    try:
        return ultralytics.YOLO(str(weights), task="detect"), str(ultralytics.__version__)
    except (RuntimeError, ValueError, KeyError, AttributeError, TypeError, EOFError) as problem:
        raise StepFailed(
            f"The face weights {weights.name} cannot be loaded: {problem}. Use a YOLO detection model for faces.",
            detail=repr(problem),
        ) from problem


def _face_classes(names: dict[int, str], weights: Path) -> list[int]:
    if len(names) == 1:
        return list(names)
    faces = [number for number, name in names.items() if name.lower() == FACE_CLASS]
    if not faces:
        raise StepFailed(
            f"The weights {weights.name} know {len(names)} classes, but none called {FACE_CLASS!r}. "
            "Use weights that were trained to find faces."
        )
    return faces


def _inside(left: float, top: float, right: float, bottom: float, *, score: float) -> FaceBox:
    left, right = max(left, 0.0), min(right, 1.0)
    top, bottom = max(top, 0.0), min(bottom, 1.0)
    return FaceBox(left, top, max(right - left, 0.0), max(bottom - top, 0.0), score)
