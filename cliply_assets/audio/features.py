"""The sound of a film as a table: level, speech, pitch, pace, onsets, laughter, applause, silence and beats."""

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cliply_assets.audio import beats, room
from cliply_assets.audio.spectra import FRAMES_PER_ROW, HISTORY, RATE, ROW, BlockSpectra, measure_block
from cliply_resources.errors import MediaError
from cliply_resources.progress import Progress

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ROWS_PER_SECOND", "empty_features", "measure_audio"]

Floats = NDArray[np.float32]

ROWS_PER_SECOND = RATE // ROW
_BLOCK_SECONDS = 48
"""Whole rows and whole frames of the speech detector; about 60 MB of working memory."""
_NO_SOUND_DB = -100.0  # what measuring digital silence gives
_VAD_FRAME = 512  # samples; what Silero was trained on at 16 kHz
_VAD_CONTEXT = 64  # samples of the frame before that it also wants to hear


def measure_audio(audio: Path, *, progress: Progress) -> "pl.DataFrame":
    """Measures a 16 kHz mono 16-bit WAV, one row per 0.1 s; memory stays flat up to hours.

    Columns: `time` f64 (start of the row, s), `rms_db` f32 (dBFS), `speech` f32 (0 to 1), `pitch_hz` f32 (0 where unvoiced),
    `syllable_rate` f32 (a second), `onset` f32 (nepers of rise), `laughter`, `applause` f32 (0 to 1), `silence`, `beat` bool.

    Raises:
        MediaError: the file is not such a WAV.
    """
    with _opened(audio) as source:
        # A file that breaks off has less than its header says.
        listening = _Listening(min(source.getnframes(), audio.stat().st_size // source.getsampwidth()))
        for samples, done in _blocks(source):
            listening.hear(samples)
            progress(0.9 * done, f"listening, {listening.rows / ROWS_PER_SECOND:.0f} s")
    table = _table(listening) if listening.rows else empty_features(0.0)
    progress(1.0, "laughter, applause and beats found")
    return table


def empty_features(duration: float) -> "pl.DataFrame":
    """The table of a film without sound: all silence, one row per 0.1 s of `duration` seconds."""
    import polars as pl

    rows = round(duration * ROWS_PER_SECOND)
    quiet = {
        name: np.zeros(rows, dtype=np.float32)
        for name in ("speech", "pitch_hz", "syllable_rate", "onset", "laughter", "applause")
    }
    return pl.DataFrame(
        {
            "time": np.arange(rows) / ROWS_PER_SECOND,
            "rms_db": np.full(rows, _NO_SOUND_DB, dtype=np.float32),
            **quiet,
            "silence": np.ones(rows, dtype=bool),
            "beat": np.zeros(rows, dtype=bool),
        }
    )


class _SpeechDetector:
    """Silero VAD from the faster-whisper wheel, fed block by block: its memory is carried, so the seams do not show."""

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._session = get_vad_model().session
        self._hidden = np.zeros((1, 1, 128), dtype=np.float32)
        self._cell = np.zeros((1, 1, 128), dtype=np.float32)
        self._context = np.zeros(_VAD_CONTEXT, dtype=np.float32)

    def probabilities(self, samples: Floats) -> Floats:
        """One probability per 32 ms; the last frame is filled up with silence."""
        short = -len(samples) % _VAD_FRAME
        frames = np.pad(samples, (0, short)).reshape(-1, _VAD_FRAME)
        tails = frames[:, -_VAD_CONTEXT:]
        contexts = np.concatenate([self._context[None], tails[:-1]])
        self._context = tails[-1].copy()
        heard, self._hidden, self._cell = self._session.run(
            None, {"input": np.concatenate([contexts, frames], axis=1), "h": self._hidden, "c": self._cell}
        )
        return np.asarray(heard, dtype=np.float32).reshape(-1)


@dataclass
class _Listening:
    """What is carried from block to block, and what they left.

    What they leave has its place from the start: small arrays kept from block to block would lie between the large ones that are
    freed, and the heap would grow with the film.
    """

    most_samples: int
    rows: int = 0
    judged: int = 0
    """Frames of the speech detector so far."""
    history: Floats = field(default_factory=lambda: np.zeros(HISTORY, dtype=np.float32))
    last_bands: Floats | None = None
    measures: dict[str, Floats] = field(default_factory=dict)
    voice: Floats = field(init=False)
    detector: _SpeechDetector = field(default_factory=_SpeechDetector)

    def __post_init__(self) -> None:
        rows = -(-self.most_samples // ROW)
        for each in fields(BlockSpectra):
            self.measures[each.name] = np.zeros(rows * _values_a_row(each.name), dtype=np.float32)
        self.voice = np.zeros(-(-rows * ROW // _VAD_FRAME), dtype=np.float32)

    def hear(self, samples: Floats) -> None:
        spectra, self.last_bands = measure_block(samples, self.history, self.last_bands)
        for name, values in self.measures.items():
            first = self.rows * _values_a_row(name)
            measured: Floats = getattr(spectra, name)
            values[first : first + len(measured)] = measured
        heard = self.detector.probabilities(samples)
        self.voice[self.judged : self.judged + len(heard)] = heard
        self.judged += len(heard)
        self.history = np.concatenate([self.history, samples])[-HISTORY:]
        self.rows += len(samples) // ROW

    def all(self, name: str) -> Floats:
        return self.measures[name][: self.rows * _values_a_row(name)]


def _values_a_row(measure: str) -> int:
    return FRAMES_PER_ROW if measure.startswith("frame_") else 1


@contextmanager
def _opened(audio: Path) -> Iterator[wave.Wave_read]:
    try:
        with wave.open(str(audio), "rb") as source:
            shape = (source.getnchannels(), source.getsampwidth(), source.getframerate())
            if shape != (1, 2, RATE):
                raise MediaError(
                    f"The analysis sound must be 16 kHz mono 16-bit, but it has {shape[0]} channel(s) of "
                    f"{8 * shape[1]} bits at {shape[2]} Hz; run the upload again."
                )
            yield source
    except (wave.Error, EOFError) as problem:
        raise MediaError("The analysis sound is not a readable WAV file; run the upload again.") from problem


def _blocks(source: wave.Wave_read) -> Iterator[tuple[Floats, float]]:
    """Whole rows of samples in -1 to 1, and the fraction read; the last row is filled up with silence."""
    total = max(1, source.getnframes())
    read = 0
    while raw := source.readframes(_BLOCK_SECONDS * RATE):
        samples = np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2").astype(np.float32) / np.float32(32768)
        read += len(samples)
        yield np.pad(samples, (0, -len(samples) % ROW)), min(1.0, read / total)


def _table(listening: _Listening) -> "pl.DataFrame":
    import polars as pl

    rms_db = listening.all("row_rms_db")
    envelope, onset = listening.all("frame_envelope"), listening.all("frame_onset")
    speech = _per_row(listening.voice[: listening.judged], len(rms_db))
    floor_db, quiet_db = room.room_floor_db(rms_db), _silence_db(rms_db)
    strength = beats.pulse_strength(onset)
    pulse = _rows(strength, len(rms_db)).mean(axis=1)
    beat = np.zeros(len(rms_db), dtype=bool)
    beat[np.minimum(beats.find_beats(onset, strength) // 10, len(rms_db) - 1)] = True
    texture = room.Texture(
        noisiness=listening.all("row_noisiness"),
        brightness_db=listening.all("row_brightness_db"),
        rumble_db=listening.all("row_rumble_db"),
        rms_db=rms_db,
        speech=speech,
        floor_db=floor_db,
    )
    laughing = room.laughter(envelope, texture, pulse=pulse)
    clapping = room.applause(texture)
    return pl.DataFrame(
        {
            "time": np.arange(len(rms_db)) / ROWS_PER_SECOND,
            "rms_db": rms_db,
            "speech": speech,
            "pitch_hz": np.where(rms_db > quiet_db, listening.all("row_pitch_hz"), np.float32(0)),
            "syllable_rate": room.syllable_rate(envelope, speech),
            "onset": _rows(onset, len(rms_db)).max(axis=1),
            "laughter": laughing,
            # Laughter is as noisy as clapping, but bursts evenly; hands never do.
            "applause": clapping * (1.0 - laughing),
            "silence": (rms_db < quiet_db) & (speech < 0.3),
            "beat": beat,
        },
        schema_overrides={"pitch_hz": pl.Float32, "applause": pl.Float32},
    )


def _rows(frames: Floats, rows: int) -> Floats:
    return frames[: rows * 10].reshape(rows, 10)


def _per_row(voice: Floats, rows: int) -> Floats:
    """Speech probability of each 0.1 s, from the 32 ms frames around its middle.

    Every block starts on a frame of its own, and its length is a whole number of both, so the grid has no drift.
    """
    smooth = np.convolve(np.pad(voice, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    centres = (np.arange(rows) + 0.5) / ROWS_PER_SECOND
    probability: Floats = np.interp(centres, (np.arange(len(voice)) + 0.5) * _VAD_FRAME / RATE, smooth).astype(
        np.float32
    )
    return probability


def _silence_db(rms_db: Floats) -> float:
    """30 dB below the loud parts is silence to a listener, wherever the recording was levelled; within -60 to -35 dBFS."""
    loud = float(np.percentile(rms_db, 90))
    return float(np.clip(loud - 30.0, -60.0, -35.0))
