"""What the room does: laughter and applause, told from speech and music by their texture.

Both are likelihoods from 0 to 1 made of plain physical facts (how noise-like, how rhythmic, how much above the room's quiet),
not a trained classifier: good at clear cases, silent on doubtful ones.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Texture", "applause", "laughter", "room_floor_db", "syllable_rate"]

Floats = NDArray[np.float32]

_FRAME_RATE = 100  # envelope frames a second
_PER_ROW = 10  # envelope frames a row of 0.1 s
_LAUGH_WINDOW = 120  # frames; 1.2 s hold five to seven "ha"s
_LAUGH_LAGS = np.arange(15, 29)  # frames; bursts 3.6 to 6.7 times a second (Provine: about 4.8)
_SLICE = 1_024  # windows worked on at once; 10 MB
_APPLAUSE_ROWS = 7  # 0.7 s; a cough or a long "sh" is shorter
_SYLLABLE_WINDOW = 15  # rows; 1.5 s


def ramp(values: Floats, low: float, high: float) -> Floats:
    """0 at `low`, 1 at `high`, straight in between."""
    scaled: Floats = np.clip((values - low) / (high - low), 0.0, 1.0).astype(np.float32)
    return scaled


def room_floor_db(rms_db: Floats) -> float:
    """How loud the room is when nobody does anything: the tenth percentile of what is not digital silence, -40 at most."""
    heard = rms_db[rms_db > -80.0]
    return min(float(np.percentile(heard, 10)), -40.0) if len(heard) else -80.0


class Texture(msgspec.Struct, frozen=True, kw_only=True):
    """What every row sounds like; see `spectra.BlockSpectra` for the measures."""

    noisiness: Floats
    brightness_db: Floats
    rumble_db: Floats
    rms_db: Floats
    speech: Floats
    floor_db: float

    @property
    def human(self) -> Floats:
        """Against engines and wind, whose energy lies below every crowd's."""
        human: Floats = 1.0 - ramp(self.rumble_db, 0.0, 6.0)
        return human

    @property
    def above_room(self) -> Floats:
        """The level over the room's quiet, dB."""
        above: Floats = self.rms_db - np.float32(self.floor_db)
        return above


def applause(texture: Texture) -> Floats:
    """Sustained broadband noise well above the room, while nobody speaks."""
    noise = ramp(texture.noisiness, 0.36, 0.48)
    broad = ramp(texture.brightness_db, -18.0, -8.0)
    loud = ramp(texture.above_room, 6.0, 15.0) * ramp(texture.rms_db, -52.0, -42.0)
    quiet_voice = 1.0 - ramp(texture.speech, 0.35, 0.75)
    return _opened(noise * broad * texture.human * loud * quiet_voice, _APPLAUSE_ROWS)


def laughter(envelope: Floats, texture: Texture, *, pulse: Floats) -> Floats:
    """One person's even bursts, or a whole room's: both swell four to six times a second, while nobody speaks.

    Many people laugh out of step, so their bursts blur into a noise darker than clapping that still flutters at laughing speed.
    A steady musical `pulse` speaks against either.
    """
    rhythm, flutter = (part[: len(pulse)] for part in _burst_rhythm(envelope))
    level = _spread(texture.above_room, 3)
    loud = ramp(level, 3.0, 12.0) * ramp(_spread(texture.rms_db, 3), -58.0, -46.0)
    dark = ramp(texture.brightness_db, -26.0, -20.0) * (1.0 - ramp(texture.brightness_db, -13.0, -10.0))
    breathy = ramp(texture.noisiness, 0.28, 0.38) * dark * texture.human * ramp(texture.above_room, 8.0, 18.0)
    # Flutter comes in waves; in between the same crowd is still laughing.
    crowd = _opened(ramp(_spread(flutter, 9), 0.24, 0.42) * breathy, 7)
    # Laughter keeps some voice, so the speech detector half believes in it; only firm speech speaks against it.
    quiet_voice = 1.0 - ramp(_mean(texture.speech, 9), 0.45, 0.8)
    calm = 1.0 - ramp(pulse, 0.3, 0.5)
    return _opened((np.maximum(rhythm, crowd) * loud * quiet_voice * calm).astype(np.float32), 5)


