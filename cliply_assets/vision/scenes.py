"""Where the picture cuts, from the small pictures that the one decode of the source wrote."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cliply_assets.vision.transitions import (
    DissolveFinder,
    Picture,
    RecentPictures,
    join_dissolves,
    picture_difference,
)
from cliply_resources.documents.scenes import Scenes
from cliply_resources.documents.spans import Span
from cliply_resources.errors import StepFailed
from cliply_resources.progress import Progress, silent

if TYPE_CHECKING:
    import polars as pl
    from cv2.typing import MatLike
    from scenedetect.detectors import AdaptiveDetector

__all__ = ["SceneRules", "find_scenes"]

Scores = npt.NDArray[np.float32]

MOTION_STEP = 0.5
"""Seconds that one row of the motion table covers."""

LOST_FRAMES = 0.01
"""Fraction of frames that pictures and times may differ by; a broken tail costs one or two, a mix-up costs many."""


@dataclass(frozen=True, kw_only=True)
class SceneRules:
    """What counts as a new shot. Measured on synthetic talks and on stage footage with pans and bursts of movement."""

    min_shot: float = 0.4
    """Seconds; of two cuts closer than this the stronger one stays."""
    adaptive_threshold: float = 3.0
    """PySceneDetect: how much a frame must differ from its neighbours' level."""
    min_content: float = 15.0
    """PySceneDetect: mean change of hue, saturation and lightness (0 to 255) below which nothing is a cut."""
    sure_content: float = 30.0
    """From here on a cut needs no second witness."""
    witness_score: float = 3.0
    """ffmpeg's own scene score (0 to 100) that confirms a weaker cut; camera movement stays mostly below it."""
    strong_score: float = 8.0
    """ffmpeg's score that makes a candidate where PySceneDetect saw none, such as between two dark shots."""
    level_ratio: float = 2.0
    """A cut stands out this much from the other changes within half a second; a film of few frames a second has many alike."""
    flash_seconds: float = 0.5
    """A picture that is back within this time was only interrupted."""
    flash_likeness: float = 0.35
    """How different the returning picture may be, as a fraction of the flash itself."""
    dissolve_change: float = 0.06
    """Mean difference (0 to 1) of the pictures before and after, below which a mix goes unnoticed anyway."""
    dissolve_residue: float = 0.16
    """How far the middle of a mix may be from the average of its ends, relative to their difference."""
    dissolve_correlation: float = 0.8
    """Ends that correlate more than this show the same scene in another light."""


DEFAULT_RULES = SceneRules()


@dataclass(frozen=True)
class _Evidence:
    """What one pass over the pictures found, by frame."""

    content: Scores
    change: Scores
    hard: list[int]
    mixes: list[float]


def find_scenes(
    motion: Iterable[Picture],
    timing: "pl.DataFrame",
    *,
    duration: float,
    rules: SceneRules = DEFAULT_RULES,
    progress: Progress = silent,
) -> tuple[Scenes, "pl.DataFrame"]:
    """The shots of a film with exact cut times, and how much moves in every half second.

    `motion` gives every source frame, small and BGR; `timing` has one row a frame: `time` in seconds and `cut_score`. Cuts carry
    the presentation time of the new shot's first frame, so variable frame rates are exact; a dissolve is cut in its
    middle; flashes are not cuts. One second of pictures is held at a time.

    The table has `time` (f64, start of the half second) and `motion` (f32, mean absolute difference of neighbouring frames,
    0 to 1; the jump at a cut is left out, because it is editing and not movement).

    Raises:
        StepFailed: pictures and times do not belong together.
    """
    times = timing["time"].to_numpy().astype(np.float64)
    scores = timing["cut_score"].to_numpy().astype(np.float32)
    evidence = _watch(motion, times, scores, duration=duration, rules=rules, progress=progress)
    count = len(evidence.content)
    cuts = _choose_cuts(evidence, times[:count], scores[:count], duration=duration, rules=rules)
    edges = [0.0, *(round(float(cut), 3) for cut in cuts), duration]
    shots = tuple(Span(start, end) for start, end in pairwise(edges))
    progress(1.0, f"{len(shots)} shots")
    table = _motion_table(evidence.change, times[:count], hard=evidence.hard, duration=duration)
    return Scenes(shots=shots, detector=_detector_name()), table


