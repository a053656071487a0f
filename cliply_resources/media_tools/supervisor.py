"""Stands between Cliply and a command it runs, so that nothing outlives Cliply and every figure is the command's own.

Started by `process.run` as `python -I -S supervisor.py LIFELINE REPORT LIMITS COMMAND…` in a session of its own; imports
the standard library only, so that it starts within 20 ms. It forks the command, waits, and writes one JSON object to
REPORT. LIFELINE is the read end of a pipe that only Cliply can write to: when Cliply dies, however it dies, the pipe
ends and the supervisor kills the whole group. It also makes the peak memory honest: Linux counts what the parent
occupied before `exec`, and this parent is small.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
from typing import NoReturn

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1
_COULD_NOT_START = 127
_RLIMITS = {
    "address_space": resource.RLIMIT_AS,
    "cpu_seconds": resource.RLIMIT_CPU,
    "core": resource.RLIMIT_CORE,
    "file_size": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
}


def main(arguments: list[str]) -> int:
    """Runs the command to its end, reports how it went, and returns 0."""
    lifeline, report = int(arguments[0]), int(arguments[1])
    limits: dict[str, int] = json.loads(arguments[2])
    command = arguments[3:]
    # A polite TERM to the group is for the command; the supervisor must live to report its end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)

    supervisor = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, limits, supervisor, (lifeline, report))
    _let_go_of_output()
    ready, _, _ = select.select([lifeline, ended], [], [])
    if ended not in ready:
        os.killpg(0, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    # ru_maxrss is in kibibytes on Linux and in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    outcome = {
        "returncode": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_bytes": usage.ru_maxrss * unit,
    }
    os.write(report, json.dumps(outcome).encode() + b"\n")
    return 0


def _become(command: list[str], limits: dict[str, int], supervisor: int, pipes: tuple[int, int]) -> NoReturn:
    lifeline, report = pipes
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGXCPU, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _die_with(supervisor)
        for name, value in limits.items():
            _, hard = resource.getrlimit(_RLIMITS[name])
            allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
            # Reaching the hard processor limit is a bare KILL; the soft one ends the command by a signal that says why.
            resource.setrlimit(_RLIMITS[name], (allowed, hard if name == "cpu_seconds" else allowed))
        for descriptor in (lifeline, report):
            os.set_inheritable(descriptor, False)
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        os.write(report, json.dumps({"could_not_start": error.errno}).encode() + b"\n")
    finally:
        os._exit(_COULD_NOT_START)


def _die_with(supervisor: int) -> None:
    """Asks Linux to kill this process when the supervisor dies; elsewhere the lifeline alone does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(_COULD_NOT_START)


def _let_go_of_output() -> None:
    """Leaves the pipes to the command, so that they end when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
