"""Moments, not windows: from what stands out, back to what set it up, on to where it lands.

Every proposal keeps the hard rules (inside the film, between the allowed lengths, never inside a word); how good it is, `ranking`
says. Proposals overlap freely; `ranking` chooses among them.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cliply_assets.highlights.boundaries import Gap, Limits, fit, snap_outside_words, word_gaps
from cliply_assets.highlights.film import Film
from cliply_assets.highlights.timeline import STEP
from cliply_assets.highlights.wishes import ABOUT, left_out

__all__ = ["PLENTY", "Moment", "signal_moments", "spoken_moments"]

Floats = NDArray[np.float64]

PLENTY = 3.0
"""Seconds of full worth above the ordinary that make a moment rich; more adds little."""

_BEAT_BESIDE = 0.6  # s; the slowest pulse has a beat within that
_LANDING_HEARD = 2.0  # s of laughter or applause a clip keeps
_ENDS_A_PEAK = 3  # proposals each peak may make
_BEST_OVERALL = 60  # proposals taken whatever their peak


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal: its times, the sentences it holds whole, and the instant it is built around."""

    start: float
    end: float
    first: int
    last: int
    """Sentences `first` to `last`; none where `last < first`."""
    peak: float

    @property
    def spoken(self) -> bool:
        """Whether any whole sentence is in it."""
        return self.last >= self.first

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start

    def overlap(self, other: "Moment") -> float:
        """Shared seconds as a fraction of the shorter of the two."""
        shared = min(self.end, other.end) - max(self.start, other.start)
        return max(0.0, shared) / min(self.duration, other.duration)


def spoken_moments(film: Film, *, wanted: int) -> list[Moment]:
    """Whole runs of sentences around everything worth hearing; by single words only where no run of sentences fits."""
    if not film.sentences:
        return []
    first, last, scores = _runs(film)
    order = np.argsort(-scores, kind="stable")
    chosen = dict.fromkeys(int(run) for run in order[:_BEST_OVERALL])
    for peak in _peaks(film.values, max(24, 5 * wanted)):
        holding = order[(first[order] <= peak) & (last[order] >= peak)][:_ENDS_A_PEAK]
        chosen.update(dict.fromkeys(int(run) for run in holding))
    found = [moment for run in chosen if (moment := _moment(film, int(first[run]), int(last[run]))) is not None]
    return _allowed(film, found or _word_moments(film, wanted=wanted))


def signal_moments(film: Film, *, wanted: int, anchors: Sequence[float] = ()) -> list[Moment]:
    """Stretches around the peaks of sound and picture; from a quiet place or a cut before to one after.

    `anchors` are times at which something begins by design, such as chapters.
    """
    limits, curve = film.limits, film.curve
    gaps = word_gaps(film.sentences, limits.duration)
    length = min(max((limits.shortest * limits.longest) ** 0.5, limits.shortest), limits.longest)
    marks = sorted({*limits.cuts, *anchors})
    found = []
    for row in _peaks(_spread(curve, max(1, int(limits.shortest / STEP / 4))), max(12, 4 * wanted)):
        peak = row * STEP
        start = _quiet_place(film, marks, peak - 0.7 * length, peak - 0.2 * length)
        end = _quiet_place(film, marks, max(peak + 0.2 * length, start + 0.8 * length), start + 1.3 * length)
        times = _between_words(gaps, start, end, limits)
        if times is not None:
            found.append(_with_sentences(film, times, peak))
    return _allowed(film, found)


def _allowed(film: Film, found: Sequence[Moment]) -> list[Moment]:
    """Without what touches an excluded range, and without what is not about the topic."""
    return [
        moment
        for moment in found
        if not left_out(moment.start, moment.end, film.excluded)
        and (not film.topic or bool((film.about[moment.first : moment.last + 1] >= ABOUT).any()))
    ]


