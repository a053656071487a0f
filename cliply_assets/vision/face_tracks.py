"""Faces followed through every shot, and people known again across shots."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cliply_assets.vision.following import Follower, Track
from cliply_assets.vision.identity import Appearance, same_people
from cliply_resources.documents.faces import FaceTrack, FaceTracks
from cliply_resources.documents.scenes import Scenes
from cliply_resources.documents.spans import Span
from cliply_resources.progress import Progress, silent
from cliply_resources.vision.contract import FaceDetector, Image

if TYPE_CHECKING:
    import polars as pl

__all__ = ["track_faces"]

ROUNDING = 0.002
"""Seconds; cuts are written in milliseconds, and the frame at a cut belongs to the new shot."""


def track_faces(
    frames: Iterable[tuple[float, Image]],
    scenes: Scenes,
    detector: FaceDetector,
    *,
    frames_rate: float,
    progress: Progress = silent,
) -> tuple[FaceTracks, "pl.DataFrame"]:
    """Who is seen, where and when: one track a face and shot, one person number a face through the whole video.

    `frames` are sampled pictures with their times, in order, `frames_rate` a second. The whole picture is searched after a cut, where it
    changed and every few seconds; in between only the surroundings of known faces. A face seen in one sample alone is
    taken for a mistake, unless its shot is that short. Two frames are held at a time.

    The table is documented at `FaceTracks`.
    """
    ends = [shot.end for shot in scenes.shots]
    duration = ends[-1]
    tracks: list[Track] = []
    follower: Follower | None = None
    current = -1
    with _few_threads():
        for time, frame in frames:
            shot = min(bisect_right(ends, time + ROUNDING), len(ends) - 1)
            if follower is None or shot != current:
                tracks += follower.finish() if follower else []
                follower, current = Follower(detector, shot=scenes.shots[shot], step=1 / frames_rate), shot
            follower.see(time, frame)
            progress(min(time / duration, 0.99), f"following faces, {time:.0f} s of {duration:.0f} s")
        tracks += follower.finish() if follower else []
    tracks.sort(key=lambda track: (track.samples[0].time, track.samples[0].box.x))
    people = same_people([_appearance(track, 1 / frames_rate) for track in tracks])
    documents = tuple(
        _document(number, person, track, 1 / frames_rate)
        for number, (person, track) in enumerate(zip(people, tracks, strict=True))
    )
    count = max(people, default=-1) + 1
    progress(1.0, f"{count} people in {len(tracks)} appearances")
    found = FaceTracks(detector=detector.name, frames_rate=frames_rate, tracks=documents, people=count)
    return found, _table(tracks, people)


def _span(track: Track, step: float) -> Span:
    """From the first sample to one step after the last, but never into the next shot."""
    end = min(track.samples[-1].time + step, max(track.shot.end, track.samples[-1].time + ROUNDING))
    return Span(round(track.samples[0].time, 3), round(end, 3))


def _appearance(track: Track, step: float) -> Appearance:
    return Appearance(look=track.look, span=_span(track, step), samples=len(track.samples))


def _document(number: int, person: int, track: Track, step: float) -> FaceTrack:
    size = sum(sample.box.h for sample in track.samples) / len(track.samples)
    return FaceTrack(
        track=number, person=person, span=_span(track, step), samples=len(track.samples), mean_size=round(size, 4)
    )


def _table(tracks: list[Track], people: list[int]) -> "pl.DataFrame":
    import polars as pl

    rows = sorted(
        (
            (sample.time, number, people[number], sample.box, sample.mouth)
            for number, track in enumerate(tracks)
            for sample in track.samples
        ),
        key=lambda row: row[:2],
    )
    schema = {
        "time": pl.Float64,
        "track": pl.Int32,
        "person": pl.Int32,
        **dict.fromkeys(("x", "y", "w", "h", "score", "mouth_motion"), pl.Float32),
    }
    flat = [(time, track, person, b.x, b.y, b.w, b.h, b.score, mouth) for time, track, person, b, mouth in rows]
    return pl.DataFrame(flat, schema=schema, orient="row")


@contextmanager
def _few_threads() -> Iterator[None]:
    """OpenCV takes every core it sees; other steps run beside this one. The setting is the process's, so it is put back."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(min(before, 2))
    try:
        yield
    finally:
        cv2.setNumThreads(before)
