import re

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.documents import Segment, Transcript
from cliply_resources.speech import align_transcript, align_words
from cliply_resources.speech.aligner import align
from cliply_resources.speech.pronunciation import guess_sounds, spoken_tokens
from cliply_resources.speech.sentences import estimate_words, segment_of, sentences_from_punctuation, tidy_words

SOUNDS = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
ARPABET = frozenset(SOUNDS.split())


@pytest.fixture(scope="session")
def coarse(talk_words) -> tuple[Segment, ...]:
    """The first sentences as a subtitle file has them: cue times up to 0.4 s off, word times guessed."""
    random = np.random.default_rng(5)
    segments = []
    edge = 0.0
    for sentence in sentences_from_punctuation([word for word in talk_words if word.end <= 23.3]):
        start = max(edge, sentence.start + random.uniform(-0.4, 0.4))
        edge = max(start + 0.3, sentence.end + random.uniform(-0.4, 0.4))
        words = estimate_words([word.text for word in sentence.words], start, edge)
        segments.append(segment_of(tidy_words(words)))
    return tuple(segments)


def starts(segments) -> np.ndarray:
    return np.array([word.start for segment in segments for word in segment.words])


def test_coarse_times_become_exact(short_talk, coarse, talk_words):
    truth = np.array([word.start for word in talk_words if word.end <= 23.3])
    assert np.median(np.abs(starts(coarse) - truth)) > 0.1
    aligned = align(short_talk, coarse)
    errors = np.abs(starts(aligned.segments) - truth)
    assert np.median(errors) <= 0.015
    assert np.percentile(errors, 95) <= 0.06
    assert aligned.found == aligned.words == len(truth)


def test_text_stays_as_it_was(short_talk, coarse):
    aligned = align_words(short_talk, coarse)
    assert [segment.text for segment in aligned] == [segment.text for segment in coarse]
    assert [w.text for s in aligned for w in s.words] == [w.text for s in coarse for w in s.words]


def test_a_sentence_that_was_never_said_keeps_its_times_and_the_others_do_not(short_talk, coarse):
    wrong = coarse[3]
    invented = "Seventeen purple elephants quietly juggle enormous pineapples over Copenhagen"
    false = segment_of(tidy_words(estimate_words(invented.split(), wrong.start, wrong.end)))
    aligned = align(short_talk, [*coarse[:3], false, *coarse[4:]])
    assert aligned.words - aligned.found >= len(false.words)
    assert [w.text for w in aligned.segments[3].words] == invented.split()
    assert aligned.found >= 0.5 * aligned.words
    all_starts = starts(aligned.segments)
    assert (np.diff(all_starts) > 0).all()


def test_unknown_words_numbers_and_dashes_are_no_obstacle(short_talk, coarse):
    first = coarse[0]
    text = "Good evening — and welcome back."
    dashed = segment_of(tidy_words(estimate_words(text.split(), first.start, first.end)))
    aligned = align(short_talk, [dashed])
    assert aligned.found == 6
    assert aligned.segments[0].text == text


def test_words_in_other_letters_keep_their_times(short_talk, coarse):
    foreign = segment_of(tidy_words(estimate_words(["Добрый", "вечер"], 0.6, 2.8)))
    assert align_words(short_talk, [foreign]) == (foreign,)


def test_a_transcript_says_whether_its_word_times_are_measured(short_talk, coarse):
    brought = Transcript(
        engine="file", engine_detail="", language=None, quality="high", word_times="estimated", segments=coarse
    )
    assert align_transcript(short_talk, brought).word_times == "measured"
    german = msgspec.structs.replace(brought, language="de")
    assert align_transcript(short_talk, german) is german
    late = msgspec.structs.replace(
        brought, segments=(segment_of(tidy_words(estimate_words(["Nobody", "said", "this"], 400.0, 402.0))),)
    )
    result = align_transcript(short_talk, late)
    assert result.word_times == "estimated"
    assert "Only 0% of the words were found" in result.note
    assert result.segments == late.segments


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hello,", "hello"),
        ("don’t", "don't"),
        ("twenty-five", "twenty five"),
        ("25", "twenty five"),
        ("1,250", "one thousand two hundred fifty"),
        ("1961", "nineteen sixty one"),
        ("1905", "nineteen oh five"),
        ("2005", "two thousand five"),
        ("$5.50", "five point five zero dollars"),
        ("80%", "eighty percent"),
        ("21st", "twenty first"),
        ("20th", "twentieth"),
        ("90s", "nineties"),
        ("café", "cafe"),
        ("007", "zero zero seven"),
        ("—", ""),
        ("日本", ""),
        ("R&D", "r and d"),
    ],
)
def test_written_words_are_said_as_people_say_them(written, spoken):
    assert " ".join(spoken_tokens(written)) == spoken


@given(st.from_regex(r"[a-z]{1,12}('s)?", fullmatch=True), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_word_gets_sounds_that_the_model_knows(word, spelled):
    sounds = guess_sounds(word, spelled=spelled).split()
    assert sounds
    assert set(sounds) <= ARPABET


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_plain_tokens_or_none(text):
    assert all(re.fullmatch("[a-z']+", token) for token in spoken_tokens(text))
