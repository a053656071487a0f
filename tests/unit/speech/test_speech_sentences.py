import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.documents import Word
from cliply_resources.speech.sentences import (
    ends_sentence,
    estimate_words,
    sentences_from_pauses,
    sentences_from_punctuation,
    tidy_words,
)


def said(text: str, *, pauses: dict[str, float] | None = None, speaker: str | None = None) -> tuple[Word, ...]:
    """Words of 0.3 s, one after the other, with a pause after the named ones."""
    words = []
    moment = 0.0
    for part in text.split():
        words.append(Word(text=part, start=moment, end=moment + 0.3, speaker=speaker))
        moment += 0.3 + (pauses or {}).get(part, 0.0)
    return tidy_words(words)


moments = st.floats(-10, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf])
any_words = st.lists(
    st.builds(
        Word,
        text=st.text(max_size=8),
        start=moments,
        end=moments,
        confidence=st.none() | st.floats(-1, 2),
    ),
    max_size=40,
)


@given(any_words)
@settings(max_examples=200, deadline=None)
def test_tidy_words_follow_each_other_and_last(words):
    before = 0.0
    for word in tidy_words(words):
        assert math.isfinite(word.start)
        assert before <= word.start < word.end
        assert word.text.split() == word.text.split(" ") != [""]
        assert word.confidence is None or 0 <= word.confidence <= 1
        before = word.end


LOWER = "the a what do you i and we people go stop monday is it how of that"
lower_words = st.lists(
    st.tuples(
        st.sampled_from(LOWER.split()),
        st.floats(0.0, 1.5),
    ),
    max_size=120,
)


@given(lower_words)
@settings(max_examples=100, deadline=None)
def test_sentences_keep_every_word_and_its_time(pairs):
    words, moment = [], 0.0
    for text, pause in pairs:
        words.append(Word(text=text, start=moment, end=moment + 0.2))
        moment += 0.2 + pause
    words = tidy_words(words)
    segments = sentences_from_pauses(words)
    kept = [word for segment in segments for word in segment.words]
    assert [(w.start, w.end, w.text.lower().strip(".?")) for w in kept] == [(w.start, w.end, w.text) for w in words]
    assert all(" ".join(w.text for w in s.words) == s.text and len(s.words) <= 60 for s in segments)


def test_a_pause_ends_a_sentence_and_capitals_begin_one():
    words = said("i met her on monday we talked", pauses={"monday": 0.5})
    assert [s.text for s in sentences_from_pauses(words)] == ["I met her on Monday.", "We talked."]


def test_a_breath_after_the_is_no_end():
    words = said("we went to the big house", pauses={"the": 0.6})
    assert [s.text for s in sentences_from_pauses(words)] == ["We went to the big house."]


def test_a_shorter_pause_is_enough_before_a_word_that_begins_sentences():
    assert len(sentences_from_pauses(said("it was very cold we left", pauses={"cold": 0.3}))) == 2
    assert len(sentences_from_pauses(said("it was very cold outside", pauses={"cold": 0.3}))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "do you use a list",
        "and do you know where it was",
        "how often do good people make a bad mistake",
        "who else has this problem",
        "what should we all remember",
        "so why did they stop",
        "is that all",
        "why",
    ],
)
def test_questions_get_a_question_mark(text):
    assert sentences_from_pauses(said(text))[0].text.endswith("?")


@pytest.mark.parametrize(
    "text",
    [
        "what i mean is this",
        "when we came home it rained",
        "which is why we left",
        "how to build a house",
        "i know what you did",
        "do not touch it",
        "have fun",
    ],
)
def test_statements_get_a_full_stop(text):
    assert sentences_from_pauses(said(text))[0].text.endswith(".")


def test_a_stream_without_pauses_is_divided_without_inventing_ends():
    segments = sentences_from_pauses(said(" ".join(["go"] * 100)))
    assert len(segments) > 1
    assert [s.text.endswith(".") for s in segments] == [False] * (len(segments) - 1) + [True]


def test_a_change_of_speaker_ends_a_sentence():
    one, two = said("hello there", speaker="A"), said("hello you", speaker="B")
    moved = [Word(text=w.text, start=w.start + 1, end=w.end + 1, speaker="B") for w in two]
    assert [s.speaker for s in sentences_from_pauses((*one, *moved))] == ["A", "B"]


@pytest.mark.parametrize("word", ["right?", "done.", 'no."', "wait!)", "so…", "好。"])
def test_ends_are_recognised(word):
    assert ends_sentence(word)


@pytest.mark.parametrize("word", ["Dr.", "J.", "e.g.", "a.m.", "3.5", "well,", "U.S."])
def test_abbreviations_are_no_ends(word):
    assert not ends_sentence(word)


def test_punctuation_is_believed():
    words = said("Dr. Who came. Was he late? Yes")
    assert [s.text for s in sentences_from_punctuation(words)] == ["Dr. Who came.", "Was he late?", "Yes"]


def test_estimated_words_share_a_cue_by_their_length_and_do_not_linger():
    first, second = estimate_words(["a", "considerable"], 10.0, 12.0)
    assert first.start == 10.0
    assert second.end <= 12.0
    assert second.end - second.start > 4 * (first.end - first.start)
    assert estimate_words(["hi"], 0.0, 9.0, slowest=0.12)[0].end < 0.4
