"""The films that measuring composes are what their truth says: every word spoken, every face in the picture."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "eval"))

from compose import true_faces
from films import FILMS, film_named
from truth import FPS, load_sound


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_what_the_script_says_is_what_is_spoken(film):
    sound = load_sound(film.name)
    assert " ".join(s.text for s in sound.segments) == " ".join(line.text for line in film.lines)
    starts = [word.start for segment in sound.segments for word in segment.words]
    assert starts == sorted(starts)
    assert sound.good is not None
    assert sound.good.end <= sound.duration


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_every_face_lies_in_the_picture(film):
    sound = load_sound(film.name)
    truth = true_faces(film, sound)
    assert truth.frames == int(sound.duration * FPS)
    for boxes in truth.faces.values():
        assert len(boxes) == truth.frames
        for x, y, w, h in filter(None, boxes):
            assert -0.001 <= x < x + w <= 1.001
            assert -0.001 <= y < y + h <= 1.001


def test_a_cut_film_shows_whoever_speaks():
    film = film_named("cut")
    sound = load_sound("cut")
    truth = true_faces(film, sound)
    assert len(truth.cuts) >= 5
    for segment in sound.segments:
        frame = int((segment.start + 0.3) * FPS)
        assert truth.faces[segment.speaker][frame] is not None


def test_an_unknown_film_is_answered_with_those_there_are():
    with pytest.raises(KeyError, match="side_by_side"):
        film_named("nothing")
