"""Musical pulse from the onset envelope: where it is steady enough to be music, and where its beats fall.

Tempo by autocorrelation and beats by dynamic programming after D. Ellis, "Beat Tracking by Dynamic Programming" (2007); the
same method as librosa's `beat_track`, without the seconds that numba compiles before librosa's first answer.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_beats", "pulse_strength"]

Floats = NDArray[np.float32]
Beats = NDArray[np.int64]

_FRAME_RATE = 100  # onset frames a second
_SHORTEST, _LONGEST = 30, 100  # frames a beat: 200 to 60 beats a minute
_WINDOW = 400  # frames; 4 s hold four beats of the slowest tempo
_STEP = 50  # frames between two looks at the pulse
_LASTING = 11  # looks; 5 s of windows of 4 s each: nobody laughs evenly for so long
_PIECE = 3_000  # frames; players drift, so the tempo is taken anew every 30 s
_MUSIC = 0.30  # pulse strength above which a stretch counts as music; running speech stays below 0.2
_SHORTEST_MUSIC = 500  # frames; a shorter pulse is chance, or one laugh
_TIGHTNESS = 100.0  # how dearly a beat off the tempo pays; Ellis' value


def pulse_strength(onset: Floats) -> Floats:
    """How steady the pulse is around every 10 ms frame, 0 (none) to 1 (a metronome)."""
    if len(onset) < _SHORTEST_MUSIC:
        return np.zeros(len(onset), dtype=np.float32)
    starts = np.arange(0, len(onset) - _WINDOW + 1, _STEP)
    level = _levelled(onset)
    looks = np.array([_strength(level[start : start + _WINDOW]) for start in starts])
    reach = min(_LASTING, len(looks)) // 2
    held = _slide(_slide(looks, reach, np.min), reach, np.max)
    strength: Floats = np.interp(np.arange(len(onset)), starts + _WINDOW // 2, held).astype(np.float32)
    return strength


def _levelled(onset: Floats) -> Floats:
    """The envelope about its mean over one second, so that a change of loudness is no rhythm; lone crashes are capped."""
    mean = np.convolve(np.pad(onset, 50, mode="edge"), np.full(101, 1 / 101), mode="valid")
    level: Floats = np.clip(onset - mean, None, 4 * float(onset.std()) + 1e-6).astype(np.float32)
    return level


def _slide(looks: NDArray[np.float64], reach: int, pick: Callable[..., NDArray[np.float64]]) -> NDArray[np.float64]:
    views = np.lib.stride_tricks.sliding_window_view(np.pad(looks, reach, mode="edge"), 2 * reach + 1)
    return pick(views, axis=1)


def find_beats(onset: Floats, strength: Floats) -> Beats:
    """The frames on which beats fall, only inside stretches whose pulse is steady enough to be music."""
    found: list[Beats] = []
    for start, end in _music_stretches(strength):
        for piece in range(start, end, _PIECE):
            stop = end if end - piece < 2 * _PIECE else piece + _PIECE
            found.append(piece + _beats_of(onset[piece:stop]))
            if stop == end:
                break
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _autocorrelation(onset: Floats) -> Floats:
    """Normalised autocorrelation of the envelope, trend removed and unbiased for the shrinking overlap."""
    centred = onset - onset.mean()
    size = 1 << (2 * len(centred) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    raw = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[: 2 * _LONGEST + 2]
    overlap = len(centred) - np.arange(len(raw))
    normal: Floats = (raw / np.maximum(overlap, 1) / (raw[0] / len(centred) + 1e-9)).astype(np.float32)
    return normal


def _strength(onset: Floats) -> float:
    """A pulse repeats at its period and at twice it; the weaker of the two speaks."""
    if float(onset.std()) < 1e-3:
        return 0.0
    # A repeat may come a frame early or late, so neighbours are allowed to help each other.
    eased = np.convolve(onset, np.array([0.25, 0.5, 0.25], dtype=np.float32), mode="same").astype(np.float32)
    correlation = _autocorrelation(eased)
    lags = np.arange(_SHORTEST, _LONGEST + 1)
    return float(np.clip(np.minimum(correlation[lags], correlation[2 * lags]).max(), 0.0, 1.0))


def _music_stretches(strength: Floats) -> list[tuple[int, int]]:
    music = np.concatenate([[False], strength >= _MUSIC, [False]])
    edges = np.flatnonzero(music[1:] != music[:-1]).reshape(-1, 2)
    return [(int(start), int(end)) for start, end in edges if end - start >= _SHORTEST_MUSIC]


def _period(onset: Floats) -> int:
    """The beat period in frames; a log-normal preference around 120 a minute decides between halves and doubles."""
    correlation = _autocorrelation(onset)
    lags = np.arange(_SHORTEST, min(_LONGEST, len(correlation) // 2 - 1) + 1)
    preference = np.exp(-0.5 * np.log2(lags / (_FRAME_RATE / 2.0)) ** 2)
    return int(lags[np.argmax((correlation[lags] + 0.5 * correlation[2 * lags]) * preference)])


def _beats_of(onset: Floats) -> Beats:
    period = _period(onset)
    local = _smoothed(onset / (onset.std() + 1e-9), period)
    lags = np.arange(2 * period, period // 2 - 1, -1)
    price = (-_TIGHTNESS * np.log(lags / period) ** 2).astype(np.float64)
    total = local.astype(np.float64)
    back = np.full(len(local), -1, dtype=np.int64)
    for frame in range(int(lags[-1]), len(local)):
        reach = lags <= frame
        scores = total[frame - lags[reach]] + price[reach]
        best = int(np.argmax(scores))
        if scores[best] > 0:
            total[frame] += scores[best]
            back[frame] = frame - int(lags[reach][best])
    return _trace(total, back, local, period)


def _smoothed(onset: Floats, period: int) -> Floats:
    reach = np.arange(-period, period + 1)
    kernel = np.exp(-0.5 * (reach * 32.0 / period) ** 2)
    smooth: Floats = np.convolve(onset, kernel, mode="full")[period : period + len(onset)].astype(np.float32)
    return smooth


def _trace(total: NDArray[np.float64], back: Beats, local: Floats, period: int) -> Beats:
    """Walks back from the best end within the last period, and drops beats at the edges that nothing sounds on."""
    beat = int(np.argmax(total[-period:])) + max(0, len(total) - period)
    beats = []
    while beat >= 0:
        beats.append(beat)
        beat = int(back[beat])
    ordered = np.array(beats[::-1], dtype=np.int64)
    sounding = np.flatnonzero(local[ordered] > 0.5 * np.sqrt(np.mean(local[ordered] ** 2)))
    return ordered[sounding[0] : sounding[-1] + 1] if len(sounding) else ordered[:0]
