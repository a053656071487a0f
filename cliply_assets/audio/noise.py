"""How far speech stands above a steady noise, and whether taking noise away is worth it: pure measures and one decision."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cliply_assets.audio.quiet import HOP_SECONDS, levels_db
from cliply_resources.documents import Span
from cliply_resources.documents.sound import NoiseDecision, NoiseReduction

__all__ = ["NoiseFigures", "judge_reduction", "measure_noise", "needs_nothing", "propose_reduction"]

Floats = NDArray[np.float32]

_CLEAR_OF_WORDS = 0.12  # s beside a word that may still be its sound
_LEAST_NOISE = 0.4  # s between words without which nothing is known of the noise
_STEADIEST = (10, 80)  # percentiles; outside of them lie breaths and dropouts
_STEADY_DB = 8.0  # between these two; a room, a fan and a hiss waver by less, music and a crowd by more
_INAUDIBLE_DB = 33.0  # below speech; noise that much softer is heard by nobody
_LEAST_GAIN_DB = 4.0  # an ear notices less only side by side
_MOST_SPEECH_CHANGE_DB = 1.0
_FEWEST_DB, _MOST_DB = 6.0, 12.0  # of reduction; more than that rings
_HEADROOM_DB = 6.0
_OVER_DB = 3.0  # a noise wavers; measured, this takes 11.5 of 12 dB away where 0 takes 10
_FFT = 2048
_HERTZ = 12  # half a line of the spectrum
_FEWEST_SPECTRA = 6
_MOST_TINT = 24.0  # dB that the filter lets a band differ from its floor
_SOFTEST_FLOOR, _LOUDEST_FLOOR = -80.0, -20.0  # dB that the filter knows

_BAND_CENTRES = (80, 125, 193, 294, 446, 674, 1016, 1530, 2299, 3454, 5186, 7784, 11681, 17526, 22000)
"""Hz; those of ffmpeg's `afftdn`, each one and a half times the one before and 5 more, the last where its band still has sound."""


class NoiseFigures(NamedTuple):
    """Levels in dBFS: of speech without the noise in it, and of the noise between the words."""

    speech_db: float
    noise_db: float

    @property
    def snr_db(self) -> float:
        """How far the speech stands above the noise."""
        return self.speech_db - self.noise_db


def measure_noise(samples: Floats, rate: int, words: Sequence[Span]) -> NoiseFigures | None:
    """The levels of a stretch of sound in which `words` (seconds from its start) are said.

    `None` where too little lies between the words, or where that wavers: music, a crowd and laughter are not noise to be taken away.
    """
    level = levels_db(samples, rate)
    spoken = np.zeros(len(level), dtype=bool)
    clear = np.ones(len(level), dtype=bool)
    for word in words:
        first, last = (max(0, round(moment / HOP_SECONDS)) for moment in (word.start, word.end))
        margin = round(_CLEAR_OF_WORDS / HOP_SECONDS)
        spoken[first : last + 1] = True
        clear[max(0, first - margin) : last + margin + 1] = False
    between = level[clear & ~spoken]
    if not spoken.any() or len(between) * HOP_SECONDS < _LEAST_NOISE:
        return None
    low, high = np.percentile(between, _STEADIEST)
    if high - low > _STEADY_DB:
        return None
    noise = float(np.mean(10.0 ** (between[(between >= low) & (between <= high)] / 10.0)))
    speech = float(np.mean(10.0 ** (level[spoken] / 10.0))) - noise
    if speech <= 0:
        return None
    return NoiseFigures(round(10.0 * float(np.log10(speech)), 1), round(10.0 * float(np.log10(noise)), 1))


def needs_nothing(figures: NoiseFigures | None) -> NoiseDecision | None:
    """The decision that nothing has to be done, where that is clear before anything was tried."""
    if figures is None:
        return NoiseDecision(
            applied=False,
            says="Nothing between the words is a steady noise that could be told from what is to be heard.",
        )
    if figures.snr_db >= _INAUDIBLE_DB:
        return NoiseDecision(
            applied=False,
            says=f"The noise is {figures.snr_db:.0f} dB below the speech, where nobody hears it.",
            snr_db=round(figures.snr_db, 1),
        )
    return None


def propose_reduction(samples: Floats, rate: int, words: Sequence[Span], snr_db: float) -> NoiseReduction | None:
    """What may help against the noise that is heard between the words, from its own colour; `None` where too little of it is heard.

    `samples` are best at 48 kHz, so that hiss is known to its top.
    """
    noise = np.ones(len(samples), dtype=bool)
    for word in words:
        noise[max(0, round((word.start - _CLEAR_OF_WORDS) * rate)) : round((word.end + _CLEAR_OF_WORDS) * rate)] = False
    starts = [at for at in range(0, len(samples) - _FFT, _FFT // 2) if noise[at : at + _FFT].all()]
    if len(starts) < _FEWEST_SPECTRA:
        return None
    window = np.hanning(_FFT)
    power = [np.abs(np.fft.rfft(samples[at : at + _FFT] * window)) ** 2 for at in starts]
    # The median leaves out what happens once; of a noise's power it is ln 2 of the mean.
    density = np.median(power, axis=0) / np.log(2) / np.sum(window**2)
    frequencies = np.fft.rfftfreq(_FFT, 1 / rate)
    near = [(frequencies >= c / 1.25 - _HERTZ) & (frequencies <= c * 1.25 + _HERTZ) for c in _BAND_CENTRES]
    levels = [
        10.0 * np.log10(max(float(density[band].mean()), 1e-12)) + _OVER_DB if band.any() else None for band in near
    ]
    known = [level for level in levels if level is not None]
    floor = min(max(float(np.mean(known)), _SOFTEST_FLOOR), _LOUDEST_FLOOR)
    # Above what the sound holds, its topmost band goes on.
    bands = [min(max((known[-1] if level is None else level) - floor, -_MOST_TINT), _MOST_TINT) for level in levels]
    reduction = min(max(_INAUDIBLE_DB + _HEADROOM_DB - snr_db, _FEWEST_DB), _MOST_DB)
    return NoiseReduction(
        reduction_db=round(reduction, 1), floor_db=round(floor, 1), bands=tuple(round(band) for band in bands)
    )


def judge_reduction(before: NoiseFigures, after: NoiseFigures | None) -> NoiseDecision:
    """Whether the reduction is kept, from what was measured with it."""
    if after is None:
        # What is left between the words is digital silence in patches: that is heard as pumping.
        return NoiseDecision(
            applied=False,
            says="Without the noise the pauses would waver, so it stays.",
            snr_db=round(before.snr_db, 1),
        )
    gain, change = after.snr_db - before.snr_db, after.speech_db - before.speech_db
    helps = gain >= _LEAST_GAIN_DB and abs(change) <= _MOST_SPEECH_CHANGE_DB
    says = (
        f"Speech stands {after.snr_db:.0f} dB above the noise instead of {before.snr_db:.0f}."
        if helps
        else f"Reducing the noise would gain {gain:.1f} dB and change the speech by {change:.1f} dB, so it stays as it is."
    )
    return NoiseDecision(
        applied=helps,
        says=says,
        snr_db=round(before.snr_db, 1),
        snr_after_db=round(after.snr_db, 1),
        speech_change_db=round(change, 1),
    )
