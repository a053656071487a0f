"""Picks the frame of a clip that a viewer would stop at: a sharp, well lit face with open eyes, away from cuts."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cliply_resources.documents import RenderSpec

if TYPE_CHECKING:
    from av.container import InputContainer
    from cv2 import CascadeClassifier

__all__ = ["FrameFacts", "Region", "best_frame", "face_cascade", "look_at_frames"]

_LOOKED_AT = 40  # frames at most; a face search costs about 10 ms each
_WIDTH = 360  # pixels of the pictures that are looked at
_KEYFRAMES_ENOUGH = 8
_NEAR_CUT = 0.2  # s; what is shown this close to a cut may still be half of the other picture
_ABOVE_CAPTIONS = 0.6  # share of the height; captions are sharp and bright, and would decide instead of the picture

Region = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture."""


@dataclass(frozen=True)
class FrameFacts:
    """What one frame offers. `sharpness` compares within one clip only."""

    frame: int
    sharpness: float
    brightness: float
    """0 to 255."""
    contrast: float
    face: Region | None
    eyes: int
    from_cut: float
    """Seconds to the nearest cut of the camera, or to the clip's ends."""


def best_frame(facts: Sequence[FrameFacts]) -> FrameFacts:
    """The one with the highest total; the first of equals. `facts` must not be empty."""
    sharpest = max(fact.sharpness for fact in facts) or 1.0

    def total(fact: FrameFacts) -> float:
        score = 2.0 * math.sqrt(fact.sharpness / sharpest)
        score += 1.0 - min(1.0, abs(fact.brightness - 120) / 120) + min(fact.contrast / 60, 1.0)
        if fact.face is not None:
            left, top, right, bottom = fact.face
            middle = 1 - abs((left + right) / 2 - 0.5)
            score += 1.5 + min(1.0, (bottom - top) / 0.25) + 0.5 * middle + 0.7 * min(fact.eyes, 2)
        return score - (1.5 if fact.from_cut < _NEAR_CUT else 0.0)

    return max(facts, key=lambda fact: (total(fact), -fact.frame))


def look_at_frames(clip: Path, spec: RenderSpec) -> list[FrameFacts]:
    """Facts of up to 40 frames spread over a rendered clip; at least one."""
    import cv2

    rate = Fraction(spec.frame_rate)
    cuts = [0, *(move.first_frame for move in spec.camera[1:]), spec.frames]
    found = []
    for frame, picture in _spread(clip, spec):
        height = round(picture.shape[0] * _WIDTH / picture.shape[1])
        gray = cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA)
        upper = np.asarray(gray[: round(height * _ABOVE_CAPTIONS)], dtype=np.uint8)
        face, eyes = _face(upper, height)
        found.append(
            FrameFacts(
                frame=frame,
                sharpness=float(cv2.Laplacian(upper, cv2.CV_32F).var()),
                brightness=float(upper.mean()),
                contrast=float(upper.std()),
                face=face,
                eyes=eyes,
                from_cut=float(min(abs(frame - cut) for cut in cuts) / rate),
            )
        )
    return found


def _spread(clip: Path, spec: RenderSpec) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Frame number and brightness picture of frames spread over the clip; of a long one keyframes, which decode alone."""
    import av

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        by_keyframe = spec.frames >= _KEYFRAMES_ENOUGH * int(spec.settings["keyframe_seconds"]) * Fraction(
            spec.frame_rate
        )
        stream.codec_context.skip_frame = "NONKEY" if by_keyframe else "NONREF"
        yield from _thinned(container, spec)


def _thinned(container: "InputContainer", spec: RenderSpec) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    rate = Fraction(spec.frame_rate)
    step = spec.frames / _LOOKED_AT
    due = 0.0
    for picture in container.decode(video=0):
        if picture.pts is None or picture.time_base is None:
            continue
        number = round(picture.pts * picture.time_base * rate)
        if spec.outro_frames and number >= spec.frames:
            return
        number = min(number, spec.frames - 1)
        if number < due:
            continue
        due = number + step
        yield number, np.asarray(picture.to_ndarray(format="gray"), dtype=np.uint8)


@lru_cache(maxsize=2)
def face_cascade(name: str) -> "CascadeClassifier":
    """One of the cascades that come with OpenCV."""
    import cv2

    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / name))


def _face(upper: NDArray[np.uint8], height: int) -> tuple[Region | None, int]:
    """The largest face that shows eyes (a false one seldom does), and how many."""
    smallest = max(24, height // 14)
    faces = face_cascade("haarcascade_frontalface_alt2.xml").detectMultiScale(
        upper, 1.15, 5, minSize=(smallest, smallest)
    )
    best: tuple[int, int, tuple[int, int, int, int]] | None = None
    for x, y, w, h in faces:
        inside = upper[y : y + h * 2 // 3, x : x + w]
        eyes = len(face_cascade("haarcascade_eye.xml").detectMultiScale(inside, 1.1, 4, minSize=(w // 9, h // 9)))
        rank = (min(eyes, 2), int(w))
        if best is None or rank > best[:2]:
            best = (*rank, (int(x), int(y), int(w), int(h)))
    if best is None:
        return None, 0
    x, y, w, h = best[2]
    width = upper.shape[1]
    return (x / width, y / height, (x + w) / width, (y + h) / height), best[0]
