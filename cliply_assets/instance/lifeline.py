"""Preloaded into the process that steps are forked from: ties every step's life to its run's.

A run that is killed must not leave steps behind that go on writing. The kernel sees to it: the fork server asks to be
ended when the run's process dies, and each step when the fork server does.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from pathlib import Path

__all__ = ["die_with_parent", "end_with_parent"]

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>; cleared by fork, so every process has to ask for itself."""
PR_GET_PDEATHSIG = 2


def end_with_parent() -> None:
    """Asks the kernel to send SIGTERM when the parent process dies, and sends it if the run is dead already.

    A process that asked for another signal before keeps it: a cluster's worker wants SIGKILL, so that the run that it takes with it
    counts as lost and not as stopped by somebody.
    """
    kernel = ctypes.CDLL(None, use_errno=True)
    asked_for = ctypes.c_int(0)
    kernel.prctl(PR_GET_PDEATHSIG, ctypes.byref(asked_for))
    if asked_for.value == 0:
        kernel.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The kernel tells of deaths to come only. This asks after the process that wanted the step, not the fork server.
    run = multiprocessing.parent_process()
    if _is_orphan() if run is None else not run.is_alive():
        os.kill(os.getpid(), signal.SIGTERM)


def _is_orphan() -> bool:
    """Whether init has adopted this process; in a container, Cliply itself may be process 1, and adopts nobody."""
    if os.getppid() != 1:
        return False
    try:
        return Path("/proc/1/exe").resolve(strict=True) != Path(sys.executable).resolve()
    except OSError:
        # Somebody else's process is none of ours.
        return True


def die_with_parent() -> None:
    """Asks the kernel to kill this process, forked and without an `exec` since, when its parent dies; kills it if that happened.

    Not by SIGTERM: Dagster would take that for somebody's wish to cancel the run.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if _command_line(os.getppid()) != _command_line(os.getpid()):
        os.kill(os.getpid(), signal.SIGKILL)


def _command_line(pid: int) -> bytes:
    """A fork has its parent's; whoever adopts an orphan has another."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
