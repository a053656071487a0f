"""One contract for every face detector, and which one is opened."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliply_resources.errors import ToolMissing
from cliply_resources.settings import Settings
from cliply_resources.vision import FaceBox, FaceDetector, open_detector
from cliply_resources.vision.haar import HaarFaceDetector

fractions = st.floats(0, 1, width=32)
boxes = st.builds(FaceBox, fractions, fractions, st.floats(0.01, 1), st.floats(0.01, 1), fractions)


@pytest.fixture(scope="module")
def detector() -> HaarFaceDetector:
    return HaarFaceDetector()


def test_it_keeps_the_contract(detector):
    assert isinstance(detector, FaceDetector)
    assert "opencv" in detector.name


@pytest.mark.parametrize("size", [220, 300, 420])
def test_a_frontal_face_is_found_where_it_is(detector, scene, face_height, size):
    (found,) = detector.detect(scene([(0.6, size, False)]))

    assert found.center[0] == pytest.approx(0.6, abs=0.015)
    assert found.h == pytest.approx(face_height(size), rel=0.35)
    assert 0.5 < found.score <= 1


def test_two_people_are_two_boxes_the_surest_first(detector, scene):
    found = detector.detect(scene([(0.25, 260, False), (0.75, 260, True)]))

    assert sorted(box.center[0] for box in found) == pytest.approx([0.25, 0.75], abs=0.015)
    assert [box.score for box in found] == sorted((box.score for box in found), reverse=True)


@pytest.mark.parametrize("sides", ["no", "if_needed", "always"])
def test_an_empty_room_has_no_faces(detector, room, sides):
    assert detector.detect(room(4, 640, 360), sides=sides) == []


def test_the_same_picture_gives_the_same_boxes(detector, scene):
    picture = scene([(0.4, 300, True)])

    assert detector.detect(picture) == detector.detect(picture)


def test_boxes_lie_inside_the_picture(detector, scene):
    for box in detector.detect(scene([(0.06, 330, False), (0.96, 330, True)]), sides="always"):
        assert 0 <= box.x <= box.x + box.w <= 1.0001
        assert 0 <= box.y <= box.y + box.h <= 1.0001


def test_faces_smaller_than_asked_for_are_left_out(detector, scene):
    assert detector.detect(scene([(0.5, 250, False)]), smallest=0.5) == []


def test_a_picture_too_small_to_hold_a_face_holds_none(detector):
    assert detector.detect(np.zeros((8, 12, 3), np.uint8)) == []


def test_without_weights_the_bundled_detector_is_used():
    assert isinstance(open_detector(Settings(yolo_weights=None)), HaarFaceDetector)


def test_weights_that_cannot_be_used_are_said_and_not_replaced(tmp_path):
    with pytest.raises(ToolMissing, match=r"YOLO_WEIGHTS|ultralytics"):
        open_detector(Settings(home=tmp_path, yolo_weights=tmp_path / "none.pt"))


@pytest.mark.skipif(importlib.util.find_spec("ultralytics") is not None, reason="ultralytics is installed")
def test_weights_without_ultralytics_name_the_package_to_install(tmp_path):
    weights = tmp_path / "face.pt"
    weights.write_bytes(b"x")
    with pytest.raises(ToolMissing, match=r"cliply\[ml\]"):
        open_detector(Settings(home=tmp_path, yolo_weights=weights))


@given(one=boxes, other=boxes)
def test_overlap_is_symmetric_and_whole_with_itself(one, other):
    assert one.overlap(other) == pytest.approx(other.overlap(one))
    assert 0 <= one.overlap(other) <= 1.000001
    assert one.overlap(one) == pytest.approx(1.0)
