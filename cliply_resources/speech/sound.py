"""Reads 16 kHz mono WAV a stretch at a time, so that four hours cost as little memory as a minute."""

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cliply_resources.errors import MediaError

__all__ = ["SAMPLE_RATE", "Sound", "as_floats", "open_sound"]

SAMPLE_RATE = 16_000
"""Samples a second; what every engine here was trained on."""


class Sound:
    """An open sound file; positions are seconds from its start."""

    def __init__(self, reader: wave.Wave_read) -> None:
        self._reader = reader
        self.samples = reader.getnframes()

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.samples / SAMPLE_RATE

    def read(self, start: float, end: float) -> bytes:
        """The 16-bit little-endian samples of `[start, end)`, as far as the file goes."""
        first = min(max(round(start * SAMPLE_RATE), 0), self.samples)
        last = min(max(round(end * SAMPLE_RATE), first), self.samples)
        self._reader.setpos(first)
        return self._reader.readframes(last - first)

    def blocks(self, samples: int) -> Iterator[bytes]:
        """The whole file from its start, `samples` at a time; the last block may be shorter."""
        self._reader.rewind()
        while block := self._reader.readframes(samples):
            yield block


@contextmanager
def open_sound(path: Path) -> Iterator[Sound]:
    """Opens a sound file for reading by position.

    Raises:
        MediaError: it is missing, or not 16 kHz mono 16-bit WAV.
    """
    try:
        reader = wave.open(str(path), "rb")  # noqa: SIM115 - opening has errors of its own, closed by the `with` below
    except FileNotFoundError as error:
        raise MediaError(f"The sound file {path.name} is missing; run the step that writes it again.") from error
    except (wave.Error, EOFError) as error:
        raise MediaError(f"The sound file {path.name} is not a WAV file ({error}); write it again.") from error
    with reader:
        found = (reader.getframerate(), reader.getnchannels(), 8 * reader.getsampwidth())
        if found != (SAMPLE_RATE, 1, 16):
            raise MediaError(
                f"The sound file {path.name} has {found[0]} Hz, {found[1]} channels and {found[2]} bits; "
                f"speech engines need {SAMPLE_RATE} Hz, 1 channel and 16 bits."
            )
        yield Sound(reader)


def as_floats(samples: bytes) -> NDArray[np.float32]:
    """16-bit samples as numbers from -1 to 1, `(samples,)`."""
    return np.frombuffer(samples, "<i2").astype(np.float32) / np.float32(32768)
