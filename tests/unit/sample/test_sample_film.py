"""The film shows what its truth says."""

import hashlib
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from cliply_assets.sample import FILM_NAME, TRUTH_NAME, generate_sample, load_truth
from cliply_assets.sample.compose import mouth_levels
from cliply_assets.sample.truth import FPS
from cliply_resources.errors import CallerError

SECONDS, HEIGHT = 20.0, 360


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("film")
    assert generate_sample(folder, seconds=SECONDS, height=HEIGHT) == folder / FILM_NAME
    return folder


@pytest.fixture(scope="module")
def truth(folder):
    return load_truth(folder / TRUTH_NAME)


@pytest.fixture(scope="module")
def pictures(folder):
    with av.open(str(folder / FILM_NAME)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def test_size_rate_and_length_are_as_the_truth_says(folder, truth):
    with av.open(str(folder / FILM_NAME)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.width, picture.height) == (truth.width, truth.height) == (640, HEIGHT)
        assert picture.average_rate == FPS
        assert picture.frames == truth.frames == SECONDS * FPS
        assert (sound.rate, sound.channels) == (48_000, 2)
        assert container.duration / 1e6 == pytest.approx(SECONDS, abs=0.05)


def test_the_picture_cuts_on_the_frames_the_truth_names(pictures, truth):
    small = [cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA).astype(np.int16) for picture in pictures]
    change = [np.abs(one - other).mean() for one, other in pairwise(small)]
    found = [frame + 1 for frame, value in enumerate(change) if value > 6]
    assert found == [shot.first_frame for shot in truth.shots[1:]]


def test_faces_are_found_where_the_truth_puts_them(pictures, truth):
    detector = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_alt2.xml")
    expected, found, errors = 0, 0, []
    for frame in range(0, truth.frames, 15):
        gray = cv2.cvtColor(pictures[frame], cv2.COLOR_BGR2GRAY)
        seen = detector.detectMultiScale(gray, 1.2, 5, minSize=(28, 28))
        boxes = truth.faces_at(frame / FPS).values()
        expected, found = expected + len(boxes), found + len(seen)
        for box in boxes:
            x, y = box.centre[0] * truth.width, box.centre[1] * truth.height
            errors.append(
                min((np.hypot(left + w / 2 - x, top + h / 2 - y) for left, top, w, h in seen), default=np.inf)
            )
    assert expected == found
    assert np.median(errors) < 4
    assert max(errors) < 12


def test_mouths_move_while_their_owner_speaks(pictures, truth):
    """The first shot shows both people, and only the host speaks."""
    movement = {"host": [], "guest": []}
    speaking = [frame for frame in range(30, 180) if truth.speaker_at(frame / FPS) == "host"]
    for frame in speaking:
        for person, box in truth.faces_at(frame / FPS).items():
            left, top = round((box.x + box.w * 0.25) * truth.width), round((box.y + box.h * 0.75) * truth.height)
            area = np.s_[top : top + 14, left : left + 20]
            movement[person].append(pictures[frame][area].mean())
    assert np.std(movement["host"]) > 2 * np.std(movement["guest"])


def test_only_the_speaker_of_a_word_opens_the_mouth(truth):
    levels = mouth_levels(np.full(truth.frames, -20.0, np.float32), truth)
    assert not levels["guest"].any()
    assert levels["host"].max() == 5
    assert levels["host"][0] == 0


def test_the_same_request_gives_the_same_bytes(tmp_path):
    digests = set()
    for name in ("one", "two"):
        film = generate_sample(tmp_path / name, seconds=3.0, height=180)
        digests.add(hashlib.sha256(film.read_bytes()).hexdigest())
    assert len(digests) == 1
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [FILM_NAME, TRUTH_NAME]


def test_progress_never_falls_and_reaches_the_end(tmp_path):
    heard = []
    generate_sample(tmp_path, progress=lambda fraction, doing: heard.append((fraction, doing)), seconds=2.0, height=180)
    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert all(doing for _, doing in heard)


@pytest.mark.parametrize(("seconds", "height"), [(1.0, 360), (10.0, 100), (10.0, 361)])
def test_an_impossible_film_is_refused_in_words(tmp_path, seconds, height):
    with pytest.raises(CallerError, match="cannot be"):
        generate_sample(tmp_path, seconds=seconds, height=height)
    assert list(Path(tmp_path).iterdir()) == []


def test_a_folder_may_be_named_relative_to_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film = generate_sample(Path("demo"), seconds=2, height=180)
    assert film == tmp_path / "demo" / FILM_NAME
    assert film.is_file()
