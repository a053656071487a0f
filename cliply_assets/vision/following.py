"""Faces through one shot: found in the whole picture, then followed where they are."""

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING

import numpy as np

from cliply_assets.vision.face_patches import Look, describe_face, find_again, mouth_change
from cliply_resources.documents.spans import Span
from cliply_resources.vision.contract import SMALLEST_FACE, FaceBox, FaceDetector, Image, Sides

if TYPE_CHECKING:
    from cv2.typing import MatLike

__all__ = ["Follower", "Sample", "Track"]

RESCAN_SECONDS = 3.0
"""The whole picture is searched at least this often while it moves at all: somebody may have walked in slowly."""
CHANGE_RESCAN_SECONDS = 2.0
"""And this soon where much has changed away from known faces."""
RESCAN_SMALLEST = 0.12
"""Height of the faces looked for again; the search after a cut finds those down to `SMALLEST_FACE`, at twice the cost."""
SIDES_SECONDS = 6.0
"""Faces seen from the side are searched this often; that search costs twice the frontal one."""
CLOSE_UP = 0.15
"""Height of a face from which a shot is about one person, and the search for side faces may wait its turn."""
CHANGED_PIXEL = 20.0
"""Grey levels by which a pixel of the thumbnail has changed for certain."""
MUCH_CHANGED = 0.05
"""Fraction of the thumbnail whose change may mean a new person."""
IDENTICAL = 0.4
"""Mean grey levels of change below which a picture is the same one, compressed again."""

REGION = 2.4
"""Side of the region searched around a known face, in faces: room for 0.7 of a face's width in either direction."""
REGION_PIXELS = 112
"""Height of that region when searched; the face is about 47 pixels high in it, well above the cascades' 20."""
LONGEST_BRIDGE = 3
"""Samples that a face may be carried along by its looks alone."""
LOOKS = 8
"""Samples of a track whose looks are averaged."""
SURE_ALONE = 0.5
"""A detector's score from which a single sample makes a track in a shot that has no room for two."""


@dataclass(frozen=True)
class Sample:
    """One face in one sampled frame."""

    time: float
    box: FaceBox
    mouth: float


@dataclass
class Track:
    """One face through one shot."""

    shot: Span
    samples: list[Sample] = field(default_factory=list)
    looks: int = 0
    look_sum: Look | None = None
    bridged: int = 0
    """Samples in a row that no detector confirmed."""

    @property
    def box(self) -> FaceBox:
        """Where it was seen last."""
        return self.samples[-1].box

    @property
    def look(self) -> Look:
        """Its mean look."""
        assert self.look_sum is not None
        return self.look_sum / np.float32(self.looks)

    def expected(self) -> FaceBox:
        """Where it should be next, if it goes on as it did."""
        if len(self.samples) < 2:
            return self.box
        before, last = self.samples[-2].box, self.samples[-1].box
        # Half the last step: people turn back about as often as they go on.
        x = last.x + 0.5 * (last.center[0] - before.center[0])
        y = last.y + 0.5 * (last.center[1] - before.center[1])
        return FaceBox(x, y, last.w, last.h, last.score)


