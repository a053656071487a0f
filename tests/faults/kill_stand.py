"""A whole stack of its own that may be maltreated: its processes by what they are, its uploads, and what is left of them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "pipeline")]

import msgspec  # noqa: E402
import psycopg  # noqa: E402
from cliply_command import MARK, PROGRAM  # noqa: E402
from cluster_stand import SMALL, WORKSPACES, tiny_film  # noqa: E402

from cliply_resources.database import EmbeddedPostgres  # noqa: E402
from cliply_resources.uploads import settings_digest  # noqa: E402

__all__ = ["READY_SECONDS", "VICTIMS", "Stand", "Watch", "until"]

VICTIMS = ("run", "step", "daemon", "code", "api", "warm", "fork", "ffmpeg", "postgres", "backend")
"""What is killed: a run's process, the process of one of its steps, the services, the server that runs are forked from, the one that a
run's steps are forked from, a media tool, the database's first process, and one of its sessions."""

CHILDREN = {"code": "warm", "warm": "run", "adopted": "run", "run": "fork", "fork": "step"}
"""What a process that comes from a fork server is, by what its parent is. One whose parent died is a run: those outlive the code server."""

SUPERVISOR = "media_tools/supervisor.py"
READY_SECONDS = 240.0
STOP_SECONDS = 120.0


class Process(NamedTuple):
    """One of the stack's."""

    parent: int
    command: str


