"""Sounds made here, with known truth, and what the measures make of them."""

import wave
from pathlib import Path

import numpy as np
import pytest

from cliply_assets.audio.features import empty_features, measure_audio
from cliply_assets.sample import crowd
from cliply_resources.errors import MediaError
from cliply_resources.progress import silent

RATE = 16_000
MEDIA = Path(__file__).parents[4] / "shared" / "media"


def write_wav(path: Path, samples: np.ndarray, *, rate: int = RATE, channels: int = 1) -> Path:
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm.tobytes())
    return path


def measured(tmp_path: Path, samples: np.ndarray):
    return measure_audio(write_wav(tmp_path / "audio.wav", samples), progress=silent)


def room_tone(seconds: float, *, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.0008, int(seconds * RATE))


def tone(seconds: float, hertz: float, level: float = 0.2) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def clapping(seconds: float, *, claps_a_second: int = 60, seed: int = 2) -> np.ndarray:
    """Many hands: short noise bursts with a decaying tail, at random times."""
    rng = np.random.default_rng(seed)
    out = np.zeros(int(seconds * RATE))
    for at in rng.integers(0, len(out) - 800, int(seconds * claps_a_second)):
        out[at : at + 800] += rng.normal(0, 0.12 * rng.uniform(0.3, 1), 800) * np.exp(-np.arange(800) / 120)
    return out


def laughing(seconds: float, *, a_second: float = 4.8) -> np.ndarray:
    """Breathy bursts at laughing speed: falling pitch, half voice, half air."""
    rng = np.random.default_rng(3)
    out = np.zeros(int(seconds * RATE))
    length = int(0.11 * RATE)
    for start in np.arange(0, seconds - 0.2, 1 / a_second):
        at = int((start + rng.normal(0, 0.004)) * RATE)
        if at < 0:
            continue
        voice = np.sign(np.sin(2 * np.pi * 260 * np.arange(length) / RATE)) * 0.5 + rng.normal(0, 0.6, length)
        out[at : at + length] += 0.2 * voice * np.hanning(length)
    return out


def clicks(seconds: float, beats_a_minute: float) -> np.ndarray:
    out = room_tone(seconds)
    for at in np.arange(0.25, seconds - 0.1, 60 / beats_a_minute):
        start = int(at * RATE)
        out[start : start + 400] += (
            0.6 * np.sin(2 * np.pi * 1000 * np.arange(400) / RATE) * np.exp(-np.arange(400) / 80)
        )
    return out


def mean_between(table, column: str, start: float, end: float) -> float:
    rows = table.filter((table["time"] >= start) & (table["time"] < end))
    return float(rows[column].cast(float).mean())


def test_rows_come_every_tenth_of_a_second_with_the_promised_columns(tmp_path):
    table = measured(tmp_path, room_tone(3.05))
    assert dict(zip(table.columns, map(str, table.dtypes), strict=True)) == {
        "time": "Float64",
        "rms_db": "Float32",
        "speech": "Float32",
        "pitch_hz": "Float32",
        "syllable_rate": "Float32",
        "onset": "Float32",
        "laughter": "Float32",
        "applause": "Float32",
        "silence": "Boolean",
        "beat": "Boolean",
    }
    assert table.height == 31
    assert table["time"][30] == pytest.approx(3.0)


def test_a_tone_has_its_level_and_its_pitch(tmp_path):
    table = measured(tmp_path, tone(4, 220, 0.2))
    assert table["rms_db"].median() == pytest.approx(20 * np.log10(0.2 / np.sqrt(2)), abs=0.2)
    assert table["pitch_hz"].median() == pytest.approx(220, abs=2)


@pytest.mark.parametrize("hertz", [80, 120, 180, 300])
def test_the_pitch_of_a_harmonic_voice_is_not_an_octave_off(tmp_path, hertz):
    voice = sum(tone(2, hertz * k, 0.2 / k) for k in range(1, 12))
    assert measured(tmp_path, voice)["pitch_hz"].median() == pytest.approx(hertz, rel=0.02)


def test_noise_has_no_pitch(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE)
    assert (measured(tmp_path, noise)["pitch_hz"] > 0).mean() < 0.1


def test_silence_is_silence_and_a_tone_is_not(tmp_path):
    table = measured(tmp_path, np.concatenate([tone(3, 300), np.zeros(3 * RATE), tone(3, 300)]))
    assert mean_between(table, "silence", 0.2, 2.8) == 0
    assert mean_between(table, "silence", 3.2, 5.8) == 1


def test_applause_is_found_where_hands_clap(tmp_path):
    sound = np.concatenate([room_tone(6), clapping(5), room_tone(6, seed=4)])
    table = measured(tmp_path, sound)
    assert mean_between(table, "applause", 6.5, 10.5) > 0.7
    assert mean_between(table, "applause", 0, 5.5) < 0.05
    assert mean_between(table, "applause", 11.5, 17) < 0.05


def test_the_steady_hiss_of_a_recorder_is_not_applause(tmp_path):
    hiss = np.random.default_rng(5).normal(0, 0.02, 20 * RATE)
    assert measured(tmp_path, hiss)["applause"].max() < 0.2


def test_a_short_hiss_is_not_applause(tmp_path):
    sound = np.concatenate([room_tone(4), np.random.default_rng(6).normal(0, 0.1, 4800), room_tone(4)])
    assert measured(tmp_path, sound)["applause"].max() < 0.2


