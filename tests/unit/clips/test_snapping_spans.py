"""Spans that people ask for, moved to words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_api.clips.spans import AFTER_WORD, BEFORE_WORD, snap_to_words
from cliply_resources.documents import Word
from cliply_resources.errors import CallerError

FILM = 120.0


def spoken(*times):
    return [Word(text=f"w{number}", start=start, end=end) for number, (start, end) in enumerate(times)]


TALK = spoken((10.0, 10.4), (10.6, 11.0), (12.0, 12.5), (20.0, 20.5), (20.6, 21.0), (40.0, 40.5))


def test_a_boundary_goes_to_the_nearest_word_and_leaves_it_some_air():
    span = snap_to_words(11.8, 20.4, TALK, duration=FILM)
    assert span.start == pytest.approx(12.0 - BEFORE_WORD)
    assert span.end == pytest.approx(20.6), "no further than where the next word begins"
    assert snap_to_words(11.8, 20.9, TALK, duration=FILM).end == pytest.approx(21.0 + AFTER_WORD)


def test_it_moves_outward_and_inward():
    assert snap_to_words(10.65, 21.0, TALK, duration=FILM).start == pytest.approx(10.45)
    assert snap_to_words(10.55, 21.0, TALK, duration=FILM).start == pytest.approx(10.45)


def test_in_a_long_silence_it_stays_where_it_was_put():
    span = snap_to_words(30.0, 36.0, TALK, duration=FILM)
    assert (span.start, span.end) == (30.0, 36.0)
    assert snap_to_words(1.0, 9.0, [], duration=FILM).duration == 8.0


def test_a_long_word_is_not_cut_although_its_ends_are_far():
    span = snap_to_words(54.0, 65.0, spoken((50.0, 60.0)), duration=FILM)
    assert span.start == pytest.approx(50.0 - BEFORE_WORD)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [(10.0, 12.0, "at least 3 s"), (0.0, 119.0, None), (5.0, 4.0, "does not lie inside"), (100.0, 130.0, "does not lie inside"),
     (-1.0, 20.0, "does not lie inside")],
)  # fmt: skip
def test_what_is_no_clip_is_refused_in_a_sentence(start, end, said):
    if said is None:
        assert snap_to_words(start, end, TALK, duration=FILM).duration > 100
        return
    with pytest.raises(CallerError, match=said):
        snap_to_words(start, end, TALK, duration=FILM)


def test_longer_than_a_clip_may_be_is_refused():
    with pytest.raises(CallerError, match="at most 600 s"):
        snap_to_words(0.0, 700.0, [], duration=1000.0)


@st.composite
def talks(draw):
    words, at = [], 0.0
    for _ in range(draw(st.integers(0, 30))):
        at += draw(st.floats(0, 3))
        length = draw(st.floats(0.05, 1.5))
        words.append((round(at, 3), round(at + length, 3)))
        at = round(at + length, 3)
    return spoken(*words)


@given(talks(), st.floats(0, 100), st.floats(0, 20))
@settings(max_examples=200, deadline=None)
def test_no_word_is_ever_cut_in_two(words, start, length):
    try:
        span = snap_to_words(start, min(start + length, FILM), words, duration=FILM)
    except CallerError:
        return
    assert 0 <= span.start < span.end <= FILM
    for word in words:
        for boundary in (span.start, span.end):
            # Times of a transcript are whole milliseconds, and so are boundaries.
            assert not word.start + 0.0011 < boundary < word.end - 0.0011
