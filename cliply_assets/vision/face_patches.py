"""What the pixels of one face say: how it looks, and how much its mouth moved."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cliply_resources.vision.contract import FaceBox, Image

if TYPE_CHECKING:
    from cv2.typing import MatLike

__all__ = ["Look", "describe_face", "find_again", "mouth_change"]

Look = npt.NDArray[np.float32]
"""Shape of the face, colours of the face, colours of what is worn: three unit vectors behind each other."""

FACE_SIDE = 48
"""Pixels of the patch on which mouths are compared; larger ones only add noise at 360 lines."""
MARGIN = 8
"""Pixels around it that a head may have moved by within the box."""


def describe_face(frame: Image, box: FaceBox) -> Look:
    """A compact description by which the same person is known again in the same video.

    Histograms of oriented gradients of the face (64 × 64, slightly blurred, brightness equalised; 9 blocks of 36), less each
    block's mean, which all faces share; and chroma histograms (144 each) of the face and of what is worn below it. Each part has
    length 1, so that parts are compared by their scalar product.
    """
    import cv2

    gray = cv2.cvtColor(_cut(frame, box.x, box.y, box.w, box.h, (64, 64)), cv2.COLOR_BGR2GRAY)
    gray = cv2.equalizeHist(cv2.GaussianBlur(gray, (5, 5), 1.2))
    gradients = cv2.HOGDescriptor((64, 64), (32, 32), (16, 16), (16, 16), 9).compute(gray)
    blocks = np.asarray(gradients, np.float32).reshape(9, 36)
    shape = (blocks - blocks.mean(axis=1, keepdims=True)).ravel()
    inner = _cut(frame, box.x + 0.15 * box.w, box.y + 0.1 * box.h, 0.7 * box.w, 0.8 * box.h, (32, 32))
    worn = _cut(frame, box.x - 0.4 * box.w, box.y + 1.4 * box.h, 1.8 * box.w, 1.2 * box.h, (32, 32))
    return np.concatenate([_unit(shape), _colours(inner), _colours(worn)])


def mouth_change(before: "MatLike", now: "MatLike", *, was: FaceBox, box: FaceBox) -> float:
    """Mean absolute change of the mouth region between two gray frames, 0 to 1, after the heads are laid over each other.

    The heads are aligned by eyes and nose, so that nodding and a jittering box do not look like speech.
    """
    import cv2

    # One size for both: the detector's sizes come in steps of a fifth.
    width, height = (was.w + box.w) / 2, (was.h + box.h) / 2
    first = _padded(before, was, width, height)
    second = _padded(now, box, width, height)
    top, left = MARGIN + 8, MARGIN + 6
    eyes = first[top : top + 22, left : left + 36]
    fit = cv2.matchTemplate(second, eyes, cv2.TM_CCOEFF_NORMED)
    _, best, _, (found_left, found_top) = cv2.minMaxLoc(fit)
    shift_x, shift_y = (found_left - left, found_top - top) if best > 0.3 else (0, 0)
    mouth_top, mouth_left, high, wide = MARGIN + 31, MARGIN + 11, 15, 26
    shift_y = min(max(shift_y, -mouth_top), second.shape[0] - high - mouth_top)
    shift_x = min(max(shift_x, -mouth_left), second.shape[1] - wide - mouth_left)
    one = first[mouth_top : mouth_top + high, mouth_left : mouth_left + wide].astype(np.float32)
    at_y, at_x = mouth_top + shift_y, mouth_left + shift_x
    other = second[at_y : at_y + high, at_x : at_x + wide].astype(np.float32)
    # Light that changes on the whole face is no speech.
    change = np.abs((one - one.mean()) - (other - other.mean())).mean()
    return float(change) / 255.0


def find_again(before: "MatLike", now: "MatLike", *, was: FaceBox, around: FaceBox) -> FaceBox | None:
    """Where the face that was at `was` is now, by its looks alone, within `around`; `None` where nothing resembles it.

    Bridges moments in which a detector blinks: a turned head, a hand before the mouth. The score is never above a half.
    """
    import cv2

    side = 32
    scale_x, scale_y = side / was.w, side / was.h
    wide, high = round(around.w * scale_x), round(around.h * scale_y)
    if wide < side or high < side:
        return None
    patch = _cut(before, was.x, was.y, was.w, was.h, (side, side))
    region = _cut(now, around.x, around.y, around.w, around.h, (wide, high))
    fit = cv2.matchTemplate(region, patch, cv2.TM_CCOEFF_NORMED)
    _, best, _, (left, top) = cv2.minMaxLoc(fit)
    if best < 0.6:
        return None
    return FaceBox(around.x + left / scale_x, around.y + top / scale_y, was.w, was.h, 0.5 * float(best))


def _padded(gray: "MatLike", box: FaceBox, width: float, height: float) -> "MatLike":
    x, y = box.center
    grow = (FACE_SIDE + 2 * MARGIN) / FACE_SIDE
    side = FACE_SIDE + 2 * MARGIN
    return _cut(gray, x - grow * width / 2, y - grow * height / 2, grow * width, grow * height, (side, side))


def _cut(picture: "MatLike", x: float, y: float, w: float, h: float, size: tuple[int, int]) -> "MatLike":
    """The rectangle (fractions, may stick out: edge pixels repeat) at `size`, placed to a fraction of a pixel."""
    import cv2

    high, wide = picture.shape[:2]
    scale_x, scale_y = size[0] / (w * wide), size[1] / (h * high)
    place = np.array(
        [
            [scale_x, 0, -x * wide * scale_x + 0.5 * scale_x - 0.5],
            [0, scale_y, -y * high * scale_y + 0.5 * scale_y - 0.5],
        ],
        np.float32,
    )
    return cv2.warpAffine(picture, place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _colours(patch: "MatLike") -> Look:
    """Chroma histogram, 8 × 8, blurred by a bin: dark and light of the same cloth should fall together."""
    import cv2

    lab = cv2.cvtColor(patch, cv2.COLOR_BGR2LAB)
    # Most chroma of real pictures lies in the middle third of the axes.
    counts = cv2.calcHist([lab], [1, 2], None, [12, 12], [80, 176, 80, 176])
    counts = cv2.GaussianBlur(counts, (3, 3), 0.8)
    return _unit(np.sqrt(np.asarray(counts, np.float32)).ravel())


def _unit(vector: Look) -> Look:
    length = float(np.linalg.norm(vector))
    return (vector / length if length > 0 else vector).astype(np.float32)
