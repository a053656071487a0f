import wave

import numpy as np
import pytest

from cliply_resources.errors import StepFailed
from cliply_resources.progress import silent
from cliply_resources.speech import NO_SPEECH
from cliply_resources.speech.pocketsphinx_engine import PocketsphinxEngine, estimated_word_errors


@pytest.fixture(scope="session")
def heard(short_talk):
    return PocketsphinxEngine().transcribe(short_talk, language=None, progress=silent)


def test_clean_speech_is_recognised_with_exact_word_times(heard, talk_words, word_errors):
    rate, starts = word_errors([word for word in talk_words if word.end <= 23.3], heard)
    assert rate <= 0.10
    assert np.median(starts) <= 0.02
    assert np.percentile(starts, 95) <= 0.06
    assert heard.quality == "normal"
    assert heard.word_times == "measured"
    assert heard.language == "en"


def test_it_comes_as_sentences_with_the_question_marked(heard):
    assert len(heard.segments) == 7
    assert heard.segments[0].text == "Good evening and welcome back."
    assert heard.segments[-1].text.endswith("?")


def test_every_word_says_how_sure_the_engine_was(heard):
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in heard.words)


def test_the_same_sound_gives_the_same_transcript(brief_talk):
    first, second = (PocketsphinxEngine().transcribe(brief_talk, language="en", progress=silent) for _ in range(2))
    assert first == second


def test_an_old_recording_is_understood_in_part_and_called_low_quality(jfk):
    transcript = PocketsphinxEngine().transcribe(jfk, language="en", progress=silent)
    assert transcript.quality == "low"
    assert "of the words may be wrong" in transcript.note
    assert "country" in transcript.segments[-1].text


def test_noise_makes_it_low_quality(brief_talk, write_sound):
    with wave.open(str(brief_talk)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    noise = np.random.default_rng(1).normal(0, 0.25 * np.std(samples), len(samples))
    transcript = PocketsphinxEngine().transcribe(
        write_sound("noisy.wav", samples + noise), language=None, progress=silent
    )
    assert transcript.quality == "low"


def test_silence_has_no_speech_and_says_so(write_sound):
    silence = write_sound("silence.wav", np.zeros(5 * 16_000))
    transcript = PocketsphinxEngine().transcribe(silence, language=None, progress=silent)
    assert (transcript.segments, transcript.note, transcript.engine) == ((), NO_SPEECH, "pocketsphinx")


def test_no_words_are_invented_for_music(music):
    assert PocketsphinxEngine().transcribe(music, language=None, progress=silent).segments == ()


def test_another_language_is_left_to_another_engine(short_talk):
    with pytest.raises(StepFailed, match="knows English only"):
        PocketsphinxEngine().transcribe(short_talk, language="de", progress=silent)


def test_the_expected_errors_fall_as_certainty_rises():
    errors = [estimated_word_errors(certainty) for certainty in (0.0, 0.3, 0.5, 0.7, 1.0)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.slow
def test_the_whole_sample_talk_is_understood(talk, talk_words, word_errors):
    transcript = PocketsphinxEngine().transcribe(talk, language="en", progress=silent)
    rate, starts = word_errors(talk_words, transcript)
    assert rate <= 0.08
    assert np.median(starts) <= 0.015
    assert transcript.quality == "normal"
