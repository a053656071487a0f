"""The committed speech and its committed truth belong together."""

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cliply_assets.sample import synthesise_speech
from cliply_assets.sample import truth as truth_module
from cliply_assets.sample.script import PASSAGES
from cliply_assets.sample.truth import cut_short, load_speech_truth
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import silent

SPEECH = Path(truth_module.__file__).with_name("speech.opus")
RATE = 16_000


@pytest.fixture(scope="module")
def truth():
    return load_speech_truth()


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    decoded = tmp_path_factory.mktemp("speech") / "speech.wav"
    run_ffmpeg(
        ["-i", str(SPEECH), "-ac", "1", "-ar", str(RATE), str(decoded)],
        duration=None,
        progress=silent,
        deadline_seconds=60,
        doing="decoding",
    )
    with wave.open(str(decoded)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float64) / 32768


def level(samples, start, end):
    part = samples[round(start * RATE) : round(end * RATE)]
    return 20 * np.log10(np.sqrt(np.mean(part**2)) + 1e-9)


def test_the_speech_is_as_long_as_its_truth_says(samples, truth):
    assert samples.size / RATE == pytest.approx(truth.duration, abs=0.01)


def test_the_speech_is_small_enough_for_the_repository():
    assert SPEECH.stat().st_size < 1_500_000


def test_every_word_can_be_heard_where_the_truth_puts_it(samples, truth):
    quiet = [word.text for s in truth.segments for word in s.words if level(samples, word.start, word.end) < -45]
    assert quiet == []


def test_it_is_quiet_wherever_nobody_speaks_or_reacts(samples, truth):
    busy = sorted([(s.start, s.end) for s in truth.segments] + [(r.span.start, r.span.end) for r in truth.reactions])
    gaps = [(end + 0.06, start - 0.06) for (_, end), (start, _) in pairwise(busy) if start - end > 0.25]
    assert len(gaps) > 30
    assert max(level(samples, start, end) for start, end in gaps) < -50


def test_words_start_where_the_sound_starts_after_a_pause(samples, truth):
    """Within 60 ms: a stop such as "t" is silent before its burst."""
    late = []
    for sentence in truth.segments:
        around = samples[round((sentence.start - 0.03) * RATE) : round((sentence.start + 0.3) * RATE)]
        loud = np.convolve(around**2, np.ones(80) / 80, "same") > 10**-5.2
        late.append(np.argmax(loud) / RATE - 0.03)
    assert np.median(np.abs(late)) < 0.03


def test_the_audience_is_heard_where_the_truth_says(samples, truth):
    for reaction in truth.reactions:
        middle = reaction.span.start + reaction.span.duration / 2
        assert level(samples, middle - 0.5, middle + 0.5) > -35


def test_lively_passages_are_louder_than_dull_ones(samples, truth):
    moods = {line.text: line.mood for passage in PASSAGES for line in passage.lines}
    levels = {"lively": [], "plain": [], "dull": []}
    for sentence in truth.segments:
        levels[moods[sentence.text]].append(level(samples, sentence.start, sentence.end))
    assert np.mean(levels["lively"]) > np.mean(levels["plain"]) > np.mean(levels["dull"])


def test_the_truth_says_what_the_script_says(truth):
    assert [s.text for s in truth.segments] == [line.text for p in PASSAGES for line in p.lines]
    assert [s.speaker for s in truth.segments] == [line.speaker for p in PASSAGES for line in p.lines]
    assert [p.name for p in truth.passages if p.worth_clipping] == [p.name for p in PASSAGES if p.worth_clipping]


def test_words_are_in_order_and_spell_their_sentences(truth):
    words = [word for s in truth.segments for word in s.words]
    assert all(word.start < word.end for word in words)
    assert all(one.end <= other.start + 0.001 for one, other in pairwise(words))
    assert all(s.text == " ".join(word.text for word in s.words) for s in truth.segments)


def test_every_answer_follows_its_question(truth):
    assert len(truth.exchanges) == 5
    assert all(0 < one.answer.start - one.question.end < 1.5 for one in truth.exchanges)


def test_a_shortened_truth_promises_nothing_after_its_end(truth):
    short = cut_short(truth, 30.0)
    assert max(s.end for s in short.segments) <= 30
    assert max(p.span.end for p in short.passages) <= 30
    assert [p.name for p in short.passages] == ["welcome", "number"]
    assert not any(p.worth_clipping for p in short.passages)
    assert short.exchanges == ()
    assert short.reactions == ()


def test_the_synthesis_script_loads_without_a_synthesiser():
    assert callable(synthesise_speech.main)