class Follower:
    """Follows every face of one shot. Feed the shot's frames in order, then `finish`."""

    def __init__(self, detector: FaceDetector, *, shot: Span, step: float) -> None:
        self._detector = detector
        self._shot = shot
        self._step = step
        self._alive: list[Track] = []
        self._ended: list[Track] = []
        self._gray: MatLike | None = None
        self._thumbnail: MatLike | None = None
        self._scanned: MatLike | None = None
        self._scan_time = -1e9
        self._sides_time = -1e9
        self._seen = 0

    def see(self, time: float, frame: Image) -> None:
        """Takes the next frame."""
        import cv2

        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        thumbnail = cv2.resize(gray, (64, 36), interpolation=cv2.INTER_AREA)
        self._seen += 1
        if self._thumbnail is not None and float(cv2.norm(thumbnail, self._thumbnail, cv2.NORM_L1)) < (
            IDENTICAL * thumbnail.size
        ):
            for track in self._alive:
                track.samples.append(Sample(time, track.box, 0.0))
            self._gray = gray
            return
        self._thumbnail = thumbnail
        found = {id(track): self._search_near(track, frame) for track in self._alive}
        lost = any(box is None for box in found.values())
        if sides := self._scan_now(time, thumbnail, lost=lost):
            smallest = RESCAN_SMALLEST if self._alive else SMALLEST_FACE
            self._assign(self._detector.detect(frame, smallest=smallest, sides=sides), found, time, frame, gray)
            self._scanned, self._scan_time = thumbnail, time
        self._carry_on(found, time, frame, gray)
        self._gray = gray

    def finish(self) -> list[Track]:
        """Every face of the shot that was no mistake."""
        self._ended += self._alive
        self._alive = []
        return [track for track in map(_trimmed, self._ended) if self._is_real(track)]

    def _is_real(self, track: Track) -> bool:
        if len(track.samples) >= 2:
            return True
        return len(track.samples) == 1 and self._seen <= 2 and track.box.score >= SURE_ALONE

    def _scan_now(self, time: float, thumbnail: "MatLike", *, lost: bool) -> Sides | None:
        """How thoroughly to search the whole picture now, or `None` for not at all."""
        if not self._detector.searches_regions:
            return "always"
        since = time - self._scan_time
        changed = self._changed_elsewhere(thumbnail)
        due = (
            self._scanned is None
            or (lost and since > self._step / 2)
            or (changed > MUCH_CHANGED and since >= CHANGE_RESCAN_SECONDS - 1e-6)
            or (changed > MUCH_CHANGED / 10 and since >= RESCAN_SECONDS - 1e-6)
        )
        if self._sides_due(time, due=due):
            self._sides_time = time
            return "always"
        return "no" if due else None

    def _sides_due(self, time: float, *, due: bool) -> bool:
        """The first frame after a cut is searched for frontal faces alone, the next for sides unless it is a close-up."""
        if self._seen == 1:
            return False
        if self._sides_time < 0:
            close_up = any(track.box.h >= CLOSE_UP for track in self._alive)
            return not close_up or (due and self._seen * self._step > SIDES_SECONDS)
        return due and time - self._sides_time >= SIDES_SECONDS - 1e-6

    def _changed_elsewhere(self, thumbnail: "MatLike") -> float:
        """Fraction of the thumbnail that changed since the last search, away from known people."""
        if self._scanned is None:
            return 1.0
        height, width = thumbnail.shape
        changed = np.abs(thumbnail.astype(np.float32) - self._scanned) > CHANGED_PIXEL
        for track in self._alive:
            box = track.box
            left, right = int((box.x - 1.5 * box.w) * width), int((box.x + 2.5 * box.w) * width) + 1
            changed[max(0, int((box.y - 0.7 * box.h) * height)) :, max(0, left) : max(0, right)] = False
        return float(changed.mean())

    def _search_near(self, track: Track, frame: Image) -> FaceBox | None:
        import cv2

        if not self._detector.searches_regions:
            return None
        region = _around(track.expected(), REGION)
        high, wide = frame.shape[:2]
        left, top = round(region.x * wide), round(region.y * high)
        right, bottom = round((region.x + region.w) * wide), round((region.y + region.h) * high)
        if right - left < 8 or bottom - top < 8:
            return None
        part = frame[top:bottom, left:right]
        scale = REGION_PIXELS / (bottom - top)
        size = (max(1, round((right - left) * scale)), REGION_PIXELS)
        resized = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        # Faces do not shrink by half within a sample.
        smallest = 0.6 * track.box.h / region.h
        boxes = self._detector.detect(np.asarray(resized, np.uint8), smallest=smallest, sides="if_needed")
        placed = [
            FaceBox(
                (left + box.x * (right - left)) / wide,
                (top + box.y * (bottom - top)) / high,
                box.w * (right - left) / wide,
                box.h * (bottom - top) / high,
                box.score,
            )
            for box in boxes
        ]
        fitting = [box for box in placed if _belongs(box, track.box, reach=1.1)]
        return max(fitting, key=lambda box: _likeness(box, track.expected()), default=None)

    def _assign(
        self, boxes: list[FaceBox], found: dict[int, FaceBox | None], time: float, frame: Image, gray: "MatLike"
    ) -> None:
        """Gives the boxes of a full search to lost tracks, and starts tracks for those that nobody claims."""
        lost = [track for track in self._alive if found[id(track)] is None]
        taken = [box for box in found.values() if box is not None]
        free = [box for box in boxes if all(box.overlap(other) < 0.2 for other in taken)]
        pairs = sorted(
            (
                (_likeness(box, track.box), at, number)
                for at, box in enumerate(free)
                for number, track in enumerate(lost)
            ),
            reverse=True,
        )
        used: set[int] = set()
        for _, at, number in pairs:
            track = lost[number]
            if at not in used and found[id(track)] is None and _belongs(free[at], track.box, reach=1.6):
                found[id(track)] = free[at]
                used.add(at)
        for at, box in enumerate(free):
            if at not in used:
                track = Track(shot=self._shot)
                self._add(track, time, box, frame, gray)
                self._alive.append(track)
                found[id(track)] = box

    def _carry_on(self, found: dict[int, FaceBox | None], time: float, frame: Image, gray: "MatLike") -> None:
        alive: list[Track] = []
        for track in self._alive:
            box = found[id(track)]
            if track.samples[-1].time == time:
                alive.append(track)
                continue
            track.bridged = 0 if box else track.bridged + 1
            if box is None and self._gray is not None and track.bridged <= LONGEST_BRIDGE:
                around = _around(track.box, 1.8)
                box = find_again(self._gray, gray, was=track.box, around=around)
            if box is None or any(box.overlap(other.box) > 0.5 for other in alive):
                self._ended.append(track)
                continue
            self._add(track, time, box, frame, gray)
            alive.append(track)
        self._alive = alive

    def _add(self, track: Track, time: float, box: FaceBox, frame: Image, gray: "MatLike") -> None:
        mouth = 0.0
        if track.samples and self._gray is not None:
            mouth = mouth_change(self._gray, gray, was=track.box, box=box)
        if not track.bridged and track.looks < LOOKS:
            look = describe_face(frame, box)
            track.look_sum = look if track.look_sum is None else track.look_sum + look
            track.looks += 1
        track.samples.append(Sample(time, box, mouth))


def _trimmed(track: Track) -> Track:
    """Without the samples at its end that no detector confirmed."""
    if track.bridged:
        del track.samples[-track.bridged :]
    return track


def _around(box: FaceBox, times: float) -> FaceBox:
    """A region `times` as large as the face around it, cut off at the edges of the picture."""
    x, y = box.center
    left, right = max(0.0, x - box.w * times / 2), min(1.0, x + box.w * times / 2)
    top, bottom = max(0.0, y - box.h * times / 2), min(1.0, y + box.h * times / 2)
    return FaceBox(left, top, max(right - left, 0.0), max(bottom - top, 0.0), 0.0)


def _belongs(box: FaceBox, last: FaceBox, *, reach: float) -> bool:
    """Whether a face can have moved from `last` to `box` between two samples: not too far, and not of another size."""
    x, y = box.center
    last_x, last_y = last.center
    near = abs(x - last_x) <= reach * last.w and abs(y - last_y) <= reach * last.h
    return near and 0.55 <= box.h / last.h <= 1.8


def _likeness(box: FaceBox, last: FaceBox) -> float:
    x, y = box.center
    last_x, last_y = last.center
    away = abs(x - last_x) / last.w + abs(y - last_y) / last.h
    return -away - abs(log(box.h / last.h))