def _detector_name() -> str:
    import scenedetect

    return f"scenedetect-{scenedetect.__version__} adaptive + scdet"


def _watch(
    motion: Iterable[Picture],
    times: npt.NDArray[np.float64],
    scores: Scores,
    *,
    duration: float,
    rules: SceneRules,
    progress: Progress,
) -> _Evidence:
    watcher = _Watcher(times, rules, rate=max(len(times) / duration, 1.0), strong=_strong_scores(scores, rules))
    pictures = 0
    for picture in motion:
        if pictures < len(times):
            watcher.see(pictures, picture)
        if pictures % 512 == 0:
            moment = min(float(times[min(pictures, len(times) - 1)]), duration) if len(times) else 0.0
            progress(min(moment / duration, 0.99), f"looking for cuts, {moment:.0f} s of {duration:.0f} s")
        pictures += 1
    _check_count(pictures, len(times))
    return watcher.evidence(min(pictures, len(times)))


class _Watcher:
    """Scores each frame against the one before, and judges suspected cuts once half a second more has been seen."""

    def __init__(
        self, times: npt.NDArray[np.float64], rules: SceneRules, *, rate: float, strong: npt.NDArray[np.intp]
    ) -> None:
        self._times = times
        self._rules = rules
        # Frames are counted here; their times come from `times`. A fraction, because making one of a float costs more than the scoring.
        self._rate = Fraction(rate).limit_denominator(1000)
        self._suspects = {int(index) for index in strong}
        # One frame: the shortest shot is decided later, on real times and on the strength of the cuts.
        self._detector = quick_detector(
            adaptive_threshold=rules.adaptive_threshold, min_content_val=rules.min_content, min_scene_len=1
        )
        self._recent = RecentPictures(seconds=2 * rules.flash_seconds + 0.25)
        self._dissolves = DissolveFinder(
            min_change=rules.dissolve_change,
            max_residue=rules.dissolve_residue,
            max_correlation=rules.dissolve_correlation,
        )
        self._change = np.zeros(len(times), np.float32)
        self._content = np.zeros(len(times), np.float32)
        self._previous: Picture | None = None
        self._waiting: set[int] = set()
        self._hard: list[int] = []

    def see(self, index: int, picture: Picture) -> None:
        from scenedetect import FrameTimecode

        moment = float(self._times[index])
        self._recent.add(index, moment, picture)
        self._dissolves.add(moment, picture)
        if self._previous is not None:
            self._change[index] = picture_difference(self._previous, picture)
        self._previous = picture
        found = self._detector.process_frame(FrameTimecode(index, self._rate), picture)
        # The detector keeps the frame's score to itself unless its slower statistics are switched on.
        self._content[index] = self._detector._frame_score or 0.0
        self._waiting.update(int(at.frame_num) for at in found)
        if index in self._suspects:
            self._waiting.add(index)
        if self._waiting and moment - self._times[min(self._waiting)] > self._rules.flash_seconds:
            self._judge_first()

    def evidence(self, count: int) -> _Evidence:
        while self._waiting:
            self._judge_first()
        mixes = join_dissolves(self._dissolves.found, gap=1.0)
        return _Evidence(self._content[:count], self._change[:count], self._hard, mixes)

    def _judge_first(self) -> None:
        index = min(self._waiting)
        self._waiting.remove(index)
        rules = self._rules
        if not self._recent.is_flash(index, within=rules.flash_seconds, likeness=rules.flash_likeness):
            self._hard.append(index)


