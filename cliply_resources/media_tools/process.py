"""Runs other programs: the only place in Cliply that starts a process, and the one that always ends it.

A command runs in its own session under a small supervisor, with resource limits, without a shell and without input.
Whatever ends the call (success, deadline, Ctrl-C, an exception in a callback, `kill -9` of this process) ends the
command and everything it started.
"""

import errno
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import msgspec

from cliply_resources.errors import DeadlineExceeded, StepFailed, ToolMissing

__all__ = ["Finished", "ProcessLimits", "run"]

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_POLITE_SECONDS = 2.0  # long enough for ffmpeg to close its files on TERM, short enough for Ctrl-C to feel immediate
_DRAIN_SECONDS = 5.0  # a descendant that left the group may hold a pipe open; its output is not waited for longer
_READ_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 1 << 16


class ProcessLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a command may use up; the kernel enforces the first four, core dumps are always off."""

    address_space_bytes: int | None = None
    cpu_seconds: int | None = None
    """Unset: all processors for the whole deadline."""
    file_bytes: int = 256 * 1024**3
    """Of each file it writes."""
    open_files: int = 512
    stdout_bytes: int = 16 * 1024**2
    """Kept output; more ends the command. Lines handed to a callback are not kept and not counted."""
    stderr_bytes: int = 256 * 1024
    """Kept from the end."""


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended. A negative return code is the signal that ended it."""

    returncode: int
    stdout: str
    stderr: str
    cpu_seconds: float
    peak_memory_bytes: int
    wall_seconds: float


def run(
    command: Sequence[str],
    *,
    deadline_seconds: float,
    limits: ProcessLimits | None = None,
    on_stdout_line: Callable[[str], None] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Runs a command to its end and leaves nothing of it behind, whatever happens.

    A non-zero return code is a result, not an error. With `on_stdout_line` each line of output goes there, from this
    thread, and `stdout` stays empty. Memory is bounded by `limits` however much the command says.
    Raises ToolMissing when there is no such program, DeadlineExceeded when it takes too long (its last words are in
    `detail`), StepFailed when it says more than `limits.stdout_bytes`; whatever the callback raises comes through.
    """
    limits = limits or ProcessLimits()
    started = time.monotonic()
    with ExitStack() as stack:
        watch = _Watch(command, limits, on_stdout_line, deadline_seconds)
        process, report = _start(command, limits, deadline_seconds, stack, cwd, env)
        try:
            watch.until_it_ends(process, report, started + deadline_seconds)
        except BaseException:
            _stop(process)
            raise
        finally:
            _kill_group(process)
            process.wait()
    return watch.finished(time.monotonic() - started)


def _start(
    command: Sequence[str],
    limits: ProcessLimits,
    deadline_seconds: float,
    stack: ExitStack,
    cwd: Path | None,
    env: Mapping[str, str] | None,
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    lifeline_read, lifeline_write = os.pipe()
    # Closed last: from the moment the supervisor exists, losing this end is what kills it.
    stack.callback(os.close, lifeline_write)
    report_read, report_write = os.pipe()
    report = stack.enter_context(os.fdopen(report_read, "rb", buffering=0))
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", str(_SUPERVISOR)),
                *(str(lifeline_read), str(report_write), json.dumps(_kernel_limits(limits, deadline_seconds))),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(lifeline_read, report_write),
            start_new_session=True,
            cwd=cwd,
            env=env,
        )
    finally:
        os.close(lifeline_read)
        os.close(report_write)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stack.enter_context(stream)
    return process, report


def _kernel_limits(limits: ProcessLimits, deadline_seconds: float) -> dict[str, int]:
    everything = math.ceil(deadline_seconds + 1) * (os.cpu_count() or 1)
    wanted = {
        "core": 0,
        "cpu_seconds": limits.cpu_seconds or everything,
        "file_size": limits.file_bytes,
        "open_files": limits.open_files,
    }
    if limits.address_space_bytes is not None:
        wanted["address_space"] = limits.address_space_bytes
    return wanted


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks the group to end, and does not take no for an answer."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_POLITE_SECONDS)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # The group keeps its number while any member lives, so this cannot hit a stranger: either the supervisor is still
    # unreaped, or it was reaped by `_stop` and only its own orphans can answer to the number.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class _Watch:
    """Reads what a command says without letting it block or fill the memory."""

    def __init__(
        self,
        command: Sequence[str],
        limits: ProcessLimits,
        on_stdout_line: Callable[[str], None] | None,
        deadline_seconds: float,
    ) -> None:
        self._name = Path(command[0]).name
        self._deadline_seconds = deadline_seconds
        self._limits = limits
        self._on_line = on_stdout_line
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._report = bytearray()

    def until_it_ends(self, process: subprocess.Popen[bytes], report: IO[bytes], deadline: float) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, self._hear)
            selector.register(process.stderr, selectors.EVENT_READ, self._note)
            selector.register(report, selectors.EVENT_READ, self._report.extend)
            while selector.get_map():
                left = deadline - time.monotonic()
                events = selector.select(max(left, 0.0))
                if left <= 0:
                    if self._report:
                        break
                    raise DeadlineExceeded(self._too_long(), detail=self._last_words())
                for key, _ in events:
                    chunk = os.read(key.fd, _READ_BYTES)
                    if chunk:
                        key.data(chunk)
                        continue
                    selector.unregister(key.fileobj)
                    if key.fileobj is report:
                        _kill_group(process)
                        deadline = min(deadline, time.monotonic() + _DRAIN_SECONDS)
        if self._on_line and self._stdout:
            self._on_line(self._stdout.decode(errors="replace"))
            self._stdout.clear()

    def finished(self, wall_seconds: float) -> Finished:
        # A command that could not start reports that first, and its supervisor then reports its empty end.
        told = json.loads(self._report.split(b"\n", 1)[0] or b"{}")
        if told.get("could_not_start") == errno.ENOENT:
            raise ToolMissing(
                f"The program {self._name} is not installed.", remedy=f"Install {self._name} and put it on the PATH."
            )
        if "returncode" not in told:
            reason = os.strerror(told["could_not_start"]) if told else "it was killed from outside"
            raise StepFailed(f"The program {self._name} could not be run: {reason}.", detail=self._last_words())
        return Finished(
            returncode=told["returncode"],
            stdout=self._stdout.decode(errors="replace"),
            stderr=self._last_words(),
            cpu_seconds=told["cpu_seconds"],
            peak_memory_bytes=told["peak_memory_bytes"],
            wall_seconds=wall_seconds,
        )

    def _hear(self, chunk: bytes) -> None:
        self._stdout += chunk
        if self._on_line is None:
            if len(self._stdout) > self._limits.stdout_bytes:
                raise StepFailed(
                    f"The program {self._name} was stopped because it said more than "
                    f"{self._limits.stdout_bytes} bytes, the most that is kept.",
                    detail=self._last_words(),
                )
            return
        *lines, rest = self._stdout.split(b"\n")
        self._stdout = bytearray(rest[-_LONGEST_LINE_BYTES:])
        for line in lines:
            self._on_line(line.decode(errors="replace").rstrip("\r"))

    def _note(self, chunk: bytes) -> None:
        self._stderr += chunk
        if len(self._stderr) > 2 * self._limits.stderr_bytes:
            del self._stderr[: -self._limits.stderr_bytes]

    def _last_words(self) -> str:
        return self._stderr[-self._limits.stderr_bytes :].decode(errors="replace")

    def _too_long(self) -> str:
        return (
            f"The program {self._name} was stopped because it took longer than the "
            f"{self._deadline_seconds:g} s it may take here."
        )
