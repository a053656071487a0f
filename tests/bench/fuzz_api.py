"""Sends requests that schemathesis makes from the OpenAPI document to a running server, and prints one JSON document.

    python tests/bench/fuzz_api.py [--requests 10000] [--seed 1]

An owner, a viewer, a system admin and nobody ask for everything. Exits with 1 when an answer is a server error, or not what the
document promises. The server and its database are its own, and are removed afterwards.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from api_fuzz import PEOPLE, Found, World, fuzz, make_world

from cliply_resources.database import EmbeddedPostgres
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

RELAXED = {
    "CLIPLY_PASSWORD_MEMORY_KIB": "8",
    "CLIPLY_PASSWORD_PASSES": "1",
    "CLIPLY_ACCESS_TOKEN_SECONDS": "86400",
    "CLIPLY_LOGIN_PER_MINUTE": "1000000",
    "CLIPLY_REGISTER_PER_HOUR": "1000000",
    "CLIPLY_MAILS_PER_HOUR": "1000000",
    "CLIPLY_USER_REQUESTS_PER_MINUTE": "1000000",
    "CLIPLY_WORKSPACE_REQUESTS_PER_MINUTE": "1000000",
}
"""Limits have tests of their own; here they would hide what is behind them."""
START_SECONDS = 120.0


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="at least so many, shared among the people")
    parser.add_argument("--seed", type=int, default=None, help="the same seed makes the same requests")
    chosen = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    begun = time.monotonic()
    with TemporaryDirectory(prefix="cliply-fuzz-") as folder:
        found = _run(Path(folder), chosen.requests, seed)
    document = {"seed": seed, "seconds": round(time.monotonic() - begun, 1), **found.document()}
    print(json.dumps(document, indent=2))
    return 1 if found.failures else 0


def _run(home: Path, requests: int, seed: int) -> Found:
    server = EmbeddedPostgres(home)
    server.ensure()
    try:
        with _serving(home) as url:
            dsn = server.ensure().url("postgres", "cliply", "")
            with psycopg.connect(dsn, autocommit=True) as connection:
                world = make_world(url, connection, open_storage(Settings(home=home)))
            document = httpx.get(f"{url}/api/openapi.json", timeout=60).json()
            share = -(-requests // len(PEOPLE))
            # One process a person: making the requests takes longer than answering them.
            with ProcessPoolExecutor(os.cpu_count()) as pool:
                parts = [
                    pool.submit(_ask, replace(world, connection=None), dsn, document, share, seed, person)
                    for person in PEOPLE
                ]
                return _joined([part.result() for part in parts])
    finally:
        server.remove()


def _ask(world: World, dsn: str, document: dict[str, Any], requests: int, seed: int, person: str) -> Found:
    with psycopg.connect(dsn, autocommit=True) as connection:
        mine = replace(world, connection=connection)
        return fuzz(mine, document, requests=requests, seed=seed + PEOPLE.index(person), people=(person,))


def _joined(parts: list[Found]) -> Found:
    whole = Found()
    for part in parts:
        whole.requests += part.requests
        whole.statuses.update(part.statuses)
        whole.failures = part.failures | whole.failures
    return whole


@contextmanager
def _serving(home: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIPLY_")}
    environment |= RELAXED | {"CLIPLY_HOME": str(home)}
    command = [sys.executable, "-m", "cliply_api.serve", "--port", str(port)]
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
        while not _answers(url):
            assert process.poll() is None, (home / "serve.log").read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        yield url
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