def test_laughing_bursts_are_laughter_and_not_applause(tmp_path):
    table = measured(tmp_path, np.concatenate([room_tone(5), laughing(3), room_tone(5)]))
    assert mean_between(table, "laughter", 5.5, 7.5) > 0.5
    assert mean_between(table, "laughter", 0, 4.3) < 0.05
    assert mean_between(table, "applause", 5, 8) < 0.2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_hall_that_laughs_is_told_from_one_that_claps(tmp_path, seed):
    rng = np.random.default_rng(seed)
    quiet = 0.001 * crowd.room_tone(5, RATE, rng)
    laughs, claps = 0.4 * crowd.laughter(4, RATE, rng), 0.4 * crowd.applause(4, RATE, rng)
    table = measured(tmp_path, np.concatenate([quiet, laughs, quiet, claps, quiet]))
    assert mean_between(table, "laughter", 5.4, 7.5) > 0.5
    assert mean_between(table, "applause", 5.4, 7.5) < 0.2
    assert mean_between(table, "applause", 14.5, 16.5) > 0.6
    assert mean_between(table, "laughter", 14.3, 17.5) < 0.1
    assert table.filter((table["time"] < 4.5) | (table["time"] > 18.8))["applause"].max() < 0.1


def test_a_passing_lorry_is_neither_laughter_nor_applause(tmp_path):
    rumble = np.cumsum(np.random.default_rng(9).normal(0, 1, 6 * RATE))
    rumble -= np.convolve(rumble, np.full(800, 1 / 800), mode="same")
    lorry = 0.3 * rumble / np.abs(rumble).max() * np.hanning(len(rumble))
    table = measured(tmp_path, np.concatenate([room_tone(6), lorry, room_tone(6, seed=4)]))
    assert table["laughter"].max() < 0.3
    assert table["applause"].max() < 0.3


def test_a_drum_machine_does_not_laugh(tmp_path):
    assert measured(tmp_path, clicks(20, 180) * 0.8)["laughter"].mean() < 0.1


@pytest.mark.parametrize("tempo", [90, 120, 150])
def test_beats_fall_on_the_clicks(tmp_path, tempo):
    table = measured(tmp_path, clicks(20, tempo))
    found = table.filter(table["beat"])["time"].to_numpy()
    clicked = np.arange(0.25, 19.9, 60 / tempo)
    near = np.abs(found[:, None] - clicked[None]).min(axis=1)
    assert len(found) == pytest.approx(len(clicked), abs=3)
    assert np.mean(near <= 0.1) >= 0.95, "one beat may be guessed after the last click"


def test_nothing_beats_in_silence_or_hiss(tmp_path):
    sound = np.concatenate([np.zeros(10 * RATE), np.random.default_rng(7).normal(0, 0.05, 20 * RATE)])
    assert measured(tmp_path, sound)["beat"].sum() == 0


def test_an_onset_shows_where_sound_begins(tmp_path):
    table = measured(tmp_path, np.concatenate([room_tone(2), tone(2, 440)]))
    assert table["onset"].arg_max() in (19, 20, 21)


def test_blocks_leave_no_seam(tmp_path):
    """Longer than two blocks: a tone across the seams keeps its level, its pitch, and has no onset there."""
    table = measured(tmp_path, tone(100, 150))
    inner = table.filter(table["time"] > 1)
    assert inner["onset"].max() < 0.05
    assert inner["rms_db"].std() < 0.05
    assert inner["pitch_hz"].to_numpy()[:-1] == pytest.approx(150, abs=1)


def test_a_film_without_sound_is_all_silence():
    table = empty_features(12.34)
    assert (table.height, table["silence"].all(), table["time"][-1]) == (123, True, pytest.approx(12.2))
    assert table["rms_db"].max() == -100


def test_an_empty_wav_gives_no_rows(tmp_path):
    assert measured(tmp_path, np.zeros(0)).height == 0


def test_a_wav_that_breaks_off_has_the_rows_that_it_holds(tmp_path):
    whole = write_wav(tmp_path / "whole.wav", tone(2, 150)).read_bytes()
    (tmp_path / "half.wav").write_bytes(whole[: len(whole) // 2])

    table = measure_audio(tmp_path / "half.wav", progress=silent)

    assert table.height == 10
    assert table["pitch_hz"].to_numpy()[1:-1] == pytest.approx(150, abs=1)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (16_000, 2)])
def test_other_formats_are_refused_by_name(tmp_path, rate, channels):
    path = write_wav(tmp_path / "a.wav", np.zeros(1000), rate=rate, channels=channels)
    with pytest.raises(MediaError, match="16 kHz mono"):
        measure_audio(path, progress=silent)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("not a sound")
    with pytest.raises(MediaError, match="not a readable WAV"):
        measure_audio(path, progress=silent)


def test_progress_never_falls(tmp_path):
    seen: list[float] = []
    measure_audio(write_wav(tmp_path / "a.wav", room_tone(100)), progress=lambda done, doing: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.skipif(not (MEDIA / "jfk-11s.flac").exists(), reason="the recording is not at hand")
def test_a_real_speech_is_heard_as_speech(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(MEDIA / "jfk-11s.flac")
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    mono = np.interp(np.arange(0, len(mono), rate / RATE), np.arange(len(mono)), mono)
    table = measured(tmp_path, mono)
    spoken = table.filter(table["speech"] > 0.5)
    assert 0.5 < spoken.height / table.height < 0.95
    assert 2.0 < spoken["syllable_rate"].mean() < 6.5
    assert 100 < spoken.filter(spoken["pitch_hz"] > 0)["pitch_hz"].median() < 250
    assert table["applause"].max() < 0.3
    assert table["laughter"].max() < 0.5
    assert table["beat"].sum() == 0