def syllable_rate(envelope: Floats, speech: Floats) -> Floats:
    """Syllables a second around each row, from envelope peaks that stand out; 0 where nobody speaks."""
    kernel = np.hanning(11).astype(np.float32)
    smooth = np.convolve(envelope, kernel / kernel.sum(), mode="same")
    valley = _running(smooth, 15, np.minimum)
    peak = _running(smooth, 7, np.maximum)
    nucleus = (smooth >= peak) & (smooth > 1.35 * valley) & (smooth > 1e-4)
    rows = nucleus[: len(speech) * _PER_ROW].reshape(-1, _PER_ROW).sum(axis=1).astype(np.float32)
    spoken = (speech > 0.5).astype(np.float32)
    counted = _mean(rows * spoken, _SYLLABLE_WINDOW)
    share = _mean(spoken, _SYLLABLE_WINDOW)
    rate: Floats = np.where(spoken > 0, counted / np.maximum(share, 0.2) * 10.0, 0.0).astype(np.float32)
    return rate


def _burst_rhythm(envelope: Floats) -> tuple[Floats, Floats]:
    """Per row, how evenly the envelope bursts at laughing speed, and what share of its swell is at that speed.

    Worked in slices, so that memory stays flat.
    """
    padded = np.pad(envelope, _LAUGH_WINDOW // 2, mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, _LAUGH_WINDOW)[::_PER_ROW]
    slices = [views[start : start + _SLICE] for start in range(0, len(views), _SLICE)]
    return np.concatenate([_rhythm_of(part) for part in slices]), np.concatenate([_flutter_of(part) for part in slices])


def _rhythm_of(windows: Floats) -> Floats:
    centred = windows - windows.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * _LAUGH_WINDOW + 16, axis=1)
    raw = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, axis=1)[:, : 2 * _LAUGH_LAGS[-1] + 1]
    unbiased = raw / (_LAUGH_WINDOW - np.arange(raw.shape[1]))
    normal = unbiased / (unbiased[:, :1] + 1e-12)
    once, twice, between = normal[:, _LAUGH_LAGS], normal[:, 2 * _LAUGH_LAGS], normal[:, _LAUGH_LAGS // 2]
    # Bursts return after one and two periods and are gone half a period on; speech seldom manages all three.
    even = (np.minimum(once, twice) - np.maximum(between, 0.0)).max(axis=1)
    depth = windows.std(axis=1) / (windows.mean(axis=1) + 1e-9)
    return ramp(even.astype(np.float32), 0.3, 0.6) * ramp(depth.astype(np.float32), 0.3, 0.55)


def _flutter_of(windows: Floats) -> Floats:
    """Share of the envelope's swell between 3.3 and 7 Hz; steady noise has about 0.15."""
    centred = (windows - windows.mean(axis=1, keepdims=True)) * np.hanning(_LAUGH_WINDOW)
    power = np.abs(np.fft.rfft(centred, axis=1)) ** 2
    speed = np.fft.rfftfreq(_LAUGH_WINDOW, 1 / _FRAME_RATE)
    laughing = power[:, (speed >= 3.3) & (speed <= 7.0)].sum(axis=1)
    share: Floats = (laughing / (power[:, (speed > 0.5) & (speed < 25.0)].sum(axis=1) + 1e-12)).astype(np.float32)
    return share


def _opened(values: Floats, width: int) -> Floats:
    """Removes peaks narrower than `width` rows and keeps the shape of the rest (a morphological opening)."""
    return _running(_running(values, width, np.minimum), width, np.maximum)


def _running(values: Floats, width: int, pick: np.ufunc) -> Floats:
    """Running minimum or maximum over a centred, odd window."""
    reach = width // 2
    padded = np.pad(values, reach, mode="edge")
    out = padded[: len(values)].copy()
    for shift in range(1, width):
        pick(out, padded[shift : shift + len(values)], out=out)
    running: Floats = out.astype(np.float32)
    return running


def _mean(values: Floats, width: int) -> Floats:
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    ends = np.minimum(np.arange(len(values)) + width // 2 + 1, len(values))
    starts = np.maximum(np.arange(len(values)) - width // 2, 0)
    mean: Floats = ((sums[ends] - sums[starts]) / (ends - starts)).astype(np.float32)
    return mean


def _spread(values: Floats, width: int) -> Floats:
    return _running(values, width, np.maximum)
