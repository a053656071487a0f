"""Every signal of a film on one grid of half seconds, each from 0 to 1 against the film's own ordinary."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cliply_assets.highlights.audience_signals import chat_activity, comment_marks
from cliply_assets.highlights.sentences import Sentence
from cliply_assets.highlights.text_signals import Reading
from cliply_resources.documents import Audience, HeatmapPoint

if TYPE_CHECKING:
    import polars as pl

__all__ = ["NOBODY", "SIGNALS", "STEP", "Timeline", "build_timeline", "normalised"]

Floats = NDArray[np.float64]

STEP = 0.5  # s
NOBODY = Audience()
"""Nothing is known of the viewers."""
SIGNALS = (
    "text",
    "energy",
    "rise",
    "pitch_range",
    "pace",
    "laughter",
    "applause",
    "beats",
    "cuts",
    "motion",
    "faces",
    "replayed",
    "comments",
    "chat",
)
"""What may stand on the timeline, in the order of the chart; a film has those that it gives."""

_MAD_TO_SIGMA = 1.4826  # a normal distribution's standard deviation, from its median absolute deviation
_REACH_SIGMAS = 3.0  # this far above or below the film's median is 1 or 0


@dataclass(frozen=True)
class Timeline:
    """Columns of equal length; `column[k]` covers `k * STEP` to `(k + 1) * STEP`."""

    duration: float
    columns: dict[str, Floats]
    """The normalised signals that this film gives; one that never changes says nothing and is left out."""
    speech: Floats | None
    """Share of speech, for judging dead air; `None` without a sound track."""
    silence: Floats | None

    @property
    def times(self) -> Floats:
        """Start of every row, seconds."""
        times: Floats = np.arange(rows_of(self.duration), dtype=np.float64) * STEP
        return times

    def rows(self, start: float, end: float) -> slice:
        """The rows that `start` to `end` touches, at least one."""
        first = min(int(start / STEP), rows_of(self.duration) - 1)
        return slice(first, max(first + 1, int(np.ceil(end / STEP - 1e-9))))

    def mean(self, name: str, start: float, end: float) -> float | None:
        """Mean of a signal over a stretch; `None` where the film does not give it."""
        column = self.columns.get(name)
        return None if column is None else float(column[self.rows(start, end)].mean())

    def peak(self, name: str, start: float, end: float) -> tuple[float, float] | None:
        """The highest value over a stretch and when; `None` where the film does not give the signal."""
        column = self.columns.get(name)
        if column is None:
            return None
        rows = self.rows(start, end)
        best = rows.start + int(np.argmax(column[rows]))
        return float(column[best]), best * STEP

    def weighted(self, weights: dict[str, float]) -> Floats:
        """One curve of all signals there are; a missing one leaves its weight to the others. 0.5 is ordinary."""
        present = [(column, weights[name]) for name, column in self.columns.items() if weights.get(name)]
        total = sum(weight for _, weight in present)
        mixed = np.full(rows_of(self.duration), 0.5)
        if total > 0:
            mixed = np.sum([column * weight for column, weight in present], axis=0) / total
        # A laughing or clapping room is no matter of degree: it lifts the moment by itself.
        room = np.maximum(self._or_zero("laughter"), self._or_zero("applause"))
        lifted: Floats = 1.0 - (1.0 - mixed) * (1.0 - 0.6 * room)
        return lifted

    def table(self, weights: dict[str, float]) -> "pl.DataFrame":
        """`time`, every signal the film gives, and `score`."""
        import polars as pl

        ordered = {name: self.columns[name] for name in SIGNALS if name in self.columns}
        return pl.DataFrame({"time": self.times, **ordered, "score": self.weighted(weights)})

    def _or_zero(self, name: str) -> Floats:
        return self.columns.get(name, np.zeros(rows_of(self.duration)))


def rows_of(duration: float) -> int:
    """Rows of a film; the last may be cut short."""
    return max(1, int(np.ceil(duration / STEP - 1e-9)))


def normalised(values: Floats) -> Floats | None:
    """0 to 1 with the film's median at 0.5, robust against outliers; `None` where nothing changes.

    Median and median absolute deviation; where more than half of the values agree, their standard deviation instead.
    """
    if len(values) == 0 or float(np.ptp(values)) < 1e-9:
        return None
    middle = float(np.median(values))
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))
    if spread < 1e-9:
        spread = float(values.std())
    scaled: Floats = np.clip(0.5 + (values - middle) / (2 * _REACH_SIGMAS * spread), 0.0, 1.0)
    return scaled


def build_timeline(  # noqa: PLR0913 - every source of signals
    duration: float,
    *,
    audio: "pl.DataFrame | None",
    motion: "pl.DataFrame | None",
    faces: "pl.DataFrame | None",
    cuts: Sequence[float],
    heatmap: Sequence[HeatmapPoint],
    sentences: Sequence[Sentence],
    readings: Sequence[Reading],
    audience: Audience = NOBODY,
) -> Timeline:
    """Gathers what there is; anything missing is simply not a column."""
    rows = rows_of(duration)
    found: dict[str, Floats | None] = {"text": _text(rows, sentences, readings)}
    speech = silence = None
    if audio is not None and audio.height:
        found.update(_sound(rows, audio))
        speech = _binned(rows, audio, "speech")
        silence = _binned(rows, audio, "silence")
    if motion is not None and motion.height:
        found["motion"] = normalised(_eased(_binned(rows, motion, "motion"), 3))
    if faces is not None and faces.height:
        found["faces"] = _faces(rows, faces)
    found["cuts"] = _cut_density(rows, cuts)
    found["replayed"] = _heat(rows, heatmap)
    for name, curve in (
        ("comments", comment_marks(rows, STEP, audience.marks)),
        ("chat", chat_activity(rows, STEP, audience.chat)),
    ):
        found[name] = None if curve is None else normalised(curve)
    columns = {name: column for name, column in found.items() if column is not None}
    return Timeline(duration=duration, columns=columns, speech=speech, silence=silence)


def _column(table: "pl.DataFrame", name: str) -> Floats:
    values: Floats = np.nan_to_num(table[name].to_numpy().astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return values


def _places(rows: int, table: "pl.DataFrame") -> NDArray[np.int64]:
    # A row's time is where it starts; the small push keeps 0.3 / 0.1 from landing one row early.
    places: NDArray[np.int64] = np.clip((_column(table, "time") + 1e-6) / STEP, 0, rows - 1).astype(np.int64)
    return places


def _binned(rows: int, table: "pl.DataFrame", name: str) -> Floats:
    """Mean of a column per grid row; a row without samples takes its neighbours' value."""
    places = _places(rows, table)
    counts = np.bincount(places, minlength=rows)
    sums = np.bincount(places, weights=_column(table, name), minlength=rows)
    have = counts > 0
    filled: Floats = np.interp(np.arange(rows), np.flatnonzero(have), sums[have] / counts[have])
    return filled


