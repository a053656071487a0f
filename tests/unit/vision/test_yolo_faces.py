"""The YOLO adapter through ultralytics' real loader, on a small random model; runs where ultralytics is installed."""

import numpy as np
import pytest

ultralytics = pytest.importorskip("ultralytics")

from cliply_resources.errors import StepFailed  # noqa: E402 - after the skip
from cliply_resources.settings import Settings  # noqa: E402
from cliply_resources.vision import FaceDetector, open_detector  # noqa: E402


def weights_for(folder, names):
    model = ultralytics.YOLO("yolov8n.yaml", task="detect")
    model.model.names = names
    path = folder / "face.pt"
    model.save(path)
    return path


@pytest.mark.slow
def test_it_keeps_the_contract(tmp_path):
    detector = open_detector(Settings(home=tmp_path, yolo_weights=weights_for(tmp_path, {0: "face"})))
    found = detector.detect(np.random.default_rng(1).integers(0, 255, (360, 640, 3), dtype=np.uint8))

    assert isinstance(detector, FaceDetector)
    assert "ultralytics" in detector.name
    assert all(0 <= box.x <= box.x + box.w <= 1.0001 and box.h >= 0.08 for box in found)


@pytest.mark.slow
def test_weights_that_know_no_faces_are_refused(tmp_path):
    path = weights_for(tmp_path, {0: "cat", 1: "dog"})
    with pytest.raises(StepFailed, match="none called 'face'"):
        open_detector(Settings(home=tmp_path, yolo_weights=path))


@pytest.mark.slow
def test_a_file_that_is_no_model_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "face.pt"
    path.write_bytes(b"not a model")
    with pytest.raises(StepFailed, match="cannot be loaded"):
        open_detector(Settings(home=tmp_path, yolo_weights=path))
