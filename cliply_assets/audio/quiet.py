"""Where a stretch of sound is quiet, to a hundredth of a second: pauses between words, seen against the speech around them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cliply_resources.documents import Span

__all__ = ["HOP_SECONDS", "find_silences", "levels_db"]

Floats = NDArray[np.float32]

HOP_SECONDS = 0.01
_WINDOW_HOPS = 2
_NOTHING_DB = -100.0
_FLOOR_PERCENTILE = 5
_ABOVE_FLOOR_DB = 7.0  # a room's noise wavers by less
_BELOW_SPEECH_DB = 15.0  # weak consonants are louder than that
_FAR_BELOW_SPEECH_DB = 38.0  # nobody hears what is softer, whatever the room
_HISS_ABOVE_FLOOR_DB = 9.0  # an "s" is soft, but bright
_SHORTEST = 0.04  # s


def levels_db(samples: Floats, rate: int) -> Floats:
    """Level in dBFS of windows of 0.02 s, one each 0.01 s; the n-th is centred on n hundredths of a second."""
    hop = round(rate * HOP_SECONDS)
    half = hop * _WINDOW_HOPS // 2
    count = len(samples) // hop + 1
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    centres = np.arange(count) * hop
    low, high = np.maximum(centres - half, 0), np.minimum(centres + half, len(samples))
    power = (energy[high] - energy[low]) / np.maximum(high - low, 1)
    level: Floats = np.maximum(10.0 * np.log10(np.maximum(power, 1e-12)), _NOTHING_DB).astype(np.float32)
    return level


def find_silences(samples: Floats, rate: int, speech: Sequence[Span]) -> tuple[Span, ...]:
    """The quiet stretches of the sound, in seconds from its start and in order.

    Quiet is what is near the floor of the sound and 15 dB below its speech, in the whole and in the treble alone; `speech` are the
    stretches in which somebody says something. Music, laughter and a loud room are not quiet, and where nothing is 15 dB below the
    speech nothing is.
    """
    level = levels_db(samples, rate)
    # A difference of neighbours weighs the treble.
    treble = levels_db(np.diff(samples, n=2, prepend=samples[:1], append=samples[-1:])[: len(samples)], rate)
    spoken = np.zeros(len(level), dtype=bool)
    for span in speech:
        spoken[max(0, int(span.start / HOP_SECONDS)) : max(0, int(span.end / HOP_SECONDS) + 1)] = True
    if not spoken.any():
        return ()
    loud = float(10.0 * np.log10(np.mean(10.0 ** (level[spoken] / 10.0))))
    floor, hiss = (float(np.percentile(each, _FLOOR_PERCENTILE)) for each in (level, treble))
    quiet_db = min(loud - _BELOW_SPEECH_DB, max(floor + _ABOVE_FLOOR_DB, loud - _FAR_BELOW_SPEECH_DB))
    hiss_db = max(hiss + _HISS_ABOVE_FLOOR_DB, loud - _FAR_BELOW_SPEECH_DB - 6.0)
    quiet = (level < quiet_db) & (treble < hiss_db)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8))).reshape(-1, 2)
    end = len(samples) / rate
    spans = [(float(low) * HOP_SECONDS, min(float(high - 1) * HOP_SECONDS, end)) for low, high in edges]
    return tuple(Span(round(low, 3), round(high, 3)) for low, high in spans if high - low >= _SHORTEST)
