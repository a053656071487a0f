"""Cuts, faces, people and camera on whole films: the sample with its truth, and real footage where it is at hand."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cliply_assets.renders.camera import plan_camera
from cliply_assets.sample.compose import generate_sample
from cliply_assets.sample.stage import load_truth
from cliply_assets.source.proxy import write_proxy
from cliply_assets.vision.face_tracks import track_faces
from cliply_assets.vision.scenes import find_scenes
from cliply_resources.documents import Span
from cliply_resources.media_tools.frames import read_frames, read_motion
from cliply_resources.media_tools.probe import probe
from cliply_resources.progress import silent
from cliply_resources.settings import Settings
from cliply_resources.vision.haar import HaarFaceDetector

pytestmark = pytest.mark.slow

STAGE = Path(__file__).resolve().parents[4] / "shared" / "media" / "stage-9s.mp4"
SECONDS = 40


def look_at(film, folder):
    proxy = write_proxy(film, probe(film, settings=Settings()), folder, progress=silent, deadline_seconds=120)
    motion = read_motion(folder / "motion.bin", proxy.motion_width, proxy.motion_height)
    scenes, energy = find_scenes(motion, pl.read_parquet(folder / "timing.parquet"), duration=proxy.duration)
    frames = read_frames(folder / "frames.mkv")
    tracks, faces = track_faces(frames, scenes, HaarFaceDetector(), frames_rate=proxy.frames_rate)
    return scenes, energy, tracks, faces


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    film = generate_sample(folder, seconds=SECONDS, height=360)
    return load_truth(folder / "truth.json"), *look_at(film, folder / "proxy")


def test_every_cut_of_the_sample_is_found_on_its_frame_and_no_other(sample):
    truth, scenes, *_ = sample

    assert scenes.cuts == pytest.approx(truth.cuts, abs=0.002)


def test_everybody_in_the_sample_is_found_where_they_are_and_known_again(sample):
    truth, _, _, tracks, faces = sample
    expected = {(k / 2, who): box for k in range(2 * SECONDS) for who, box in truth.faces_at(k / 2).items()}
    person_of: dict[str, set[int]] = {"host": set(), "guest": set()}
    found = 0
    for (time, who), box in expected.items():
        for row in faces.filter((pl.col("time") - time).abs() < 0.01).iter_rows(named=True):
            if abs(row["x"] + row["w"] / 2 - box.centre[0]) < box.w / 2:
                found += 1
                person_of[who].add(row["person"])

    assert tracks.people == 2
    assert sorted(map(len, person_of.values())) == [1, 1]
    assert found >= 0.98 * len(expected)
    assert faces.height <= 1.02 * len(expected)


def test_the_active_speaker_is_inside_the_crop(sample):
    truth, scenes, _, _, faces = sample
    moves = plan_camera(
        faces,
        scenes,
        Span(0.0, float(SECONDS)),
        source_size=(truth.width, truth.height),
        aspect_size=(1080, 1920),
        frame_rate=Fraction(truth.fps),
        frames=SECONDS * truth.fps,
        speech=[Span(segment.start, segment.end) for segment in truth.segments],
    )
    inside = []
    for word in truth.words:
        frame = round((word.start + word.end) / 2 * truth.fps)
        box = truth.faces_at(frame / truth.fps).get(word.speaker)
        move = next(each for each in moves if each.first_frame <= frame < each.first_frame + each.frames)
        if box and move.layout == "crop":
            left = move.x[min(frame - move.first_frame, len(move.x) - 1)] / truth.width
            inside.append(left <= box.x and box.x + box.w <= left + move.width / truth.width)

    assert len(inside) > 40
    assert np.mean(inside) >= 0.95


@pytest.mark.skipif(not STAGE.exists(), reason="the stage recording is not at hand")
def test_a_real_singer_is_one_person_from_wide_to_close_and_the_audience_is_not(tmp_path):
    scenes, _, tracks, _ = look_at(STAGE, tmp_path)
    by_shot = [{t.person for t in tracks.tracks if shot.contains(t.span.start)} for shot in scenes.shots]

    assert len(scenes.cuts) == 3
    assert by_shot[2] == {0}, "the close-up"
    assert by_shot[0] <= {0}, "the wide shot"
    assert 0 not in by_shot[3], "the audience"
