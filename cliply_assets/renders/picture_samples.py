"""A few small pictures of a clip's span, and what they tell without knowing any face: black bars, and whether it is a screen."""

import re
import tempfile
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cliply_assets.renders.frame_choice import face_cascade
from cliply_resources.documents.spans import Span
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.media_tools.process import ProcessLimits
from cliply_resources.progress import silent

__all__ = [
    "NO_SAMPLES",
    "PictureSamples",
    "corner_face",
    "find_content",
    "looks_like_screen",
    "sample_picture",
    "written_columns",
]

_WIDTH = 960  # pixels; letters on a screen are still edges, and a face in a small camera can be found
_EVERY = 2.0  # s between samples at least
_MOST = 30

_BLACK = 20  # grey levels; encoded black is never quite black
_EDGE_LIGHT = (
    40  # what a picture's outermost line shows somewhere, where it ends at a bar and does not fade into darkness
)
_THINNEST = 0.03  # of the picture; thinner bars are not worth the loss of sharpness
_UNEVEN = 0.02  # bars are equally thick on both sides
_LEAST_LEFT = 0.3  # of the picture's area

_FLAT_STEP, _FLAT_SHARE = 3, 0.55  # a screen is mostly one plain colour beside another
_INK_STEP, _INK_SHARE = 40, 0.006  # with letters and lines that are sharp
_STILL_STEP, _STILL_SHARE = 12, 0.93  # and it stands still, or changes at once

_CORNER = (0.36, 0.46)  # of width and height: where a small camera may be
_CORNER_FACE = 0.045, 0.22  # of the picture's height
_SEEN_AGAIN = 0.5  # of the pictures must show a face at the same place
_LOOKED_AT = 6

Grey = npt.NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True)
class PictureSamples:
    """Grey pictures (count, height, width) and when in the source each is shown."""

    times: npt.NDArray[np.float64]
    pictures: Grey

    def during(self, start: float, end: float) -> Grey:
        """The pictures of a stretch."""
        return np.asarray(self.pictures[(self.times >= start - 0.05) & (self.times < end - 0.05)], np.uint8)


NO_SAMPLES = PictureSamples(np.zeros(0), np.zeros((0, 2, 2), np.uint8))


