"""Sentences are found with and without punctuation, and gaps lie only between words."""

from conversation import segment_of, transcript_from, transcript_of
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.highlights.boundaries import Gap, Limits, fit, gaps_around, word_gaps
from cliply_assets.highlights.sentences import split_sentences
from cliply_resources.documents import Word


def texts(transcript, duration=1000.0):
    return [sentence.text for sentence in split_sentences(transcript, duration)]


def words_of(text, *, start=0.0, gap=0.05, length=0.3):
    words = []
    for word in text.split():
        words.append(Word(text=word, start=start, end=start + length))
        start += length + gap
    return words


def test_punctuation_splits_a_segment_into_sentences():
    transcript = transcript_from([segment_of(words_of("One is here. Two is there! Is three anywhere?"))])
    assert texts(transcript) == ["One is here.", "Two is there!", "Is three anywhere?"]


def test_a_title_with_a_full_stop_does_not_end_a_sentence():
    transcript = transcript_from([segment_of(words_of("We asked Dr. Smith and Mrs. Jones at the clinic."))])
    assert len(texts(transcript)) == 1


def test_without_punctuation_pauses_split():
    first = words_of("this is one thought")
    second = words_of("and this another", start=first[-1].end + 0.6)
    assert texts(transcript_from([segment_of(first + second)])) == ["this is one thought", "and this another"]


def test_speakers_are_never_in_one_sentence():
    transcript, _ = transcript_of(["A:and then we went", "B:where did you go"], pause=0.0, punctuated=False)
    assert len(texts(transcript)) == 2


def test_an_endless_sentence_is_cut_to_size_at_its_commas():
    long = "we went on and on and on without a stop, " * 12
    sentences = split_sentences(transcript_from([segment_of(words_of(long))]), 1000.0)
    assert len(sentences) > 1
    assert all(len(sentence.words) <= 45 for sentence in sentences)
    assert all(sentence.text.endswith(",") for sentence in sentences[:-1])


def test_words_beyond_the_film_and_broken_times_are_mended():
    words = [
        Word(text="in", start=1.0, end=0.5),
        Word(text="stuck", start=2.0, end=60.0),
        Word(text="out", start=99, end=100),
    ]
    sentences = split_sentences(transcript_from([segment_of(words)]), 50.0)
    kept = [word for sentence in sentences for word in sentence.words]
    assert [word.text for word in kept] == ["in", "stuck"]
    assert all(word.start < word.end <= 50.0 for word in kept)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0.05, 3)), min_size=1, max_size=30))
def test_no_gap_reaches_into_a_word(spans):
    words = sorted((Word(text="w", start=start, end=start + length) for start, length in spans), key=lambda w: w.start)
    sentences = split_sentences(transcript_from([segment_of(words)]), 70.0)
    for gap in (*word_gaps(sentences, 70.0), *gaps_around(sentences, 70.0)):
        if gap.open:
            middle = (gap.low + gap.high) / 2
            assert not any(word.start + 1e-6 < middle < min(word.end, 70.0) - 1e-6 for word in words)


LIMITS = Limits(duration=100.0, shortest=10.0, longest=20.0)


def test_a_clip_leaves_a_little_air_around_its_words():
    assert fit(Gap(4.0, 10.0), Gap(25.0, 30.0), LIMITS) == (9.8, 25.45)


def test_air_never_reaches_a_neighbours_word():
    start, end = fit(Gap(9.9, 10.0), Gap(25.0, 25.1), LIMITS)
    assert 9.9 < start <= 10.0
    assert 25.0 <= end < 25.1


def test_a_short_clip_grows_into_the_pauses_around_it():
    start, end = fit(Gap(0.0, 10.0), Gap(14.0, 17.0), LIMITS)
    assert end - start >= 10.0
    assert end <= 17.0


def test_what_cannot_fit_is_refused():
    assert fit(Gap(9.0, 10.0), Gap(31.0, 32.0), LIMITS) is None
    assert fit(Gap(9.9, 10.0), Gap(12.0, 12.1), LIMITS) is None
    assert fit(Gap(11.0, 10.0), Gap(25.0, 26.0), LIMITS) is None


def test_a_cut_a_few_frames_inside_becomes_the_edge():
    limits = Limits(duration=100.0, shortest=10.0, longest=20.0, cuts=(9.9, 25.3))
    assert fit(Gap(4.0, 10.0), Gap(25.0, 30.0), limits) == (9.9, 25.3)


def test_a_cut_inside_the_first_word_gets_room_before_it():
    limits = Limits(duration=100.0, shortest=10.0, longest=20.0, cuts=(10.05,))
    start, _ = fit(Gap(4.0, 10.0), Gap(25.0, 30.0), limits)
    assert start == 9.65


def test_a_landing_is_heard_out():
    assert fit(Gap(4.0, 10.0), Gap(25.0, 30.0), LIMITS, landing=27.0) == (9.8, 27.0)
