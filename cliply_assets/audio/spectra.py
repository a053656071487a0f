"""What one block of 16 kHz sound looks like, in frames of 10 ms and rows of 0.1 s."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAMES_PER_ROW", "HISTORY", "HOP", "RATE", "ROW", "BlockSpectra", "measure_block"]

Floats = NDArray[np.float32]

RATE = 16_000  # Hz, what media_proxy writes
HOP = 160  # samples; 10 ms, fine enough to see single claps and syllables
ROW = 1_600  # samples; 0.1 s
FRAMES_PER_ROW = ROW // HOP
_WINDOW = 512  # samples; 32 ms resolves the harmonics of a low voice (31 Hz a bin)
_PITCH_WINDOW = 1_024  # samples; 64 ms holds four periods of 65 Hz
HISTORY = _PITCH_WINDOW  # samples of the previous block that this block's first frames look back on
_PITCH_LOW, _PITCH_HIGH = 65.0, 400.0  # Hz, from a deep voice to a raised one
_VOICED = 0.5  # normalised autocorrelation above which a frame has a pitch
_TINY = np.float32(1e-10)  # power of -100 dBFS, below one 16-bit step
_SUB_BANDS = ((500, 1500), (1500, 2500), (2500, 3500), (3500, 4500), (4500, 6000))  # Hz
_ONSET_BANDS = 24


@dataclass(frozen=True)
class BlockSpectra:
    """Measures of one block; `frame_*` have one value per 10 ms, `row_*` one per 0.1 s."""

    frame_envelope: Floats
    """Amplitude between 300 and 3000 Hz, where syllables and bursts show."""
    frame_onset: Floats
    """Summed rise of log energy over bands, in nepers; steady sound gives about 0."""
    row_rms_db: Floats
    row_pitch_hz: Floats
    row_noisiness: Floats
    """Mean spectral flatness inside narrow bands: about 0.56 for noise of any colour, below 0.3 for voices and tones."""
    row_brightness_db: Floats
    """Energy of 3 to 7 kHz against 0.3 to 3 kHz."""
    row_rumble_db: Floats
    """Energy of 60 to 250 Hz against 0.3 to 3 kHz: high for engines and wind, low for a crowd."""


def measure_block(samples: Floats, history: Floats, last_bands: Floats | None) -> tuple[BlockSpectra, Floats]:
    """Measures whole rows of `samples`; also the last frame's bands, which the next block's onset is told against.

    `samples` has a multiple of `ROW` values in -1 to 1; `history` the `HISTORY` samples before them.
    """
    joined = np.concatenate([history, samples])
    power = _power_frames(joined, len(samples) // HOP)
    bands = _log_bands(power)
    before = bands[:1] if last_bands is None else last_bands[None]
    rises = np.diff(np.concatenate([before, bands]), axis=0)
    spectra = BlockSpectra(
        frame_envelope=np.sqrt(power[:, _bins(300, 3000)].sum(axis=1)).astype(np.float32),
        frame_onset=np.maximum(rises, 0.0).mean(axis=1).astype(np.float32),
        row_rms_db=_rms_db(samples),
        row_pitch_hz=_pitch(joined, len(samples) // ROW),
        row_noisiness=_row_mean(_noisiness(power)),
        row_brightness_db=_against_middle(power, 3000, 7000),
        row_rumble_db=_against_middle(power, 60, 250),
    )
    return spectra, bands[-1]


def _bins(low: float, high: float) -> slice:
    width = RATE / _WINDOW
    return slice(round(low / width), round(high / width))


def _power_frames(joined: Floats, frames: int) -> Floats:
    """Power spectra of frames that end where their hop ends, so no frame needs sound of the next block."""
    import scipy.fft

    first = HISTORY + HOP - _WINDOW
    views = np.lib.stride_tricks.sliding_window_view(joined[first:], _WINDOW)[::HOP][:frames]
    window = np.hanning(_WINDOW).astype(np.float32)
    spectrum = scipy.fft.rfft(views * window, axis=1)
    power: Floats = (spectrum.real**2 + spectrum.imag**2) / np.float32((window**2).sum() * _WINDOW)
    return power + _TINY


def _log_bands(power: Floats) -> Floats:
    edges = np.unique(np.geomspace(3, power.shape[1] - 1, _ONSET_BANDS + 1).astype(int))
    summed = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    # The added floor keeps the hiss of a quiet room from looking like onsets.
    bands: Floats = np.log(summed + np.float32(1e-7)).astype(np.float32)
    return bands


def _rms_db(samples: Floats) -> Floats:
    mean_square = (samples.reshape(-1, ROW) ** 2).mean(axis=1)
    levels: Floats = (10 * np.log10(mean_square + _TINY)).astype(np.float32)
    return levels


def _row_mean(frames: Floats) -> Floats:
    means: Floats = frames.reshape(-1, FRAMES_PER_ROW).mean(axis=1).astype(np.float32)
    return means


def _noisiness(power: Floats) -> Floats:
    logs = np.log(power)
    flat = [np.exp(logs[:, _bins(*band)].mean(axis=1)) / power[:, _bins(*band)].mean(axis=1) for band in _SUB_BANDS]
    mean: Floats = np.mean(flat, axis=0).astype(np.float32)
    return mean


def _against_middle(power: Floats, low: float, high: float) -> Floats:
    """Energy of a band against that of 0.3 to 3 kHz, in dB."""
    band = _row_mean(power[:, _bins(low, high)].sum(axis=1))
    middle = _row_mean(power[:, _bins(300, 3000)].sum(axis=1))
    ratio: Floats = (10 * np.log10(band / middle)).astype(np.float32)
    return ratio


def _pitch(joined: Floats, rows: int) -> Floats:
    """Pitch of each row by autocorrelation, corrected for the window's own (Boersma 1993); 0 where unvoiced."""
    import scipy.fft

    first = HISTORY + (ROW - _PITCH_WINDOW) // 2
    views = np.lib.stride_tricks.sliding_window_view(joined[first:], _PITCH_WINDOW)[::ROW][:rows]
    window = np.hanning(_PITCH_WINDOW).astype(np.float32)
    frames = (views - views.mean(axis=1, keepdims=True)) * window
    size = 2 * _PITCH_WINDOW
    spectrum = scipy.fft.rfft(frames, size, axis=1)
    own = scipy.fft.irfft(np.abs(scipy.fft.rfft(window, size)) ** 2)
    longest = int(RATE / _PITCH_LOW) + 2
    correlation = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=1)[:, :longest]
    correlation = correlation / (correlation[:, :1] + np.float32(1e-6)) / (own[:longest] / own[0])
    return _first_strong_peak(correlation.astype(np.float32))


def _first_strong_peak(correlation: Floats) -> Floats:
    """The shortest period nearly as good as the best one, since multiples of a period correlate just as well."""
    shortest = int(RATE / _PITCH_HIGH)
    inner = correlation[:, shortest:-1]
    peaks = (inner > correlation[:, shortest - 1 : -2]) & (inner >= correlation[:, shortest + 1 :])
    heights = np.where(peaks, inner, 0.0)
    best = heights.max(axis=1)
    lag = np.argmax(heights >= 0.85 * best[:, None], axis=1) + shortest
    rows = np.arange(len(correlation))
    left, here, right = (correlation[rows, lag + step] for step in (-1, 0, 1))
    bend = left - 2 * here + right
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (left - right) / np.where(np.abs(bend) > 1e-9, bend, 1.0), 0.0)
    pitch: Floats = np.where(best > _VOICED, RATE / (lag + np.clip(shift, -0.5, 0.5)), 0.0).astype(np.float32)
    return pitch
