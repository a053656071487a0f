"""Figures of what is done to the sound of clips: noise reduction on speech in known noise, and tightening of speech with known words."""

import tempfile
import wave
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

import cliply_assets.sample.truth as sample
from cliply_assets.audio.noise import judge_reduction, measure_noise, needs_nothing, propose_reduction
from cliply_assets.audio.quiet import find_silences
from cliply_assets.renders.sound_graph import noise_filter
from cliply_assets.renders.spec import ClipGrid
from cliply_assets.renders.tighten import LEVELS, kept_pieces
from cliply_resources.documents import Span, Word
from cliply_resources.media_tools.sound import SOUND_RATE, read_sound

__all__ = ["measure_sounds"]

_RATE = 48_000
_FPS = Fraction(30)
_SECONDS = 50.0
_DEADLINE = 120.0

Sound = NDArray[np.float32]


def measure_sounds() -> dict[str, Any]:
    """On the first fifty seconds of the sample's speech, whose words and pauses are known."""
    speech = sample.load_speech_truth()
    words = [word for segment in speech.segments for word in segment.words if word.end < _SECONDS - 0.5]
    sound = _speech()
    return {
        "noise": {
            f"{kind} {level}": _noise(sound, words, kind, level) for kind in _COLOURS for level in (-35, -45, -55)
        },
        "tighten": {level: _tighten(sound, words, level) for level in ("gentle", "tight")},
    }


_COLOURS = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""By how much the amplitude falls with frequency."""


def _speech() -> Sound:
    with av.open(str(Path(sample.__file__).with_name("speech.opus"))) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
        parts = [each.to_ndarray()[0] for frame in container.decode(audio=0) for each in resampler.resample(frame)]
    return np.concatenate(parts)[: round(_SECONDS * _RATE)]


def _coloured(count: int, fall: float, level_db: float) -> Sound:
    spectrum = np.fft.rfft(np.random.default_rng(5).normal(size=count))
    spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / _RATE), 40.0) ** fall
    noise = np.fft.irfft(spectrum, count)
    return (noise / noise.std() * 10 ** (level_db / 20)).astype(np.float32)


def _noise(speech: Sound, words: list[Word], kind: str, level_db: float) -> dict[str, Any]:
    spoken = [Span(word.start, word.end) for word in words]
    mixed = speech + _coloured(len(speech), _COLOURS[kind], level_db)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes((np.clip(mixed, -1, 1) * 32767).astype("<i2").tobytes())
        how: dict[str, Any] = {"start": 0.0, "duration": _SECONDS, "deadline_seconds": _DEADLINE}
        before = measure_noise(read_sound(path, **how), SOUND_RATE, spoken)
        decided = needs_nothing(before)
        if decided is not None or before is None:
            return {"applied": False, "snr_db": None if before is None else round(before.snr_db, 1)}
        proposed = propose_reduction(read_sound(path, **how, rate=_RATE), _RATE, spoken, before.snr_db)
        if proposed is None:
            return {"applied": False, "snr_db": round(before.snr_db, 1)}
        after = measure_noise(read_sound(path, **how, through=noise_filter(proposed)), SOUND_RATE, spoken)
    decision = judge_reduction(before, after)
    return {
        "applied": decision.applied,
        "snr_db": decision.snr_db,
        "snr_after_db": decision.snr_after_db,
        "speech_change_db": decision.speech_change_db,
    }


def _tighten(sound: Sound, words: list[Word], level: str) -> dict[str, Any]:
    grid = ClipGrid(_FPS, 0, round(_SECONDS * _FPS))
    spoken = [Span(word.start, word.end) for word in words]
    quiet = find_silences(sound[:: _RATE // SOUND_RATE], SOUND_RATE, spoken)
    pieces = kept_pieces(grid, words, quiet, LEVELS[level], language="en")
    rate = float(_FPS)
    gone = [
        Span(one.end_frame / rate + after.sound_shift / _RATE, after.first_frame / rate + after.sound_shift / _RATE)
        for one, after in pairwise(pieces)
    ]
    pauses = [after.start - one.end for one, after in pairwise(words)]
    left = [
        pause - sum(cut.duration for cut in gone if cut.start >= one.end - 0.1 and cut.end <= after.start + 0.1)
        for pause, (one, after) in zip(pauses, pairwise(words), strict=True)
    ]
    return {
        "removed_s": round(sum(cut.duration for cut in gone), 2),
        "cuts": len(gone),
        "longest_pause_before_s": round(max(pauses), 2),
        "longest_pause_after_s": round(max(left), 2),
        "cut_inside_word_s": round(sum(cut.overlap(word) for cut in gone for word in spoken), 3),
    }
