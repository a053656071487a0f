"""The face detector that needs no download: the cascades that come with OpenCV."""

from pathlib import Path
from typing import TYPE_CHECKING

from cliply_resources.errors import ToolMissing
from cliply_resources.vision.contract import SMALLEST_FACE, FaceBox, Image, Sides

if TYPE_CHECKING:
    from cv2 import CascadeClassifier
    from cv2.typing import MatLike

__all__ = ["HaarFaceDetector"]

SCALE_STEP = 1.2
"""Finer steps double the time and bring four times the false faces."""

CASCADE_PIXELS = 20
"""The cascades were trained on windows of this size; nothing smaller can be found."""

WEAK_FRONT_VOTES = 4
"""Overlapping hits of a frontal face that is believed only with an eye in it. Measured: false ones have 3 or 4."""
SURE_FRONT_VOTES = 10
"""Hits from which a frontal face is believed as it is; 95 in 100 true ones have 11 or more."""
SIDE_VOTES = 5
"""Hits of a face seen from the side; below it hands and ears pass for one."""

EYE_BAND_WIDTH = 160
"""Pixels to which the band of a face that may hold its eyes is brought."""
EYE_SHARES = (0.175, 0.375)
"""Width of what passes for an eye, as shares of the face's. Wider bounds find no more eyes, and take four times as long."""

SIDE_SCAN_WIDTH = 320
"""Pixels; the side cascade costs twice the frontal one and is run twice, so it looks at a smaller picture."""


class HaarFaceDetector:
    """Frontal faces, confirmed by an eye where in doubt, and faces seen from either side. See `FaceDetector`."""

    searches_regions = True

    def __init__(self) -> None:
        import cv2

        if not hasattr(cv2, "CascadeClassifier"):
            raise ToolMissing(
                f"OpenCV {cv2.__version__} has no cascade detector.",
                remedy='Install it with: pip install "opencv-python-headless>=4.14,<5".',
            )
        self._front = _load("haarcascade_frontalface_alt2.xml")
        self._side = _load("haarcascade_profileface.xml")
        self._eye = _load("haarcascade_eye_tree_eyeglasses.xml")
        self.name = f"opencv-{cv2.__version__} haar frontal + profile"

    def detect(self, frame: Image, *, smallest: float = SMALLEST_FACE, sides: Sides = "if_needed") -> list[FaceBox]:
        """As the contract says; one core needs about 35 ms for 640 × 360, and twice as much more for the sides."""
        import cv2

        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        found = self._frontal(gray, smallest)
        if sides == "always" or (sides == "if_needed" and not found):
            found += self._seen_from_the_side(gray, smallest)
        return _without_doubles(found)

    def _frontal(self, gray: "MatLike", smallest: float) -> list[FaceBox]:
        boxes, votes = _scan(self._front, gray, smallest, WEAK_FRONT_VOTES)
        return [
            _as_fractions(box, gray, votes=vote)
            for box, vote in zip(boxes, votes, strict=True)
            if vote >= SURE_FRONT_VOTES or self._has_eye(gray, box)
        ]

    def _has_eye(self, gray: "MatLike", box: tuple[int, int, int, int]) -> bool:
        import cv2

        x, y, w, h = box
        # The cascade wants eyes of 20 pixels or more, whatever the size of the face. Neither forehead nor mouth is looked at.
        part = gray[y + h * 15 // 100 : y + max(1, h * 6 // 10), x : x + w]
        band = cv2.resize(part, (EYE_BAND_WIDTH, EYE_BAND_WIDTH * 45 // 100))
        least, most = (round(share * EYE_BAND_WIDTH) for share in EYE_SHARES)
        reach = round(0.575 * EYE_BAND_WIDTH)
        # One eye is enough, so the second half is seldom searched.
        return any(
            len(
                self._eye.detectMultiScale(
                    half, scaleFactor=1.15, minNeighbors=2, minSize=(least, least), maxSize=(most, most)
                )
            )
            for half in (band[:, :reach], band[:, -reach:])
        )

    def _seen_from_the_side(self, gray: "MatLike", smallest: float) -> list[FaceBox]:
        import cv2

        height, width = gray.shape
        if width > SIDE_SCAN_WIDTH:
            height = round(height * SIDE_SCAN_WIDTH / width)
            gray = cv2.resize(gray, (SIDE_SCAN_WIDTH, height), interpolation=cv2.INTER_AREA)
            width = SIDE_SCAN_WIDTH
        found: list[FaceBox] = []
        # The cascade knows one side only; the other is found in the mirror.
        for mirrored in (False, True):
            boxes, votes = _scan(self._side, cv2.flip(gray, 1) if mirrored else gray, smallest, SIDE_VOTES)
            for (x, y, w, h), vote in zip(boxes, votes, strict=True):
                left = width - x - w if mirrored else x
                found.append(_as_fractions((left, y, w, h), gray, votes=vote, trust=0.8))
        return found


def _load(name: str) -> "CascadeClassifier":
    import cv2

    path = Path(cv2.__file__).parent / "data" / name
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise ToolMissing(
            f"OpenCV's face cascade {name} is missing or broken.",
            remedy='Install it again: pip install --force-reinstall "opencv-python-headless>=4.14,<5".',
        )
    return cascade


def _scan(
    cascade: "CascadeClassifier", gray: "MatLike", smallest: float, votes: int
) -> tuple[list[tuple[int, int, int, int]], list[int]]:
    least = max(CASCADE_PIXELS, round(gray.shape[0] * smallest))
    if min(gray.shape) < least:
        return [], []
    boxes, counts = cascade.detectMultiScale2(gray, scaleFactor=SCALE_STEP, minNeighbors=votes, minSize=(least, least))
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h in boxes], [int(count) for count in counts]


def _as_fractions(box: tuple[int, int, int, int], gray: "MatLike", *, votes: int, trust: float = 1.0) -> FaceBox:
    """`votes` become a score: half sure at 8, and never quite 1."""
    height, width = gray.shape
    x, y, w, h = box
    return FaceBox(x / width, y / height, w / width, h / height, trust * votes / (votes + 8))


def _without_doubles(found: list[FaceBox]) -> list[FaceBox]:
    kept: list[FaceBox] = []
    for box in sorted(found, key=lambda each: (-each.score, each.x, each.y)):
        if all(box.overlap(other) < 0.25 and not _covers(other, box) for other in kept):
            kept.append(box)
    return kept


def _covers(outer: FaceBox, inner: FaceBox) -> bool:
    x, y = inner.center
    return outer.x <= x <= outer.x + outer.w and outer.y <= y <= outer.y + outer.h