def _highest(rows: int, table: "pl.DataFrame", name: str) -> Floats:
    high = np.zeros(rows)
    np.maximum.at(high, _places(rows, table), _column(table, name))
    return high


def _eased(values: Floats, width: int) -> Floats:
    """Running mean over an odd number of rows."""
    reach = min(width, len(values) - (1 - len(values) % 2)) // 2
    padded = np.pad(values, reach, mode="edge")
    eased: Floats = np.convolve(padded, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")
    return eased


def _text(rows: int, sentences: Sequence[Sentence], readings: Sequence[Reading]) -> Floats | None:
    if not sentences:
        return None
    column = np.zeros(rows)
    for sentence, reading in zip(sentences, readings, strict=True):
        first, last = int(sentence.start / STEP), int(np.ceil(sentence.end / STEP))
        column[first:last] = np.maximum(column[first:last], reading.interest)
    return _eased(column, 3) if column.any() else None


def _sound(rows: int, audio: "pl.DataFrame") -> dict[str, Floats | None]:
    level = _eased(_binned(rows, audio, "rms_db"), 3)
    heard = level > -90.0
    found: dict[str, Floats | None] = {"energy": None, "rise": None}
    if heard.any():
        # Digital silence would stretch the scale until every sound looked alike.
        level = np.maximum(level, float(level[heard].min()) - 3.0)
        found["energy"] = normalised(level)
        found["rise"] = normalised(_rise(level))
    found["pitch_range"] = _pitch_range(rows, audio)
    spoken = _binned(rows, audio, "speech") > 0.5
    pace = _eased(_binned(rows, audio, "syllable_rate"), 5)
    found["pace"] = normalised(np.where(spoken, pace, np.median(pace[spoken]))) if spoken.any() else None
    for name in ("laughter", "applause"):
        high = _highest(rows, audio, name)
        found[name] = high if high.max() > 0.2 else None
    beats = _binned(rows, audio, "beat")
    found["beats"] = np.minimum(1.0, _eased(beats, 9) * 8.0) if beats.any() else None
    return found


def _rise(level: Floats) -> Floats:
    """How much louder the next four seconds are than the last four."""
    span = int(4.0 / STEP)
    padded = np.pad(level, span, mode="edge")
    sums = np.concatenate([[0.0], np.cumsum(padded)])
    here = np.arange(len(level)) + span
    after, before = sums[here + span] - sums[here], sums[here] - sums[here - span]
    rise: Floats = (after - before) / span
    return rise


def _pitch_range(rows: int, audio: "pl.DataFrame") -> Floats | None:
    """Spread of the pitch in octaves over about three seconds, where anything has a pitch."""
    pitch = _column(audio, "pitch_hz")
    voiced = (pitch > 0) & (_column(audio, "speech") > 0.5)
    if voiced.sum() < 20:
        return None
    places = _places(rows, audio)[voiced]
    octaves = np.log2(pitch[voiced])
    window = np.ones(min(7, rows))
    count, total, squares = (
        np.convolve(np.bincount(places, weights=weight, minlength=rows), window, mode="same")
        for weight in (np.ones(len(octaves)), octaves, octaves**2)
    )
    enough = count >= 5
    mean = total / np.maximum(count, 1)
    spread = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0))
    return normalised(np.where(enough, spread, np.median(spread[enough]))) if enough.any() else None