@dataclass
class Stand:
    """One installation with its own home, ports and Postgres."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid4().hex)
    restarts: int = 0
    """How often the supervisor itself had given up."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home, self.temporary, self.films = (self.folder / name for name in ("home", "tmp", "films"))
        self.temporary.mkdir()
        self.films.mkdir()
        self.port, self.api_port = free_port(), free_port()
        self.postgres = EmbeddedPostgres(self.home)
        self.up: subprocess.Popen[bytes] | None = None
        self.sown: dict[UUID, float] = {}
        """Uploads to when they were committed."""

    def environment(self) -> dict[str, str]:
        """Nothing of the developer's own settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLIPLY_", "DAGSTER_"))}
        own = {"CLIPLY_HOME": str(self.home), "TMPDIR": str(self.temporary), MARK: self.mark}
        return kept | own | {"CLIPLY_TRANSCRIPT_ENGINES": "[]"}

    def start(self) -> None:
        """Starts it, as an operator would."""
        with (self.folder / "up.log").open("ab") as log:
            self.up = subprocess.Popen(
                [PROGRAM, "up", "--port", str(self.port), "--api-port", str(self.api_port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
            )

    def keep_up(self) -> None:
        """Starts it again where it gave up, as a service manager would."""
        assert self.up is not None
        if self.up.poll() is not None:
            self.restarts += 1
            self.start()

    def is_ready(self) -> bool:
        """Whether the API says that everything answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}/api/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """Stops it, as an operator would."""
        if self.up is None or self.up.poll() is not None:
            return
        self.up.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.up.wait(STOP_SECONDS)

    def remove(self) -> None:
        """Ends whatever is left, and deletes the folder."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.postgres.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sow(self, number: int) -> None:
        """One more upload, as the API writes it; nothing while the database is away."""
        film = tiny_film(self.films, number)
        workspace, identity = WORKSPACES[number % len(WORKSPACES)], uuid4()
        told = msgspec.json.encode(SMALL).decode()
        with self.connection() as connection:
            connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w') ON CONFLICT DO NOTHING", [workspace])
            connection.execute(
                "INSERT INTO uploads (workspace_id, id, title, source_kind, source_uri, settings, settings_digest)"
                " VALUES (%s, %s, %s, 'file', %s, %s, %s)",
                [workspace, identity, film.stem, str(film), told, settings_digest(SMALL)],
            )
        self.sown[identity] = time.monotonic()

    @contextmanager
    def connection(self, database: str = "cliply") -> Iterator[psycopg.Connection[Any]]:
        """Behind row level security; never starts the server, which is the stack's business.

        Raises:
            psycopg.OperationalError: it is away.
        """
        address = self.postgres.running()
        if address is None:
            raise psycopg.OperationalError("The server is away.")
        with psycopg.connect(address.url("postgres", database, ""), autocommit=True, connect_timeout=10) as connection:
            yield connection

    def rows(self, query: str, *values: object, database: str = "cliply") -> list[tuple[Any, ...]]:
        """What lies in the database."""
        with self.connection(database) as connection:
            return connection.execute(query, values).fetchall()

    def processes(self) -> dict[int, Process]:
        """All living ones of this stack but the database's, wherever they have gone."""
        found = {int(entry.name): self._look(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        return {pid: process for pid, process in found.items() if process is not None}

    def _look(self, entry: Path) -> Process | None:
        try:
            if f"{MARK}={self.mark}".encode() not in (entry / "environ").read_bytes():
                return None
            state, parent, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None
        return None if state in "ZX" or "bin/postgres" in command else Process(int(parent), command)

    def find(self, victim: str) -> list[int]:
        """Living processes of this kind."""
        if victim in {"postgres", "backend"}:
            return self._database(victim)
        processes = self.processes()
        return sorted(pid for pid in processes if kind_of(pid, processes) == victim)

    def _database(self, victim: str) -> list[int]:
        address = self.postgres.running()
        if address is None or victim == "postgres":
            return [] if address is None else [address.pid]
        with suppress(OSError):
            pids = Path(f"/proc/{address.pid}/task/{address.pid}/children").read_text().split()
            return [pid for pid in map(int, pids) if b"postgres: cliply" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return []

    def astray(self) -> dict[int, str]:
        """Living processes that the supervisor cannot reach through their parents any more."""
        assert self.up is not None
        processes = self.processes()

        def is_reached(pid: int) -> bool:
            while pid in processes and pid != self.up.pid:  # type: ignore[union-attr]
                pid = processes[pid].parent
            return pid == self.up.pid  # type: ignore[union-attr]

        return {pid: process.command[-160:] for pid, process in processes.items() if not is_reached(pid)}

    def logs(self, lines: int = 30) -> str:
        """The ends of everybody's logs."""
        found = [self.folder / "up.log", *sorted((self.home / "logs").glob("*.log"))]
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            for path in found
            if path.is_file()
        )


def kind_of(pid: int, processes: Mapping[int, Process]) -> str | None:
    """What a process is, by its command and its ancestors."""
    if pid not in processes:
        return "adopted"
    command = processes[pid].command
    for kind, words in (("code", "instance.warm"), ("daemon", "instance.daemon"), ("api", "cliply_api.serve")):
        if words in command:
            return kind
    if "multiprocessing.forkserver" in command:
        return CHILDREN.get(kind_of(processes[pid].parent, processes) or "")
    if "ffmpeg" in command.split(" ", 1)[0]:
        return "ffmpeg"
    return None


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Watch:
    """Looks, until it is closed, whether two do the same work at once."""

    def __init__(self, stand: Stand) -> None:
        self.found: set[str] = set()
        self._stand = stand
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops looking."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.3):
            self.found |= {f"two processes at {work}" for work in work_done_twice(self._stand.processes())}
            with suppress(psycopg.Error):
                twice = self._stand.rows(RUNS_AT_ONCE, database="cliply_dagster")
                self.found |= {f"two runs of {upload} at once" for (upload,) in twice}


RUNS_AT_ONCE = """SELECT value FROM run_tags JOIN runs USING (run_id) WHERE key = 'cliply/upload'
    AND status IN ('STARTING', 'STARTED') AND pipeline_name <> 'rerender' GROUP BY value HAVING count(*) > 1"""


def work_done_twice(processes: Mapping[int, Process]) -> list[str]:
    """Folders of steps that media tools of more than one living process work in."""
    at_work: dict[str, set[int]] = defaultdict(set)
    for process in processes.values():
        starter = processes.get(process.parent)
        # The supervisor's own child looks like it for a moment, until it becomes the tool.
        if SUPERVISOR not in process.command or starter is None or SUPERVISOR in starter.command:
            continue
        _, found, rest = process.command.partition("/home/work/")
        if found:
            at_work[rest.split("/", 1)[0].split(" ", 1)[0]].add(process.parent)
    return [folder for folder, parents in at_work.items() if len(parents) > 1]


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it came about in time; a database that is away is not it."""
    end = time.monotonic() + seconds
    while True:
        with suppress(psycopg.Error):
            if holds():
                return True
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
