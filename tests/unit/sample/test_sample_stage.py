"""Cameras and people follow the speech, and stay in the picture."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.sample import load_truth
from cliply_assets.sample.stage import film_truth
from cliply_assets.sample.truth import FPS, Figure, load_speech_truth


@pytest.fixture(scope="module")
def film():
    return load_truth()


def test_shots_cover_the_film_without_gaps(film):
    assert film.shots[0].first_frame == 0
    for one, following in zip(film.shots, film.shots[1:], strict=False):
        assert one.first_frame + one.frames == following.first_frame
    assert film.shots[-1].first_frame + film.shots[-1].frames == film.frames
    assert len(film.cuts) == 35


def test_no_cut_falls_into_a_word(film):
    for cut in film.cuts:
        assert not any(word.start < cut < word.end for word in film.words)


def test_every_view_is_used(film):
    assert {shot.view for shot in film.shots} == {"wide", "host", "guest", "close", "walk", "slide"}


def test_faces_are_always_wholly_in_the_picture(film):
    for frame in range(0, film.frames, 3):
        for box in film.faces_at(frame / FPS).values():
            assert min(box.x, box.y, 1 - box.x - box.w, 1 - box.y - box.h) > 0.02
            assert box.h * 360 > 28


def test_both_people_are_seen_in_wide_shots_and_nobody_on_slides(film):
    for shot in film.shots:
        seen = set(film.faces_at(shot.span.start))
        assert seen == {"wide": {"host", "guest"}, "host": {"host"}, "slide": set()}.get(shot.view, {"guest"})


def test_the_guest_crosses_the_stage_when_walking(film):
    for shot in film.shots:
        if shot.view == "walk":
            last = shot.span.end - 1 / FPS
            start, end = film.faces_at(shot.span.start)["guest"], film.faces_at(last)["guest"]
            assert abs(end.centre[0] - start.centre[0]) > 0.4


def test_who_speaks_is_known_at_every_moment(film):
    assert film.speaker_at(0.0) is None
    for sentence in film.segments:
        assert film.speaker_at((sentence.start + sentence.end) / 2) == sentence.speaker


def test_asking_outside_the_film_is_refused(film):
    with pytest.raises(ValueError, match="leaves out 200"):
        film.shot_at(200.0)


def test_the_truth_reads_as_a_transcript(film):
    transcript = film.transcript
    assert len(transcript.words) > 350
    assert {word.speaker for word in transcript.words} == {"host", "guest"}


@settings(max_examples=40, deadline=None)
@given(seconds=st.floats(2.0, 300.0), height=st.integers(90, 540).map(lambda half: 2 * half))
def test_a_film_of_any_length_and_size_is_planned(seconds, height):
    film = film_truth(load_speech_truth(), seconds=seconds, height=height)
    assert sum(shot.frames for shot in film.shots) == film.frames == int(min(seconds, 162.3) * FPS) or seconds > 162
    assert film.width % 2 == 0
    assert all(shot.frames > 0 for shot in film.shots)


@settings(max_examples=40, deadline=None)
@given(frame=st.integers(0, 4867), height=st.sampled_from([180, 360, 720, 1080, 1440]))
def test_faces_are_in_the_same_place_at_every_size(frame, height):
    time = frame / FPS
    large, other = load_truth().faces_at(time), film_truth(load_speech_truth(), height=height).faces_at(time)
    for person, box in large.items():
        for mine, its in zip(box.centre, other[person].centre, strict=True):
            assert mine == pytest.approx(its, abs=4 / height)


@given(
    frame=st.integers(0, 300),
    centre=st.floats(0.2, 0.8),
    walk=st.floats(-0.3, 0.3),
    sway=st.floats(0, 0.05),
)
@settings(max_examples=50, deadline=None)
def test_the_mirrored_person_mirrors_the_face(frame, centre, walk, sway):
    def box(person, centre, walk, sway):
        figure = Figure(person=person, size=0.8, top=0.1, centre=centre, walk=walk, sway=sway)
        return figure.box(frame, 300, width=1920, height=1080)

    guest, host = box("guest", centre, walk, sway), box("host", 1 - centre, -walk, -sway)
    assert guest.centre[0] == pytest.approx(1 - host.centre[0], abs=3 / 1920)