def sample_picture(
    source: Path, span: Span, *, source_size: tuple[int, int], deadline_seconds: float
) -> PictureSamples:
    """Keyframes of the span, two seconds apart or more; only they are decoded, which costs hardly anything.

    Raises MediaError, StepFailed and DeadlineExceeded as every use of ffmpeg.
    """
    height = max(2, 2 * round(_WIDTH * source_size[1] / source_size[0] / 2))
    with tempfile.TemporaryDirectory(prefix="cliply-look-") as folder:
        finished = run_ffmpeg(
            [
                *guarded_input(
                    source,
                    *("-skip_frame", "nokey", "-noaccurate_seek"),
                    *("-ss", f"{span.start:.3f}", "-t", f"{span.duration:.3f}"),
                ),
                *("-map", "0:V:0", "-an", "-fps_mode", "passthrough"),
                "-vf",
                f"select='isnan(prev_selected_t)+gte(t-prev_selected_t,{_EVERY})',"
                f"scale={_WIDTH}:{height}:flags=area,format=gray,showinfo=checksum=0",
                *("-frames:v", str(_MOST), "-f", "rawvideo", "file:pictures.raw"),
            ],
            duration=None,
            progress=silent,
            deadline_seconds=deadline_seconds,
            doing="looking at the picture",
            cwd=Path(folder),
            limits=ProcessLimits(stderr_bytes=1024**2),
            log_level="info",
        )
        raw = np.fromfile(Path(folder) / "pictures.raw", np.uint8)
    times = [float(found) for found in re.findall(r"showinfo.*? n: *\d+ .*?pts_time:(-?[\d.]+)", finished.log)]
    count = min(len(times), raw.size // (_WIDTH * height))
    pictures = raw[: count * _WIDTH * height].reshape(count, height, _WIDTH)
    return PictureSamples(np.array(times[:count]) + span.start, pictures)


def find_content(samples: PictureSamples, source_size: tuple[int, int]) -> Rectangle:
    """The part of the source between black bars: left, top, width, height in even source pixels; all of it without bars.

    Bars are black throughout, equally thick on both sides, and end sharply: a dark room has none.
    """
    whole = (0, 0, source_size[0] - source_size[0] % 2, source_size[1] - source_size[1] % 2)
    if not len(samples.pictures):
        return whole
    bright = np.percentile(samples.pictures, 99, axis=0) if len(samples.pictures) > 2 else samples.pictures.max(axis=0)
    edges = []
    for axis, length in ((1, bright.shape[1]), (0, bright.shape[0])):
        lines = np.percentile(bright, 99, axis=1 - axis)
        edges.append(_bars(lines, length))
    (left, right), (top, bottom) = edges
    across, down = source_size[0] / bright.shape[1], source_size[1] / bright.shape[0]
    x, y = 2 * ceil((left + 0.6 * bool(left)) * across / 2), 2 * ceil((top + 0.6 * bool(top)) * down / 2)
    width = whole[2] - x - 2 * ceil((right + 0.6 * bool(right)) * across / 2)
    height = whole[3] - y - 2 * ceil((bottom + 0.6 * bool(bottom)) * down / 2)
    return (x, y, width, height) if width * height >= _LEAST_LEFT * 0.9 * whole[2] * whole[3] else whole


def _bars(lines: npt.NDArray[np.float64], length: int) -> tuple[int, int]:
    """How many lines at either end are black; none where that is no pair of bars."""
    seen = np.flatnonzero(lines > _BLACK)
    if not len(seen):
        return 0, 0
    first, last = int(seen[0]), length - 1 - int(seen[-1])
    sharp = lines[min(first + 2, length - 1)] >= _EDGE_LIGHT and lines[max(length - 3 - last, 0)] >= _EDGE_LIGHT
    even = abs(first - last) <= max(2, _UNEVEN * length)
    return (first, last) if sharp and even and min(first, last) >= _THINNEST * length else (0, 0)


def looks_like_screen(pictures: Grey, without: tuple[float, float, float, float]) -> bool:
    """Whether pictures of one shot show a computer's screen or a slide; the box `without` (fractions) is not looked at."""
    if not len(pictures):
        return False
    steps = [_steps(picture) for picture in pictures]
    counted = np.ones(pictures.shape[1:], bool)
    height, width = pictures.shape[1], pictures.shape[2]
    left, top, right, bottom = without
    counted[int(top * height) : ceil(bottom * height), int(left * width) : ceil(right * width)] = False
    flat = min(float((step[counted] <= _FLAT_STEP).mean()) for step in steps)
    ink = max(float((step[counted] >= _INK_STEP).mean()) for step in steps)
    moved = [
        float((np.abs(one.astype(np.int16) - other) <= _STILL_STEP)[counted].mean())
        for one, other in zip(pictures[:-1], pictures[1:].astype(np.int16), strict=True)
    ]
    # A page that is turned changes much at once; most of the time it does not.
    still = not moved or float(np.median(moved)) >= _STILL_SHARE
    return flat >= _FLAT_SHARE and ink >= _INK_SHARE and still


def _steps(picture: Grey) -> npt.NDArray[np.int16]:
    wide = picture.astype(np.int16)
    across, down = np.abs(np.diff(wide, axis=1))[:-1], np.abs(np.diff(wide, axis=0))[:, :-1]
    steps = np.zeros(wide.shape, np.int16)
    steps[:-1, :-1] = np.maximum(across, down)
    return steps


def written_columns(pictures: Grey, without: tuple[float, float, float, float]) -> tuple[float, float]:
    """From where to where (fractions of the width) a screen has letters or lines; all of it where there are none."""
    if not len(pictures):
        return 0.0, 1.0
    height, width = pictures.shape[1], pictures.shape[2]
    ink = np.zeros((height, width), bool)
    for picture in pictures:
        ink |= _steps(picture) >= _INK_STEP
    left, top, right, bottom = without
    ink[int(top * height) : ceil(bottom * height), int(left * width) : ceil(right * width)] = False
    columns = np.flatnonzero(ink.sum(axis=0) >= 2)
    return (float(columns[0] / width), float((columns[-1] + 1) / width)) if len(columns) else (0.0, 1.0)


def corner_face(pictures: Grey) -> tuple[float, float, float, float] | None:
    """The middle, width and height (fractions) of a face that most pictures show at one place in one corner.

    It finds faces half as high as a search over the whole picture does, because it looks at the corners only, and enlarged.
    """
    if not len(pictures):
        return None
    chosen = pictures[:: max(1, len(pictures) // _LOOKED_AT)][:_LOOKED_AT]
    found = [(number, face) for number, picture in enumerate(chosen) for face in _corner_faces(picture)]
    best: list[tuple[float, float, float, float]] = []
    for _, (x, y, width, _) in found:
        near = {
            number: other for number, other in found if abs(other[0] - x) < width / 2 and abs(other[1] - y) < width / 2
        }
        if len(near) > len(best):
            best = list(near.values())
    if len(best) < max(1, _SEEN_AGAIN * len(chosen)):
        return None
    x, y, width, height = np.median(np.array(best), axis=0).tolist()
    return x, y, width, height


def _corner_faces(picture: Grey) -> list[tuple[float, float, float, float]]:
    import cv2

    high, wide = picture.shape[0], picture.shape[1]
    part_wide, part_high = round(_CORNER[0] * wide), round(_CORNER[1] * high)
    smallest, largest = (round(2 * share * high) for share in _CORNER_FACE)
    found = []
    for left in (0, wide - part_wide):
        for top in (0, high - part_high):
            cut = picture[top : top + part_high, left : left + part_wide]
            part = cv2.resize(cut, (2 * part_wide, 2 * part_high))
            boxes = face_cascade("haarcascade_frontalface_alt2.xml").detectMultiScale(
                part, 1.12, 5, minSize=(smallest, smallest), maxSize=(largest, largest)
            )
            found += [
                ((left + (x + w / 2) / 2) / wide, (top + (y + h / 2) / 2) / high, w / 2 / wide, h / 2 / high)
                for x, y, w, h in boxes
            ]
    return found
