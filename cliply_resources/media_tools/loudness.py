"""How loud a stretch of sound is, after EBU R 128 / ITU-R BS.1770."""

import re
from pathlib import Path

from cliply_resources.errors import StepFailed
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.progress import silent

__all__ = ["measure_loudness", "read_summary"]

_GATE_LUFS = -70.0
"""BS.1770's absolute gate: nothing below it is measured, so ffmpeg prints it for silence."""


def measure_loudness(
    path: Path, *, start: float, duration: float, audio_stream: int = 0, deadline_seconds: float, through: str = ""
) -> tuple[float, float] | None:
    """Integrated loudness in LUFS and true peak in dBTP of a stretch; None where there is only silence.

    `start` counts from the file's first moment, like `ffmpeg -ss`; `audio_stream` counts sound tracks from 0; `through` are
    filters that the sound goes through first, with a comma behind each. Costs about
    0.5 % of the stretch's length. Stretches under 0.4 s hold no full measuring block and count as silence.
    """
    run = run_ffmpeg(
        [
            *guarded_input(path, "-vn", "-ss", f"{start:.6f}", "-t", f"{duration:.6f}"),
            *("-map", f"0:a:{audio_stream}", "-af", f"{through}ebur128=peak=true:framelog=verbose", "-f", "null", "-"),
        ],
        duration=duration,
        progress=silent,
        deadline_seconds=deadline_seconds,
        doing="measuring loudness",
        log_level="info",
    )
    return read_summary(run.log)


def read_summary(log: str) -> tuple[float, float] | None:
    """Reads what ffmpeg's ebur128 filter logs at its end; None for silence. Raises StepFailed without it.

    A source that changes its sound layout midway gets a summary for each part: the loudest part then counts, because a
    gain chosen for it is safe for the others.
    """
    loudness = [float(value) for value in re.findall(r"\bI:\s+(-?inf|nan|-?[\d.]+) LUFS\s+Threshold", log)]
    peaks = [float(value) for value in re.findall(r"\bPeak:\s+(-?inf|nan|-?[\d.]+) dBFS", log)]
    if not loudness or not peaks:
        raise StepFailed("The loudness could not be measured: ffmpeg gave no summary.", detail=log)
    heard = [value for value in loudness if value > _GATE_LUFS]
    return (max(heard), max(peaks)) if heard else None
