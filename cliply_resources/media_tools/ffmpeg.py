"""Runs ffmpeg: guarded inputs, progress in percent, and failures as sentences.

The binary is the one the `imageio-ffmpeg` wheel carries, so that the same render spec meets the same ffmpeg on every
machine; `IMAGEIO_FFMPEG_EXE` names another.
"""

import os
import re
import shutil
import signal
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from cliply_resources.errors import CliplyError, DeadlineExceeded, MediaError, StepFailed, ToolMissing
from cliply_resources.media_tools.guards import INPUT_GUARDS, guarded_input
from cliply_resources.media_tools.process import Finished, ProcessLimits, run
from cliply_resources.progress import Progress

__all__ = ["INPUT_GUARDS", "FfmpegRun", "ffmpeg_path", "ffmpeg_version", "guarded_input", "has_filter", "run_ffmpeg"]

_REMEDY = "Run `pip install imageio-ffmpeg==0.8.1`, or set IMAGEIO_FFMPEG_EXE to an ffmpeg."
_STATS_SECONDS = "0.5"  # often enough for a bar that moves, rare enough to cost nothing


class FfmpegRun(msgspec.Struct, frozen=True, kw_only=True):
    """A successful run: the end of its log and what it cost."""

    log: str
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int


@lru_cache(maxsize=1)
def ffmpeg_path() -> Path:
    """Where ffmpeg is. Raises ToolMissing when there is none."""
    import imageio_ffmpeg

    # The wheel's own is not tried out first: one that is killed at that moment would pass for one that is not there, and whatever
    # else this machine has would be taken instead.
    carried = sorted((Path(imageio_ffmpeg.__file__).parent / "binaries").glob("ffmpeg-*"))
    if carried and not os.environ.get("IMAGEIO_FFMPEG_EXE"):
        return carried[-1].absolute()
    try:
        found = shutil.which(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise ToolMissing("There is no ffmpeg on this machine.", remedy=_REMEDY) from error
    if found is None:
        named = os.environ.get("IMAGEIO_FFMPEG_EXE", "")
        raise ToolMissing(f"IMAGEIO_FFMPEG_EXE names {named}, which is not a program.", remedy=_REMEDY)
    return Path(found).absolute()


@lru_cache(maxsize=1)
def ffmpeg_version() -> str:
    """The version ffmpeg gives itself, such as `n9.0.2-17-g2a571b6068-20260930`."""
    said = _answer("-version")
    words = said.split(maxsplit=3)
    if words[:2] != ["ffmpeg", "version"]:
        raise ToolMissing(f"{ffmpeg_path()} does not answer like ffmpeg.", remedy=_REMEDY)
    return words[2]


def _answer(question: str) -> str:
    """What ffmpeg says of itself. Raises StepFailed when something ended it, which says nothing about ffmpeg."""
    finished = run([str(ffmpeg_path()), "-hide_banner", question], deadline_seconds=30)
    if finished.returncode < 0:
        raise _failure(finished, "asking ffmpeg what it can do")
    return finished.stdout


def has_filter(name: str) -> bool:
    """Whether this ffmpeg was built with a filter, such as `ass`."""
    return name in _filters()


@lru_cache(maxsize=1)
def _filters() -> frozenset[str]:
    listing = _answer("-filters")
    # Each line reads " TSC name  V->V  description".
    rows = [line.split() for line in listing.splitlines() if "->" in line]
    return frozenset(row[1] for row in rows if len(row) > 2)


def run_ffmpeg(
    arguments: Sequence[str],
    *,
    duration: float | None,
    progress: Progress,
    deadline_seconds: float,
    doing: str,
    cwd: Path | None = None,
    limits: ProcessLimits | None = None,
    log_level: str = "error",
) -> FfmpegRun:
    """Runs one ffmpeg, reports how far it is, and returns only when it succeeded.

    `arguments` are everything after the global options; build inputs with `guarded_input`. `duration` is the length of
    the output in seconds (unset: only `doing` is reported), `doing` a phrase such as "rendering clip 2". Existing
    outputs are overwritten. Raises MediaError when the input is unusable, StepFailed for the rest, with ffmpeg's last
    words in `detail` (a note on a MediaError), DeadlineExceeded, ToolMissing.
    """
    follow = _Follower(duration, progress, doing)
    environment = {name: value for name, value in os.environ.items() if name != "FFREPORT"}
    try:
        finished = run(
            [
                *(str(ffmpeg_path()), "-hide_banner", "-nostdin", "-y", "-v", log_level),
                *("-nostats", "-stats_period", _STATS_SECONDS, "-progress", "pipe:1"),
                *arguments,
            ],
            deadline_seconds=deadline_seconds,
            limits=limits,
            on_stdout_line=follow.line,
            cwd=cwd,
            env=environment,
        )
    except DeadlineExceeded as error:
        raise DeadlineExceeded(
            f"Stopped while {doing}: it took longer than the {deadline_seconds:.0f} s it may take"
            f"{follow.how_far()}. A shorter video or a faster machine would finish in time.",
            detail=error.detail,
        ) from error
    if finished.returncode != 0:
        raise _failure(finished, doing)
    progress(1.0, doing)
    return FfmpegRun(
        log=finished.stderr,
        wall_seconds=finished.wall_seconds,
        cpu_seconds=finished.cpu_seconds,
        peak_memory_bytes=finished.peak_memory_bytes,
    )


class _Follower:
    """Turns `-progress` lines into a fraction that never falls."""

    def __init__(self, duration: float | None, progress: Progress, doing: str) -> None:
        self._duration = duration
        self._progress = progress
        self._doing = doing
        self._done = 0.0

    def line(self, text: str) -> None:
        name, _, value = text.partition("=")
        if name != "out_time_us" or not value.strip().lstrip("-").isdigit():
            return
        self._done = max(self._done, int(value) / 1e6)
        if not self._duration:
            self._progress(0.0, f"{self._doing}, {self._done:.0f} s")
            return
        # The last tenth of a percent belongs to the end of the process: files are not closed yet.
        fraction = min(self._done / self._duration, 0.999)
        self._progress(fraction, f"{self._doing}, {min(self._done, self._duration):.0f} s of {self._duration:.0f} s")

    def how_far(self) -> str:
        if not self._duration:
            return ""
        return f" ({min(self._done / self._duration, 1.0):.0%} was done)"


_UNUSABLE_INPUT = (
    (r"moov atom not found", "the file breaks off before its index, so it was not copied or recorded to its end"),
    (r"not on whitelist|Unsupported codec", "it is in a format or coding that Cliply does not read"),
    (r"matches no streams", "a sound or picture track that its header names is not there"),
    (r"does not contain any stream|Output file is empty", "it holds no sound and no picture"),
    (r"Picture size \S+ (is invalid|exceeds)", "its pictures are impossibly large"),
    (r"Decode error rate \S+ exceeds maximum", "most of it cannot be decoded"),
    (r"Error opening input\S*:? .*Invalid data|Invalid data found when processing input", "its content is damaged"),
)
_HERE = (
    (r"No space left on device", "the disk is full; free some space and run it again"),
    (r"Disk quota exceeded", "the disk quota is used up; free some space and run it again"),
    (r"Read-only file system", "the disk cannot be written to; choose a folder that can"),
    (r"Permission denied", "this user may not read or write one of the files; change its permissions"),
    (
        r"Cannot allocate memory|Out of memory",
        "there was not enough memory; close other programs or use a larger machine",
    ),
    (r"Error opening input\S*:? .*No such file", "the file it reads is no longer there"),
)
_SIGNALS = {
    signal.SIGXFSZ: "a file it wrote grew larger than it may",
    signal.SIGXCPU: "it used more processor time than it may",
    signal.SIGKILL: "the system killed it, most often because memory ran out",
}


def _failure(finished: Finished, doing: str) -> CliplyError:
    """What to say about a run that failed; what this machine lacks comes before what is wrong with the input."""
    log = finished.stderr
    for pattern, reason in _HERE:
        if re.search(pattern, log):
            return StepFailed(f"Failed while {doing}: {reason}.", detail=log)
    if finished.returncode < 0:
        number = -finished.returncode
        known = {int(name): reason for name, reason in _SIGNALS.items()}
        reason = known.get(number, f"ffmpeg ended by signal {number}")
        return StepFailed(f"Failed while {doing}: {reason}.", detail=log)
    for pattern, reason in _UNUSABLE_INPUT:
        if re.search(pattern, log):
            error = MediaError(f"The video cannot be used: {reason}.")
            error.add_note(log)
            return error
    return StepFailed(f"Failed while {doing}: ffmpeg ended with code {finished.returncode}.", detail=log)
