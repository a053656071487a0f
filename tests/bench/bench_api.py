"""Answers a realistic mix of reads at a fixed rate from a database with many workspaces, and prints one JSON document.

    python tests/bench/bench_api.py [--workspaces 1000] [--clips 1000000] [--rate 200] [--seconds 30] [--processes 2] [--home FOLDER]

Requests are sent when they are due, whatever came of earlier ones, and are measured from then on: a server that falls behind shows.
The time that the database takes is measured by the server's own processes, from sending a statement to having its answer.

Times say little on a machine that has other work: `processor` tells how many milliseconds of processor the API and Postgres took for a
request, which others' work changes far less, and how many processors that other work had meanwhile. With `--home`, the seeded
database is kept there and used again.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from bench_common import machine, print_document, say
from many_rows import fill
from processor_time import ProcessorTime

from cliply_resources.database import EmbeddedPostgres

HTTP_LIMIT_MS, DATABASE_LIMIT_MS = 25.0, 5.0
CLIPS_OF_UPLOAD = 10
SEEDED_AT_ONCE = 50
"""Workspaces in one transaction."""
PEOPLE = 100
"""Owners who ask; their workspaces are spread over all."""
WARM_SECONDS = 3.0
START_SECONDS = 180.0
MIX = (
    (30, "/api/clips?limit=20"),
    (15, "/api/clips/{clip}"),
    (15, "/api/uploads?limit=20"),
    (15, "/api/uploads/{upload}"),
    (10, "/api/clips?upload_id={upload}"),
    (5, "/api/clips/{clip}/comments"),
    (5, "/api/me"),
    (5, "/api/workspaces"),
)
"""Weight and address: people look at lists, then at one thing, and programs poll."""
WAITING = """
    UPDATE uploads SET started_attempt = 0, completed_at = NULL
    WHERE id IN (SELECT DISTINCT ON (workspace_id) id FROM uploads ORDER BY workspace_id, created_at DESC)
      AND get_byte(uuid_send(workspace_id), 15) < 13
"""
"""The newest upload of every twentieth workspace has not been begun."""
RELAXED = {
    "CLIPLY_PASSWORD_MEMORY_KIB": "8",
    "CLIPLY_PASSWORD_PASSES": "1",
    "CLIPLY_ACCESS_TOKEN_SECONDS": "86400",
    "CLIPLY_LOGIN_PER_MINUTE": "1000000",
    "CLIPLY_REGISTER_PER_HOUR": "1000000",
    "CLIPLY_USER_REQUESTS_PER_MINUTE": "1000000",
    "CLIPLY_WORKSPACE_REQUESTS_PER_MINUTE": "1000000",
}


@dataclass
class Person:
    """Somebody who asks, and what is theirs."""

    headers: dict[str, str]
    uploads: list[str]
    clips: list[str]


@dataclass
class Measured:
    """Milliseconds, by address as declared."""

    times: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """The exit status: 1 where a limit was missed or a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspaces", type=int, default=1000)
    parser.add_argument("--clips", type=int, default=1_000_000, help="in all workspaces together")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="of the API")
    parser.add_argument("--home", type=Path, help="keeps the seeded database here, and uses the one that is here")
    chosen = parser.parse_args()
    with nullcontext(chosen.home) if chosen.home else TemporaryDirectory(prefix="cliply-bench-") as folder:
        document = _bench(Path(folder), chosen)
    print_document(document)
    return 0 if document["within_limits"] else 1


