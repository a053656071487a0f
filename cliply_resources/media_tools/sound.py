"""A stretch of a source's sound as numbers."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.progress import silent

__all__ = ["SOUND_RATE", "read_sound"]

SOUND_RATE = 16_000
"""Hz that speech is looked at with."""


def read_sound(
    path: Path,
    *,
    start: float,
    duration: float,
    deadline_seconds: float,
    rate: int = SOUND_RATE,
    audio_stream: int = 0,
    through: str = "",
) -> NDArray[np.float32]:
    """The stretch in mono at `rate` Hz, -1 to 1, exactly `duration` seconds long; silence where the track has a hole or has ended.

    `start` counts from the file's first moment, like `ffmpeg -ss`; `audio_stream` counts sound tracks from 0; `through` are filters that
    the sound goes through at 48 kHz first, with a comma behind each. Raises
    MediaError, StepFailed and DeadlineExceeded as every use of ffmpeg.
    """
    samples = round(duration * rate)
    filters = "aresample=48000:async=1:first_pts=0," + (through)
    with tempfile.TemporaryDirectory(prefix="cliply-hear-") as folder:
        run_ffmpeg(
            [
                *guarded_input(path, "-vn", "-ss", f"{start:.6f}", "-t", f"{duration:.6f}"),
                *("-map", f"0:a:{audio_stream}"),
                *("-af", f"{filters}aresample={rate},aformat=sample_fmts=flt:channel_layouts=mono"),
                *("-f", "f32le", "file:sound.raw"),
            ],
            duration=None,
            progress=silent,
            deadline_seconds=deadline_seconds,
            doing="listening to a clip",
            cwd=Path(folder),
        )
        heard = np.fromfile(Path(folder) / "sound.raw", np.float32)[:samples]
    return np.pad(heard, (0, samples - len(heard)))
