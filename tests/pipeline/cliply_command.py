"""The real `cliply` command in subprocesses, each installation with a home of its own, and an ffmpeg that can be told to wait."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

import cliply_resources
from cliply_assets.sample import generate_sample
from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from cliply_resources.settings import get_settings

ROOT = Path(cliply_resources.__file__).parents[1]
PROGRAM = str(Path(sys.executable).with_name("cliply"))
MARK = "CLIPLY_TEST_MARK"
"""Environment variable that every process of an installation carries, also those that left its process group."""

LIMIT_SECONDS = 300
"""For one command on a machine that does much else; idle, none takes 30 s."""

DECODING = "motion.bin"
RENDERING = "libx264"
"""What only the ffmpeg of the one decode, and only that of a clip's picture, has among its arguments."""

FFMPEG = """#!/bin/sh
printf '%s\\n' "$*" >> "{folder}/calls"
if [ -e "{folder}/hold" ]; then
    case "$*" in
        *"$(cat "{folder}/hold")"*) : > "{folder}/held"; exec sleep 600 ;;
    esac
fi
exec "{real}" "$@"
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    said: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        if not self.out:
            pytest.fail(f"ended with {self.code} and said: {self.said}")
        return json.loads(self.out)

    def clip(self, number: int = 0) -> dict[str, Any]:
        """One clip of the document."""
        return self.document["clips"][number]


@dataclass
class Cliply:
    """An installation: its home, its database, and the ffmpeg it runs."""

    folder: Path
    url: str
    extra: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home = self.folder / "home"
        self.ffmpeg = self.folder / "ffmpeg"
        self.ffmpeg.write_text(FFMPEG.format(folder=self.folder, real=ffmpeg_path()))
        self.ffmpeg.chmod(0o755)

    def environment(self, changes: Mapping[str, str] = {}) -> dict[str, str]:
        """What the command sees: nothing of the developer's own settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLIPLY_", "DAGSTER_"))}
        return {
            **kept,
            "CLIPLY_HOME": str(self.home),
            "CLIPLY_DATABASE_URL": self.url,
            "IMAGEIO_FFMPEG_EXE": str(self.ffmpeg),
            MARK: self.mark,
            **self.extra,
            **changes,
        }

    def start(
        self, *arguments: object, cwd: Path | None = None, under: tuple[str, ...] = (), **changes: str
    ) -> "subprocess.Popen[str]":
        """Starts a command in a process group of its own, as a terminal would; `under` is a program that starts it."""
        return subprocess.Popen(
            [*under, PROGRAM, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(changes),
            cwd=cwd or self.folder,
            start_new_session=True,
        )

    def end(self, process: "subprocess.Popen[str]") -> Done:
        """Waits for a started command."""
        began = time.monotonic()
        try:
            out, said = process.communicate(timeout=LIMIT_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Done(process.returncode, out, said, time.monotonic() - began)

    def run(self, *arguments: object, **changes: str) -> Done:
        """A command from start to end."""
        return self.end(self.start(*arguments, **changes))

    def without_privileges(self, *arguments: object) -> Done:
        """As this user, but bound by permissions even where this user is root."""
        return self.end(self.start(*arguments, under=("setpriv", "--inh-caps=-all", "--bounding-set=-all")))

    def clip(self, film: Path, *arguments: object, **changes: str) -> Done:
        """`cliply clip FILM --json`, with clips short enough for a test."""
        return self.run(*self.clip_arguments(film), *arguments, **changes)

    def clip_arguments(self, film: Path) -> list[object]:
        """The same as a list; what is named again later counts."""
        return ["clip", film, "--json", "--clips", 1, "--min", 3, "--max", 6, "--out", self.folder / "out"]

    def calls(self, kind: str) -> int:
        """How many ffmpegs of a kind were started."""
        log = self.folder / "calls"
        return sum(kind in line for line in log.read_text().splitlines()) if log.exists() else 0

    def hold(self, kind: str) -> None:
        """From now on, an ffmpeg of this kind starts and never ends."""
        (self.folder / "held").unlink(missing_ok=True)
        (self.folder / "hold").write_text(kind)

    def release(self) -> None:
        """From now on, every ffmpeg does its work."""
        (self.folder / "hold").unlink(missing_ok=True)

    def wait_until_held(self, process: "subprocess.Popen[str]") -> None:
        """Returns in the middle of the work."""
        until(lambda: (self.folder / "held").exists() or process.poll() is not None)
        if process.poll() is not None:
            pytest.fail(f"The command ended early:\n{process.communicate()}")

    def processes(self) -> dict[int, str]:
        """All living processes of this installation, wherever they have gone."""
        return {
            int(entry.name): command
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and (command := self._command(entry)) is not None
        }

    def _command(self, entry: Path) -> str | None:
        try:
            if f"{MARK}={self.mark}".encode() not in (entry / "environ").read_bytes():
                return None
            alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
            return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode() if alive else None
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None

    def nobody_is_left(self, within_seconds: float = 10) -> None:
        """Fails when a process outlives its purpose."""
        until(lambda: not self.processes(), within_seconds, lambda: f"still there: {self.processes()}")

    def nothing_is_half_written(self) -> None:
        """Fails when storage or a result folder holds a file that is not finished, or a work folder was left."""
        storage, out = self.home / "storage", self.folder / "out"
        for unfinished in (*storage.rglob(".part-*"), *out.glob(".*"), *(self.home / "work").glob("*")):
            pytest.fail(f"left behind: {unfinished}")

    @contextlib.contextmanager
    def dagster(self) -> Iterator[dg.DagsterInstance]:
        """The instance that the UI would show."""
        names = ("CLIPLY_HOME", "CLIPLY_DATABASE_URL")
        before = {name: os.environ.get(name) for name in names}
        os.environ.update({"CLIPLY_HOME": str(self.home), "CLIPLY_DATABASE_URL": self.url})
        get_settings.cache_clear()
        try:
            with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
                yield instance
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            get_settings.cache_clear()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What lies in the database, seen from behind row level security."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()


def until(
    holds: Callable[[], bool],
    within_seconds: float = LIMIT_SECONDS,
    otherwise: Callable[[], str] = lambda: "it never came about",
) -> None:
    """Returns as soon as `holds`; fails with `otherwise` when it takes too long."""
    end = time.monotonic() + within_seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(otherwise())
        time.sleep(0.02)


@dataclass(frozen=True)
class Films:
    """Small films, made once for all workers of a test run."""

    folder: Path

    def draw(self, name: str, *arguments: str) -> Path:
        """`name` as ffmpeg makes it from the arguments."""

        def make(folder: Path) -> None:
            subprocess.run(
                [str(ffmpeg_path()), "-nostdin", "-v", "error", "-y", *arguments, str(folder / name)],
                check=True,
                timeout=LIMIT_SECONDS,
            )

        return self._once(name, make)

    @property
    def talk(self) -> Path:
        """The first 24 s of the sample, 360 lines high: two people, speech, cuts."""
        return self._once("cliply-sample.mp4", lambda folder: generate_sample(folder, seconds=24, height=360))

    def twin(self, name: str, *options: str) -> Path:
        """The talk's first 12 s with other bytes, so that nothing known of another film helps; `options` for the output."""
        if not options:
            options = ("-c", "copy")
        return self.draw(name, "-t", "12", "-i", str(self.talk), *options, "-metadata", f"comment={name}")

    def _once(self, name: str, make: Callable[[Path], object]) -> Path:
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                make(Path(folder))
                (Path(folder) / name).replace(path)
        return path


def make_films(factory: pytest.TempPathFactory) -> Films:
    """In a folder that all workers of a test run share."""
    base = factory.getbasetemp()
    return Films((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cliply-films")


def tidy(folder: Path) -> None:
    """Gives the disk back early; a run of all these tests would fill a gigabyte."""
    shutil.rmtree(folder, ignore_errors=True)
