"""Musical pulse from the onset envelope: where it is steady enough to be music, and where its beats fall.

Whether there is a pulse at all is decided here, because a beat tracker finds beats in speech and in silence as well; the beats
themselves are librosa's (dynamic programming after D. Ellis, "Beat Tracking by Dynamic Programming", 2007).
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
_HOP = 160  # samples a frame at 16 kHz; librosa counts in samples


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


def _beats_of(onset: Floats) -> Beats:
    """Beats of one stretch of music. librosa compiles itself for some seconds at its first call: films without music never pay."""
    from librosa.beat import beat_track

    _, beats = beat_track(onset_envelope=onset, sr=_FRAME_RATE * _HOP, hop_length=_HOP, trim=True, units="frames")
    found: Beats = np.asarray(beats, dtype=np.int64)
    return found