def _runs(film: Film) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Every run of sentences that could become a clip, with a quick score (higher is better)."""
    starts = np.array([sentence.start for sentence in film.sentences])
    ends = np.maximum.accumulate([sentence.end for sentence in film.sentences])
    lows = np.array([gap.low for gap in film.gaps])
    highs = np.array([gap.high for gap in film.gaps])
    spoken = np.array([sentence.duration for sentence in film.sentences])
    said = np.concatenate([[0.0], np.cumsum(spoken)])
    worth = np.concatenate([[0.0], np.cumsum(spoken * film.values)])
    turned = np.concatenate([[0.0], np.cumsum(film.turns)])
    out = [left_out(one.start, one.end, film.excluded) for one in film.sentences]
    unwanted = np.concatenate([[0], np.cumsum(out)])
    wanted = np.concatenate([[0], np.cumsum(film.about >= ABOUT)])
    ideal = (film.limits.shortest * film.limits.longest) ** 0.5
    best = film.values.copy()
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
    for reach in range(len(starts)):
        first = np.arange(len(starts) - reach)
        last = first + reach
        best = np.maximum(best[: len(first)], film.values[last])
        core = ends[last] - starts[first]
        if core.min() > film.limits.longest:
            break
        roomy = highs[last + 1] - lows[first]
        fits = (core <= film.limits.longest) & (roomy >= film.limits.shortest)
        fits &= (unwanted[last + 1] == unwanted[first]) & (wanted[last + 1] > wanted[first])
        a, b, length = first[fits], last[fits], np.maximum(core[fits], 1e-3)
        talk = said[b + 1] - said[a]
        score = (
            0.30 * film.openings[a]
            + 0.30 * film.landings[b]
            + 0.35 * (worth[b + 1] - worth[a]) / np.maximum(talk, 1e-3)
            + 0.35 * best[fits]
            + 0.45 * np.tanh((worth[b + 1] - worth[a] - film.ordinary * talk) / PLENTY)
            - 0.05 * np.abs(np.log(length / ideal))
            - 0.45 * np.minimum(turned[b + 1] - turned[a + 1], 1.5)
            - 0.40 * np.maximum(0.0, np.maximum(length, film.limits.shortest) / np.maximum(talk, 1e-3) - 1.4)
        )
        found.append((a, b, score))
    a, b, score = (np.concatenate(parts) for parts in zip(*found, strict=True)) if found else _NOTHING
    return a, b, score


_NOTHING = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


def _moment(film: Film, first: int, last: int) -> Moment | None:
    reaction = film.reactions[last]
    landing = reaction[1] + _LANDING_HEARD if reaction else 0.0
    times = fit(film.gaps[first], film.gaps[last + 1], film.limits, landing=landing)
    if times is None:
        return None
    best = first + int(np.argmax(film.values[first : last + 1]))
    return Moment(start=times[0], end=times[1], first=first, last=last, peak=film.sentences[best].start)


def _peaks(values: Floats, count: int) -> list[int]:
    """The highest places that are no lower than their neighbours, highest first."""
    padded = np.concatenate([[-np.inf], values, [-np.inf]])
    tops = np.flatnonzero((values >= padded[:-2]) & (values >= padded[2:]))
    return [int(top) for top in tops[np.argsort(-values[tops], kind="stable")][:count]]


def _word_moments(film: Film, *, wanted: int) -> list[Moment]:
    """Between any two words, where sentences are too long for the allowed lengths; the longest pauses are taken first."""
    limits, gaps = film.limits, word_gaps(film.sentences, film.limits.duration)
    lows, highs = np.array([gap.low for gap in gaps]), np.array([gap.high for gap in gaps])
    firsts = np.cumsum([0, *(len(sentence.words) for sentence in film.sentences)])
    found = []
    for place in _peaks(film.values, max(12, 3 * wanted)):
        for before in dict.fromkeys((int(firsts[place]), *range(int(firsts[place]), int(firsts[place + 1]), 5))):
            roomy, core = highs - lows[before], lows - highs[before]
            ends = np.flatnonzero(
                (roomy >= limits.shortest) & (core <= limits.longest) & (np.arange(len(gaps)) > before)
            )
            widest = ends[np.argsort(-(highs - lows)[ends], kind="stable")][:20]
            times = next((t for end in widest if (t := fit(gaps[before], gaps[end], limits)) is not None), None)
            if times is not None:
                found.append(_with_sentences(film, times, film.sentences[place].start))
                break
    return found


def _with_sentences(film: Film, times: tuple[float, float], peak: float) -> Moment:
    inside = [s.index for s in film.sentences if s.start >= times[0] - 1e-6 and s.end <= times[1] + 1e-6]
    first, last = (inside[0], inside[-1]) if inside else (0, -1)
    return Moment(start=times[0], end=times[1], first=first, last=last, peak=peak)


def _spread(curve: Floats, reach: int) -> Floats:
    """Smoothed so that one peak is one event."""
    window = np.hanning(2 * reach + 3)
    smooth: Floats = np.convolve(np.pad(curve, reach + 1, mode="edge"), window / window.sum(), mode="valid")
    return smooth


def _quiet_place(film: Film, marks: Sequence[float], low: float, high: float) -> float:
    """A cut or another mark between the two times, the last one; otherwise where the curve is lowest, or on the beat beside that."""
    curve, beats = film.curve, film.limits.beats
    inside = [mark for mark in marks if low <= mark <= high]
    if inside:
        return inside[-1]
    first = min(max(0, int(low / STEP)), len(curve) - 1)
    rows = curve[first : max(first + 1, int(high / STEP) + 1)]
    lowest = max(0.0, (first + int(np.argmin(rows))) * STEP)
    return min(
        (beat for beat in beats if abs(beat - lowest) <= _BEAT_BESIDE),
        key=lambda beat: abs(beat - lowest),
        default=lowest,
    )


def _between_words(gaps: Sequence[Gap], start: float, end: float, limits: Limits) -> tuple[float, float] | None:
    """The wished times brought outside words; the gaps next to the nearest are tried too."""
    before, after = snap_outside_words(start, gaps), snap_outside_words(end, gaps)
    for out in range(4):
        for a, b in ((before, after + out), (before - out, after), (before, after - out), (before + out, after)):
            if 0 <= a <= b < len(gaps):
                times = fit(gaps[a], gaps[b], limits, wish=(start, end))
                if times is not None:
                    return times
    return None
