"""Which server processes of a data folder are alive, asked of the kernel and not of files."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

__all__ = ["alive", "clear_orphans", "end", "wait_while", "works_in"]

T = TypeVar("T")

STOP_SECONDS = 20.0
"""Before the next, harder signal."""
ORPHAN_SECONDS = 2.0
"""Orphans notice that their postmaster is gone within milliseconds, unless they compute."""
POLL_SECONDS = 0.005


def works_in(pid: int, data: Path) -> bool:
    """Whether this living process is a server of this data folder (a server's working folder is its data folder)."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
    except OSError:
        if Path("/proc/self/cwd").exists():
            return False
    return alive(pid)  # no /proc: macOS and the BSDs


def alive(pid: int) -> bool:
    """Whether the process still does anything; one that only waits to be buried does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] not in {"Z", "X"}
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def clear_orphans(data: Path) -> None:
    """Ends server processes that outlived a killed postmaster; a new one cannot start beside them."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in _processes_in(data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if not wait_while(lambda: _processes_in(data), bool, ORPHAN_SECONDS):
            return


def _processes_in(data: Path) -> list[int]:
    proc = Path("/proc")
    numbers = [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()] if proc.is_dir() else []
    return [pid for pid in numbers if pid != os.getpid() and works_in(pid, data)]


def end(pid: int, data: Path, how: signal.Signals = signal.SIGINT) -> None:
    """Shuts a server down as asked (SIGINT: fast, SIGQUIT: immediate), then harder, until it is gone."""
    for number in (how, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if not wait_while(lambda: works_in(pid, data), bool, STOP_SECONDS):
            return


def wait_while(look: Callable[[], T], unfinished: Callable[[T], bool], seconds: float) -> T:
    """Looks again until it is finished or the time is up; returns what was seen last."""
    deadline = time.monotonic() + seconds
    while unfinished(seen := look()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return seen