def _faces(rows: int, faces: "pl.DataFrame") -> Floats | None:
    """How near the nearest face is, and how lively its mouth."""
    nearness = np.minimum(1.0, _highest(rows, faces, "h") * 2.0)
    lively = normalised(_eased(_highest(rows, faces, "mouth_motion"), 3))
    if not nearness.any():
        return None
    mixed = nearness if lively is None else 0.6 * nearness + 0.4 * lively * (nearness > 0)
    return _eased(mixed, 3) if np.ptp(mixed) > 1e-9 else None


def _cut_density(rows: int, cuts: Sequence[float]) -> Floats | None:
    """Cuts within five seconds on either side."""
    if not cuts:
        return None
    marks = np.bincount(np.minimum((np.array(cuts) / STEP).astype(np.int64), rows - 1), minlength=rows).astype(
        np.float64
    )
    return normalised(_eased(marks, 21))


def _heat(rows: int, heatmap: Sequence[HeatmapPoint]) -> Floats | None:
    """The site's most-replayed curve; its first stretch is how every video begins, so it is not counted."""
    points = [point for point in heatmap[1:] if point.end > point.start]
    if len(points) < 3:
        return None
    middles = [(point.start + point.end) / 2 for point in points]
    curve = np.interp(np.arange(rows) * STEP, middles, [min(max(point.value, 0.0), 1.0) for point in points])
    return normalised(curve)
