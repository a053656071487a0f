"""Noises of an audience that nobody recorded: applause and laughter as sums of many small events."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["applause", "laughter", "room_tone"]

_PEOPLE_CLAPPING = 45
_PEOPLE_LAUGHING = 14


def applause(seconds: float, rate: int, rng: np.random.Generator) -> "NDArray[np.float32]":
    """Many hands clapping, at most ±1, mono at `rate` Hz: a fast start, a long middle, a thinning end.

    A clap is a burst of band-passed noise of about 10 ms; people clap four to five times a second, each in their own step.
    """
    out = np.zeros(round(seconds * rate), np.float32)
    for _ in range(_PEOPLE_CLAPPING):
        clap = _clap(rate, rng) * rng.uniform(0.25, 1.0)
        starts, ends = rng.uniform(0.0, 0.5), seconds - rng.exponential(seconds * 0.14)
        moment, period = starts, rng.uniform(0.2, 0.27)
        while moment < ends:
            _add(out, clap * rng.uniform(0.7, 1.0), round(moment * rate))
            moment += period * rng.uniform(0.92, 1.08)
    return _finished(_in_a_hall(out, rate, rng), rate)


def laughter(seconds: float, rate: int, rng: np.random.Generator) -> "NDArray[np.float32]":
    """Many people laughing, at most ±1, mono at `rate` Hz: bursts of "ha" that fall in pitch and die away."""
    out = np.zeros(round(seconds * rate), np.float32)
    for _ in range(_PEOPLE_LAUGHING):
        pitch, moment = rng.uniform(150, 340), rng.exponential(0.15)
        strength, step = rng.uniform(0.4, 1.0), rng.uniform(0.17, 0.24)
        while moment < seconds - 0.3 and strength > 0.05:
            _add(out, _ha(pitch, rate, rng) * strength, round(moment * rate))
            moment += step * rng.uniform(0.9, 1.1)
            pitch *= 0.975
            strength *= rng.uniform(0.86, 0.98)
            if rng.random() < 0.12:
                # Laughing people stop to breathe, and start again higher.
                moment += rng.uniform(0.2, 0.4)
                pitch *= 1.12
    return _finished(_in_a_hall(out, rate, rng), rate)


def room_tone(seconds: float, rate: int, rng: np.random.Generator) -> "NDArray[np.float32]":
    """The hiss of a quiet hall with RMS 1, mono at `rate` Hz: noise that falls by 3 dB an octave above 50 Hz."""
    samples = round(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequencies = np.fft.rfftfreq(samples, 1 / rate)
    spectrum /= np.sqrt(np.maximum(frequencies, 50.0))
    tone = np.fft.irfft(spectrum, samples)
    return np.asarray(tone / tone.std(), np.float32)


def _clap(rate: int, rng: np.random.Generator) -> "NDArray[np.float32]":
    samples = round(0.035 * rate)
    centre = rng.uniform(900, 2400)
    band = butter(2, [centre * 0.6, min(centre * 1.9, rate * 0.45)], "bandpass", fs=rate, output="sos")
    burst = rng.standard_normal(samples) * np.exp(-np.arange(samples) / (rng.uniform(0.004, 0.009) * rate))
    return np.asarray(sosfilt(band, burst), np.float32)


def _ha(pitch: float, rate: int, rng: np.random.Generator) -> "NDArray[np.float32]":
    """One breathy "ha" of 120 ms: a puff of noise, then a voiced vowel through the formants of an open "a"."""
    samples = round(0.12 * rate)
    time = np.arange(samples) / rate
    phase = np.cumsum(np.linspace(pitch * 1.06, pitch * 0.94, samples)) / rate
    source = (2 * (phase % 1.0) - 1) * np.minimum(time / 0.03, 1.0) + 0.35 * rng.standard_normal(samples)
    voice = np.zeros(samples)
    for formant, gain in ((800, 1.0), (1250, 0.7), (2600, 0.3)):
        band = butter(1, [formant * 0.85, formant * 1.15], "bandpass", fs=rate, output="sos")
        voice += gain * sosfilt(band, source)
    return np.asarray(voice * np.hanning(samples), np.float32)


def _in_a_hall(dry: "NDArray[np.float32]", rate: int, rng: np.random.Generator) -> "NDArray[np.float32]":
    tail = round(0.25 * rate)
    echo = rng.standard_normal(tail) * np.exp(-np.arange(tail) / (0.06 * rate))
    wet = fftconvolve(dry, echo / np.sqrt(np.sum(echo**2)))[: dry.size]
    return np.asarray(0.7 * dry + 0.5 * wet, np.float32)


def _finished(sound: "NDArray[np.float32]", rate: int) -> "NDArray[np.float32]":
    fade = round(0.15 * rate)
    sound[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return np.asarray(sound / np.abs(sound).max(), np.float32)


def _add(out: "NDArray[np.float32]", sound: "NDArray[np.float32]", at: int) -> None:
    end = min(at + sound.size, out.size)
    if end > at:
        out[at:end] += sound[: end - at]
