import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.documents import Span
from cliply_resources.errors import MediaError
from cliply_resources.progress import silent
from cliply_resources.speech.listening import (
    WINDOW_SECONDS,
    SpeechRules,
    Stretch,
    find_stretches,
    hear,
    in_blocks,
    listen,
)
from cliply_resources.speech.sound import open_sound

probabilities = st.lists(st.floats(0, 1, width=32), max_size=400).map(lambda values: np.array(values, np.float32))


@given(probabilities)
@settings(max_examples=150, deadline=None)
def test_stretches_are_in_order_apart_and_inside_the_sound(values):
    stretches = find_stretches(values, SpeechRules(max_seconds=2.0))
    edge = 0.0
    for stretch in stretches:
        assert edge <= stretch.span.start < stretch.span.end <= len(values) * WINDOW_SECONDS + 1e-9
        assert stretch.span.duration <= 2.0 + 2 * 0.16 + 1e-9
        edge = stretch.span.end


@given(probabilities)
@settings(max_examples=60, deadline=None)
def test_every_clearly_spoken_moment_lies_in_a_stretch(values):
    stretches = find_stretches(values, SpeechRules(min_speech=0.0, min_certainty=0.0))
    for index in np.flatnonzero(values >= 0.5):
        assert any(s.span.start <= index * WINDOW_SECONDS < s.span.end + 1e-9 for s in stretches)


def test_a_click_is_not_speech():
    values = np.zeros(100, np.float32)
    values[50:53] = 0.9
    assert find_stretches(values, SpeechRules()) == ()


def test_a_long_stretch_is_divided_where_speech_is_least_likely():
    values = np.full(1000, 0.9, np.float32)
    values[480:486] = 0.45
    first, second = find_stretches(values, SpeechRules(max_seconds=20.0))
    assert first.span.end == second.span.start == pytest.approx(483 * WINDOW_SECONDS, abs=0.1)


def test_listening_in_blocks_hears_what_one_call_over_the_file_hears(short_talk):
    with wave.open(str(short_talk)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    whole = np.asarray(get_vad_model()(np.pad(samples, (0, -len(samples) % 512)))).reshape(-1)
    np.testing.assert_allclose(hear(short_talk, silent), whole, atol=1e-4)


def test_speech_is_found_where_it_is_and_nowhere_else(short_talk, talk_words):
    stretches = listen(short_talk, progress=silent)
    spoken = [word for word in talk_words if word.end <= 23.3]
    missed = [w.text for w in spoken if not any(s.span.overlap(Span(w.start, w.end)) for s in stretches)]
    assert missed == []
    silence = 23.4 - sum(word.end - word.start for word in spoken)
    assert sum(s.span.duration for s in stretches) < 23.4 - 0.4 * silence


def test_music_and_applause_are_not_speech(music, applause):
    assert listen(music, progress=silent) == ()
    assert listen(applause, progress=silent) == ()


def test_a_file_without_samples_has_no_speech(write_sound):
    assert listen(write_sound("nothing.wav", np.zeros(0)), progress=silent) == ()


def test_progress_never_falls_and_ends_at_one(short_talk):
    seen: list[float] = []
    listen(short_talk, progress=lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_blocks_hold_every_stretch_and_skip_long_pauses():
    stretches = [Stretch(span=Span(a, a + 5), certainty=1.0) for a in (0, 6, 12, 100, 106, 130)]
    assert in_blocks(stretches, most_seconds=20, longest_pause=30) == (Span(0, 17), Span(100, 111), Span(130, 135))


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (16_000, 2)])
def test_sound_in_another_shape_is_refused_by_name(tmp_path, rate, channels):
    path = tmp_path / "odd.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0" * 3200)
    with pytest.raises(MediaError, match=rf"odd\.wav has {rate} Hz, {channels} channels"), open_sound(path):
        pass


def test_a_missing_file_and_a_text_file_are_refused(tmp_path):
    with pytest.raises(MediaError, match=r"gone\.wav is missing"), open_sound(tmp_path / "gone.wav"):
        pass
    (tmp_path / "text.wav").write_text("RIFF, but not really")
    with pytest.raises(MediaError, match=r"text\.wav is not a WAV file"), open_sound(tmp_path / "text.wav"):
        pass


@pytest.mark.slow
def test_three_quarters_of_an_hour_cost_no_more_memory_than_a_minute(tmp_path, short_talk):
    """Decoding included: some speech at either end of a long silence."""
    with wave.open(str(short_talk)) as file:
        speech = file.readframes(6 * 16_000)
    peaks = []
    for minutes in (1, 45):
        path = tmp_path / f"{minutes}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(speech)
            for _ in range(minutes):
                file.writeframes(b"\0" * (32_000 * 60))
            file.writeframes(speech)
        peaks.append(_peak_megabytes(path))
    assert peaks[1] < 650
    # Its samples as floats alone would be 173 MB.
    assert peaks[1] - peaks[0] < 120


_CHILD = """
import sys, threading
from pathlib import Path
from cliply_resources.progress import silent
from cliply_resources.speech.pocketsphinx_engine import PocketsphinxEngine

def own():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

# The model's file is mapped, and how much of it the system keeps in memory is the system's own choice: not counted.
most, over = 0, threading.Event()
def watch():
    global most
    while not over.wait(0.02):
        most = max(most, own())
watcher = threading.Thread(target=watch)
watcher.start()
assert PocketsphinxEngine().transcribe(Path(sys.argv[1]), language="en", progress=silent).segments
over.set()
watcher.join()
print(most)
"""


def _peak_megabytes(path: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    return int(done.stdout) / 1024
