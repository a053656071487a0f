"""Faces are followed through shots by the real detector, and by a scripted one where the detector's lapses are the point."""

from itertools import pairwise

import cv2
import numpy as np
import polars as pl
import pytest

from cliply_assets.vision.face_tracks import track_faces
from cliply_resources.documents import FaceTracks, Scenes, Span
from cliply_resources.vision import FaceBox
from cliply_resources.vision.haar import HaarFaceDetector


class Scripted:
    """A detector that looks at whole pictures and sees what the script says for each, in order."""

    name = "scripted"
    searches_regions = False

    def __init__(self, *script):
        self.script = list(script)

    def detect(self, frame, *, smallest=0.08, sides="if_needed"):
        return self.script.pop(0) if self.script else []


class Counting(HaarFaceDetector):
    """The real detector, counting how much it is made to look at."""

    def __init__(self):
        super().__init__()
        self.whole = 0

    def detect(self, frame, *, smallest=0.08, sides="if_needed"):
        self.whole += frame.shape[0] == 360
        return super().detect(frame, smallest=smallest, sides=sides)


def shots(*edges):
    return Scenes(shots=tuple(Span(a, b) for a, b in pairwise(edges)), detector="known")


def follow(pictures, scenes, detector=None):
    frames = ((number / 2, picture) for number, picture in enumerate(pictures))
    return track_faces(frames, scenes, detector or HaarFaceDetector(), frames_rate=2.0)


def face(x, *, size=0.2, score=0.9):
    return FaceBox(x - size * 0.28, 0.2, size * 0.5625, size, score)


@pytest.fixture
def noise():
    """Pictures without two alike."""
    rng = np.random.default_rng(1)
    return lambda count: [rng.integers(0, 255, (360, 640, 3), dtype=np.uint8) for _ in range(count)]


def test_a_talk_of_two_people_gives_two_people_with_the_right_faces(scene):
    pictures, truth = [], []
    for shot, (x, size, guest) in enumerate(
        [(0.6, 320, False), (0.35, 340, True), (0.5, 420, False), (0.4, 300, True)]
    ):
        for k in range(6):
            at = x + 0.02 * np.sin(k)
            pictures.append(scene([(at, size, guest)], seed=shot))
            truth.append((at, guest))
    tracks, table = follow(pictures, shots(0.0, 3.0, 6.0, 9.0, 12.0))

    assert isinstance(tracks, FaceTracks)
    assert tracks.people == 2
    assert len(tracks.tracks) == 4
    assert table.height == len(truth)
    centres = (table["x"] + table["w"] / 2).to_list()
    assert centres == pytest.approx([at for at, _ in truth], abs=0.02)
    people = dict(zip([guest for _, guest in truth], table["person"].to_list(), strict=True))
    assert [people[guest] for _, guest in truth] == table["person"].to_list()


def test_the_table_has_the_documented_columns_even_when_nobody_is_there(noise):
    tracks, table = follow(noise(3), shots(0.0, 1.5), Scripted())

    assert (tracks.people, tracks.tracks) == (0, ())
    assert dict(table.schema) == {
        "time": pl.Float64,
        "track": pl.Int32,
        "person": pl.Int32,
        **dict.fromkeys(("x", "y", "w", "h", "score", "mouth_motion"), pl.Float32),
    }


def test_no_track_crosses_a_cut(noise):
    steady = [face(0.5)]
    tracks, _ = follow(noise(8), shots(0.0, 2.0, 4.0), Scripted(*[steady] * 8))

    assert [(track.span.start, track.span.end) for track in tracks.tracks] == [(0.0, 2.0), (2.0, 4.0)]
    assert [track.samples for track in tracks.tracks] == [4, 4]


def test_a_face_seen_once_is_a_mistake(noise):
    script = [[face(0.5)], [face(0.5), face(0.9)], [face(0.5)], [face(0.5)]]
    tracks, table = follow(noise(4), shots(0.0, 2.0), Scripted(*script))

    assert len(tracks.tracks) == 1
    assert table["x"].max() < 0.5


def test_two_faces_that_pass_keep_to_their_own_tracks(noise):
    script = [[face(0.3 + 0.02 * k), face(0.7 - 0.02 * k)] for k in range(6)]
    tracks, table = follow(noise(6), shots(0.0, 3.0), Scripted(*script))

    assert len(tracks.tracks) == 2
    for track in (0, 1):
        x = table.filter(pl.col("track") == track)["x"].to_numpy()
        assert np.abs(np.diff(x)).max() < 0.03
    assert tracks.people == 2


def test_a_face_the_detector_loses_for_a_moment_is_bridged_by_its_looks(scene):
    # The guest looks away: the detector, scripted, misses two samples while the face is plainly there.
    pictures = [scene([(0.5 + 0.01 * k, 400, False)], seed=7) for k in range(7)]
    (seen,) = HaarFaceDetector().detect(pictures[0])
    script = [[] if k in (3, 4) else [FaceBox(seen.x + 0.01 * k, seen.y, seen.w, seen.h, 0.9)] for k in range(7)]
    tracks, table = follow(pictures, shots(0.0, 3.5), Scripted(*script))

    assert [track.samples for track in tracks.tracks] == [7]
    bridged = table.filter(pl.col("time").is_in([1.5, 2.0]))
    assert bridged["score"].max() <= 0.5
    assert (bridged["x"].to_numpy() - seen.x) == pytest.approx([0.03, 0.04], abs=0.01)


def test_a_still_picture_is_searched_once_and_its_mouth_is_still(scene):
    detector = Counting()
    picture = scene([(0.5, 400, False)])
    tracks, table = follow([picture] * 20, shots(0.0, 10.0), detector)

    assert detector.whole == 1
    assert tracks.tracks[0].samples == 20
    assert table["mouth_motion"].max() == 0.0


def test_the_whole_picture_is_searched_seldom_while_a_face_is_followed(scene):
    detector = Counting()
    follow([scene([(0.5 + 0.03 * np.sin(k), 400, False)]) for k in range(20)], shots(0.0, 10.0), detector)

    assert detector.whole <= 6


def test_somebody_who_walks_in_is_found_within_seconds(scene):
    alone = [scene([(0.25 + 0.004 * k, 280, False)]) for k in range(6)]
    both = [scene([(0.25 + 0.004 * k, 280, False), (0.75, 280, True)]) for k in range(8)]
    tracks, _ = follow(alone + both, shots(0.0, 7.0))

    assert tracks.people == 2
    assert tracks.tracks[-1].span.start <= 5.0


def test_opencv_gets_its_threads_back(scene):
    before = cv2.getNumThreads()
    follow([scene([(0.5, 400, False)])], shots(0.0, 0.5))

    assert cv2.getNumThreads() == before


def test_progress_never_falls_and_ends_at_one(noise):
    told = []
    frames = ((number / 2, picture) for number, picture in enumerate(noise(6)))
    track_faces(frames, shots(0.0, 3.0), Scripted(), frames_rate=2.0, progress=lambda done, _: told.append(done))

    assert told == sorted(told)
    assert told[-1] == 1.0