def _bench(home: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    home.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(home)
    server.ensure()
    for path in home.glob("statements-*"):
        path.unlink()
    try:
        with _serving(home, chosen.processes) as (url, api):
            dsn = server.ensure().url("postgres", "cliply", "")
            with psycopg.connect(dsn, autocommit=True) as connection:
                people, rows, seeding = _seeded(connection, url, home / "seeded.json", chosen)
            asyncio.run(_load(url, people, chosen.rate, WARM_SECONDS))
            before = machine()
            postmaster = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
            spent = ProcessorTime(api=api, postgres=postmaster)
            measured = asyncio.run(_load(url, people, chosen.rate, chosen.seconds))
            processor = spent.document(sum(len(times) for times in measured.times.values()))
        statements = [float(line) for path in home.glob("statements-*") for line in path.read_text().split()]
    finally:
        if chosen.home is None:
            server.remove()
        else:
            server.stop()
    return _document(
        chosen, rows, seeding, measured, statements, before | {"load_after": machine()["load_1_minute"]}
    ) | {"processor": processor}


def _document(
    chosen: argparse.Namespace,
    rows: dict[str, int],
    seeding: float,
    measured: Measured,
    statements: list[float],
    before: dict[str, Any],
) -> dict[str, Any]:
    http = _percentiles([one for times in measured.times.values() for one in times])
    database = _percentiles(statements)
    fine = not measured.errors and http["p95_ms"] <= HTTP_LIMIT_MS and database["p95_ms"] <= DATABASE_LIMIT_MS
    return {
        "machine": before,
        "rows": rows,
        "seeding_seconds": round(seeding, 1),
        "rate": chosen.rate,
        "processes": chosen.processes,
        "http": http | {"limit_p95_ms": HTTP_LIMIT_MS},
        "database": database | {"limit_p95_ms": DATABASE_LIMIT_MS},
        "by_address": {path: _percentiles(times) for path, times in sorted(measured.times.items())},
        "errors": dict(measured.errors),
        "within_limits": fine,
    }


def _percentiles(times: list[float]) -> dict[str, Any]:
    found = sorted(times) or [0.0]

    def at(share: float) -> float:
        return round(found[min(len(found) - 1, int(share * len(found)))], 2)

    return {"count": len(times), "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "most_ms": at(1.0)}


def _seeded(
    connection: psycopg.Connection, url: str, note: Path, chosen: argparse.Namespace
) -> tuple[list[Person], dict[str, int], float]:
    """Who asks, how many rows there are, and how many seconds making them took (none of them where they were there)."""
    begun = time.monotonic()
    if note.exists():
        say(f"using the rows of {note}")
        number = json.loads(note.read_text())
        signed = [_sign(url, "login", n) for n in range(number)]
    else:
        signed = [_sign(url, "register", n) for n in range(min(PEOPLE, chosen.workspaces))]
        _seed(connection, [made["workspace_id"] for made in signed], signed[0]["user"]["id"], chosen)
        note.write_text(json.dumps(len(signed)))
    rows = {}
    for table in ("workspaces", "uploads", "clips", "renders", "upload_steps"):
        found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        rows[table] = found[0] if found else 0
    say(f"{rows['clips']} clips after {time.monotonic() - begun:.0f} s")
    return [_person(connection, made) for made in signed], rows, time.monotonic() - begun


def _seed(connection: psycopg.Connection, places: list[str], author: str, chosen: argparse.Namespace) -> None:
    each = max(1, chosen.clips // chosen.workspaces // CLIPS_OF_UPLOAD)
    others = connection.execute(
        "INSERT INTO workspaces (id, name) SELECT uuidv7(), 'Workspace ' || n FROM generate_series(1, %s) AS n RETURNING id",
        [chosen.workspaces - len(places)],
    ).fetchall()
    everything = [*places, *(place for (place,) in others)]
    connection.execute("SET synchronous_commit = off")
    for first in range(0, len(everything), SEEDED_AT_ONCE):
        part = everything[first : first + SEEDED_AT_ONCE]
        fill(connection, part, author, uploads=each, clips=CLIPS_OF_UPLOAD)
        say(f"{first + len(part)} of {len(everything)} workspaces")
    connection.execute(WAITING)
    connection.execute("VACUUM ANALYZE")


def _sign(url: str, how: str, number: int) -> dict[str, Any]:
    """`register` or `login`; with the access token, the user and the workspace."""
    account = {"email": f"bench-{number}@example.com", "password": "correct horse battery staple"}
    if how == "register":
        account["name"] = f"Person {number}"
    reply = httpx.post(f"{url}/api/auth/{how}", json=account, timeout=60)
    assert reply.is_success, reply.text
    found: dict[str, Any] = reply.json()
    return found


def _person(connection: psycopg.Connection, made: dict[str, Any]) -> Person:
    found = {
        table: [
            str(row[0])
            for row in connection.execute(
                f"SELECT id FROM {table} WHERE workspace_id = %s LIMIT 200".encode(), [made["workspace_id"]]
            )
        ]
        for table in ("uploads", "clips")
    }
    return Person({"Authorization": f"Bearer {made['access_token']}"}, found["uploads"], found["clips"])


async def _load(url: str, people: list[Person], rate: float, seconds: float) -> Measured:
    measured, chance = Measured(), random.Random(1)
    weights, paths = zip(*MIX, strict=True)
    host, port = url.removeprefix("http://").split(":")
    lines = {id(person): Lines(host, int(port)) for person in people}
    async with asyncio.TaskGroup() as tasks:
        begun = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            [path] = chance.choices(paths, weights)
            who = chance.choice(people)
            tasks.create_task(_ask(lines[id(who)], measured, path, who, chance.random(), due))
    for kept in lines.values():
        kept.close()
    return measured


async def _ask(lines: "Lines", measured: Measured, path: str, who: Person, part: float, due: float) -> None:
    clip, upload = who.clips[int(part * len(who.clips))], who.uploads[int(part * len(who.uploads))]
    try:
        status = await lines.get(path.format(clip=clip, upload=upload), who.headers)
    except (OSError, asyncio.IncompleteReadError) as failure:
        measured.errors[type(failure).__name__] += 1
        return
    if status != 200:
        measured.errors[str(status)] += 1
    measured.times.setdefault(path, []).append((time.perf_counter() - due) * 1000)


@dataclass
class Lines:
    """The connections of one person, kept open as a browser keeps them; a client that costs the two processors next to nothing."""

    host: str
    port: int
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def get(self, path: str, headers: dict[str, str]) -> int:
        """The status of the whole answer."""
        reader, writer = self.free.pop() if self.free else await asyncio.open_connection(self.host, self.port)
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.host}", *(f"{name}: {said}" for name, said in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        self.free.append((reader, writer))
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Hangs up."""
        for _, writer in self.free:
            writer.close()


@contextmanager
def _serving(home: Path, processes: int) -> Iterator[tuple[str, int]]:
    """Address and process id of the API as `python -m cliply_api.serve` starts it, with a stop watch at its statements."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIPLY_")}
    environment |= RELAXED | {"CLIPLY_HOME": str(home), "CLIPLY_BENCH_FOLDER": str(home)}
    script = Path(__file__).with_name("timed_api.py")
    command = [sys.executable, str(script), "--port", str(port), "--workers", str(processes)]
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
        while not _answers(url):
            assert process.poll() is None, (home / "serve.log").read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    sys.exit(main())
