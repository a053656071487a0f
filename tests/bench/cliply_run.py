"""Runs `cliply clip --json` in a home of its own, and watches the memory of every process that belongs to it."""

import json
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cliply_resources.database import EmbeddedPostgres
from cliply_resources.media_tools.process import run

_MARK = "CLIPLY_BENCH_RUN"
_LOOK_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class ClipRun:
    """How a run ended: its exit code, its document (`None` where it printed none), what it said, what it took."""

    returncode: int
    document: dict[str, Any] | None
    said: str
    wall_seconds: float
    peaks: dict[str, int]
    """Largest resident memory in bytes by process, the largest first."""


@contextmanager
def empty_home(work: Path) -> Iterator[Path]:
    """A folder for `CLIPLY_HOME`; the database server that a run starts there outlives the run, and is ended here."""
    # Beside the films and not under /tmp, which may be memory: an hour's copies take gigabytes.
    with TemporaryDirectory(dir=work, prefix="home-") as name:
        home = Path(name).resolve() / "home"
        try:
            yield home
        finally:
            EmbeddedPostgres(home).remove()


def clip(film: Path, home: Path, out: Path, *arguments: str, deadline_seconds: float = 7200.0) -> ClipRun:
    """One run of the command as a user would type it."""
    mark = uuid.uuid4().hex
    environment = {**os.environ, "CLIPLY_HOME": str(home), _MARK: mark}
    watch = MemoryWatch(mark)
    watch.start()
    try:
        finished = run(
            [str(Path(sys.executable).with_name("cliply")), "clip", str(film), "--json", "--out", str(out), *arguments],
            deadline_seconds=deadline_seconds,
            env=environment,
        )
    finally:
        watch.stop()
    text = finished.stdout.strip()
    return ClipRun(
        returncode=finished.returncode,
        document=json.loads(text) if text.startswith("{") else None,
        said=finished.stderr[-2000:],
        wall_seconds=finished.wall_seconds,
        peaks=watch.peaks(),
    )


class MemoryWatch(threading.Thread):
    """Notes the high-water mark of every process whose environment carries a mark, also of those that left the group."""

    def __init__(self, mark: str) -> None:
        super().__init__(daemon=True)
        self._needle = f"{_MARK}={mark}".encode()
        self._ends = threading.Event()
        self._seen: dict[int, tuple[str, int]] = {}
        self._strangers: set[int] = set()

    def run(self) -> None:
        while not self._ends.wait(_LOOK_EVERY):
            self._look()

    def stop(self) -> None:
        """Ends the watching."""
        self._ends.set()
        self.join()

    def peaks(self) -> dict[str, int]:
        """The largest of each kind of process, by command line."""
        largest: dict[str, int] = {}
        for name, peak in self._seen.values():
            largest[name] = max(largest.get(name, 0), peak)
        return dict(sorted(largest.items(), key=lambda item: -item[1]))

    def _look(self) -> None:
        numbers = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        self._strangers &= numbers
        for number in numbers - self._strangers - {os.getpid()}:
            try:
                folder = Path("/proc") / str(number)
                if number not in self._seen and self._needle not in (folder / "environ").read_bytes():
                    self._strangers.add(number)
                    continue
                status = (folder / "status").read_text()
                name = _name((folder / "cmdline").read_bytes())
            except OSError:
                # It ended, or belongs to somebody else.
                continue
            if (line := next((row for row in status.splitlines() if row.startswith("VmHWM:")), None)) and name:
                self._seen[number] = (name, max(int(line.split()[1]) * 1024, self._seen.get(number, ("", 0))[1]))


def _name(command: bytes) -> str:
    words = command.decode(errors="replace").split("\0")
    return " ".join(Path(word).name if word.startswith("/") else word for word in words[:4] if word)[:60]