def quick_detector(**rules: Any) -> "AdaptiveDetector":
    """PySceneDetect's adaptive detector, with its score of a frame worked out in a sixth of the time.

    The same figure: the mean of how much hue, saturation and lightness of the pixels differ from the frame before.
    """
    import cv2
    from scenedetect.detectors import AdaptiveDetector

    class Quick(AdaptiveDetector):  # type: ignore[misc]  # PySceneDetect has no types
        _before: "MatLike | None" = None

        def _calculate_frame_score(self, timecode: object, frame_img: Picture) -> float:  # noqa: ARG002 - its parent's
            colours = cv2.cvtColor(frame_img, cv2.COLOR_BGR2HSV)
            before, self._before = self._before, colours
            if before is None:
                return 0.0
            return sum(cv2.sumElems(cv2.absdiff(colours, before))) / colours.size

    return Quick(**rules)


def _check_count(pictures: int, rows: int) -> None:
    if abs(pictures - rows) > max(2, rows * LOST_FRAMES):
        raise StepFailed(
            f"The film's small pictures and their times do not belong together: {pictures} pictures, {rows} times. "
            "Prepare the source again."
        )


def _strong_scores(scores: Scores, rules: SceneRules) -> npt.NDArray[np.intp]:
    """Frames whose ffmpeg score is high and towers over the frames around."""
    if not len(scores):
        return np.zeros(0, np.intp)
    reach = 3
    padded = np.pad(scores, reach)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).copy()
    around[:, reach] = 0
    return np.flatnonzero((scores >= rules.strong_score) & (scores >= 3 * around.max(axis=1)))


def _choose_cuts(
    evidence: _Evidence, times: npt.NDArray[np.float64], scores: Scores, *, duration: float, rules: SceneRules
) -> list[float]:
    strength = {
        float(times[index]): float(evidence.content[index])
        for index in evidence.hard
        if _is_witnessed(index, evidence.content, times, scores, rules)
    }
    for moment in evidence.mixes:
        if all(abs(moment - hard) > 1.0 for hard in strength):
            at = int(np.searchsorted(times, moment - 1e-6))
            strength[float(times[min(at, len(times) - 1)])] = rules.min_content
    kept: list[float] = []
    for moment in sorted(strength, key=lambda each: (-strength[each], each)):
        near_edge = moment < rules.min_shot or duration - moment < rules.min_shot
        if not near_edge and all(abs(moment - other) >= rules.min_shot - 1e-6 for other in kept):
            kept.append(moment)
    return sorted(kept)


def _is_witnessed(
    index: int, content: Scores, times: npt.NDArray[np.float64], scores: Scores, rules: SceneRules
) -> bool:
    low, high = np.searchsorted(times, [times[index] - 0.5, times[index] + 0.5])
    around = np.sort(np.delete(content[low:high], index - low))
    # Up to three other cuts may stand nearby; in a film of few frames a second there are more jumps than that.
    level = float(around[max(0, len(around) - 4)]) if len(around) else 0.0
    stands_out = content[index] >= rules.level_ratio * level
    score = float(scores[max(0, index - 1) : index + 2].max())
    if score >= rules.strong_score:
        return True
    return stands_out and (content[index] >= rules.sure_content or score >= rules.witness_score)


def _motion_table(
    change: Scores, times: npt.NDArray[np.float64], *, hard: list[int], duration: float
) -> "pl.DataFrame":
    import polars as pl

    rows = max(1, int(np.ceil(duration / MOTION_STEP - 1e-9)))
    counted = np.ones(len(change), bool)
    counted[:1] = False
    counted[hard] = False
    slot = np.clip((times / MOTION_STEP).astype(np.int64), 0, rows - 1)[counted]
    total = np.bincount(slot, weights=change[counted], minlength=rows)
    number = np.bincount(slot, minlength=rows)
    return pl.DataFrame(
        {
            "time": np.arange(rows) * MOTION_STEP,
            "motion": (total / np.maximum(number, 1)).astype(np.float32),
        }
    )
