"""Names the process that a run lives in, so that another process can tell whether it still does."""

import os
import socket
from pathlib import Path

__all__ = ["OWNER_TAG", "is_alive", "this_process"]

OWNER_TAG = "cliply/owner"
"""Run tag of runs that live in a command's own process instead of the code server."""

START_TIME_FIELD = 19
"""Position of `starttime` after the command name in /proc/PID/stat, see proc(5)."""


def _start_ticks(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may itself contain spaces and brackets; the last bracket ends it.
    return stat.rpartition(")")[2].split()[START_TIME_FIELD]


def this_process() -> str:
    """`host:pid:start`, unique to this process even after its number is given to another."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_start_ticks(pid)}"


def is_alive(owner: str) -> bool:
    """Whether that process still runs; a process of another host counts as alive, since nobody here can know."""
    host, pid, start = owner.rsplit(":", 2)
    return host != socket.gethostname() or _start_ticks(int(pid)) == start
