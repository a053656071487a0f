"""What a suspected change of shot really is: a cut, a flash, a dissolve or lights going up."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Dissolve", "DissolveFinder", "Picture", "RecentPictures", "join_dissolves", "picture_difference"]

Picture = npt.NDArray[np.uint8]
"""One small source frame, height × width × BGR."""

FLAT_PICTURE = 4.0
"""Grey levels of spread below which a picture shows nothing (black, white): there is no structure to compare."""


@dataclass(frozen=True, kw_only=True)
class Dissolve:
    """One moment that looks like the middle of a mix."""

    time: float


def picture_difference(one: Picture, other: Picture) -> float:
    """Mean absolute difference of two pictures of one size, 0 to 1."""
    import cv2

    return float(cv2.norm(one, other, cv2.NORM_L1)) / (one.size * 255.0)


class RecentPictures:
    """The last seconds of pictures, so that a change can be judged by what came before and what followed."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._held: deque[tuple[int, float, Picture]] = deque()

    def add(self, index: int, time: float, picture: Picture) -> None:
        """Takes the next picture and forgets those older than promised."""
        self._held.append((index, time, picture))
        while self._held and time - self._held[0][1] > self._seconds:
            self._held.popleft()

    def is_flash(self, index: int, *, within: float, likeness: float) -> bool:
        """Whether the change at `index` is an edge of something that is over within `within` seconds.

        True where the picture before the change comes back soon after it, or the picture after the change was already there
        shortly before; `likeness` is how different it may then be, as a fraction of the change itself.
        """
        before = next((picture for at, _, picture in self._held if at == index - 1), None)
        here = next(((time, picture) for at, time, picture in self._held if at == index), None)
        if before is None or here is None:
            return False
        moment, after = here
        limit = picture_difference(before, after) * likeness
        returned = (p for at, t, p in self._held if at > index and t - moment <= within)
        earlier = (p for at, t, p in self._held if at < index - 1 and moment - t <= within)
        return _any_like(before, returned, limit) or _any_like(after, earlier, limit)


def _any_like(picture: Picture, others: Iterable[Picture], limit: float) -> bool:
    return any(picture_difference(picture, other) <= limit for other in others)


class DissolveFinder:
    """Finds the middles of mixes: moments whose picture is the average of one before and one after.

    A moving camera or a moving person changes the picture as much as a dissolve does, but the picture in between is then not
    the average of the two ends, or the change goes on beyond them. A change of light is an average too, but keeps the
    structure: the two ends correlate.
    """

    STEP = 0.1
    """Seconds between pictures that are kept for the test; a mix of 0.5 s still has five."""
    REACHES = (3, 5, 10)
    """Steps to either side: mixes of about 0.6, 1 and 2 s."""
    SETTLED = 0.35
    """What may still change beyond the ends, as a fraction of the mix itself; an even pan has a half."""

    def __init__(self, *, min_change: float, max_residue: float, max_correlation: float) -> None:
        self._min_change = min_change
        self._max_residue = max_residue
        self._max_correlation = max_correlation
        self._kept: deque[tuple[float, Picture]] = deque(maxlen=4 * max(self.REACHES) + 1)
        self.found: list[Dissolve] = []

    def add(self, time: float, picture: Picture) -> None:
        """Takes the next picture; most are passed over."""
        if self._kept and time - self._kept[-1][0] < self.STEP - 1e-6:
            return
        self._kept.append((time, picture))
        for reach in self.REACHES:
            if len(self._kept) > 4 * reach:
                self._test([self._kept[-1 - at * reach] for at in (4, 3, 2, 1, 0)])

    def _test(self, row: list[tuple[float, Picture]]) -> None:
        """Five pictures: the middle one is tested, those beside it are the ends, the outer ones tell whether all is settled."""
        (_, before), (start, first), (time, middle), (end, last), (_, after) = row
        change = picture_difference(first, last)
        if change < self._min_change:
            return
        if picture_difference(before, first) + picture_difference(last, after) > 2 * self.SETTLED * change:
            return
        one, other = first.astype(np.float32), last.astype(np.float32)
        expected = one + (other - one) * np.float32((time - start) / (end - start))
        residue = float(np.abs(middle - expected).mean()) / 255.0 / change
        if residue <= self._max_residue and not self._same_structure(one, other):
            self.found.append(Dissolve(time=time))

    def _same_structure(self, one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> bool:
        a, b = one.mean(axis=2).ravel(), other.mean(axis=2).ravel()
        a -= a.mean()
        b -= b.mean()
        spread_a, spread_b = float(np.sqrt((a * a).mean())), float(np.sqrt((b * b).mean()))
        if min(spread_a, spread_b) < FLAT_PICTURE:
            return False
        return float((a * b).mean()) / (spread_a * spread_b) > self._max_correlation


def join_dissolves(found: Iterable[Dissolve], *, gap: float) -> list[float]:
    """One moment for each mix: the middle of those closer to each other than `gap` seconds, in order of time."""
    groups: list[list[Dissolve]] = []
    for one in sorted(found, key=lambda each: each.time):
        if groups and one.time - groups[-1][-1].time <= gap:
            groups[-1].append(one)
        else:
            groups.append([one])
    # The mean, for every moment in a long mix looks like its middle to the short test.
    return [sum(each.time for each in group) / len(group) for group in groups]
