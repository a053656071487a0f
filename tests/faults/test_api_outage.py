"""Postgres stops for a while, in the middle of the work: requests are refused in time, and nothing is lost, doubled or left behind."""

import os
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from api_people import PASSWORD, relaxed
from live_server import serving, until

from cliply_resources.database import EmbeddedPostgres, migrate

pytestmark = pytest.mark.slow

LONGEST = 25.0
"""Seconds within which every request is answered, on however loaded a machine; unloaded, it is some nine."""
AWAY = 4.0
READERS = 6
WRITERS = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of this file's own, which may be maltreated."""
    made = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    made.ensure()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def dsn(server):
    url = server.ensure().url("postgres", "outage", "")
    with psycopg.connect(server.ensure().url("postgres", "postgres", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE outage")
    migrate(url)
    return url


@pytest.fixture(scope="module")
def address(dsn, tmp_path_factory):
    """An application over it that did not start it, so does not start it again."""
    with serving(relaxed(dsn, tmp_path_factory.mktemp("home"))) as (found, _):
        yield f"http://{found}"


@pytest.fixture(scope="module")
def headers(address):
    account = {"email": f"ada-{uuid4().hex}@example.com", "password": PASSWORD}
    made = httpx.post(f"{address}/api/auth/register", json=account, timeout=LONGEST).json()
    return {"Authorization": f"Bearer {made['access_token']}"}


class Load:
    """People who read without pause, and programs that create things and do not give up."""

    def __init__(self, address, headers):
        self.address, self.headers = address, headers
        self.answers, self.odd, self.slowest = Counter(), [], 0.0
        self.made = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(READERS)]
        self._threads += [threading.Thread(target=self._write) for _ in range(WRITERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(4 * LONGEST)
        assert not any(thread.is_alive() for thread in self._threads)

    def _ask(self, client, method, path, **options):
        begun = time.monotonic()
        reply = client.request(
            method, f"{self.address}{path}", headers=self.headers | options.pop("headers", {}), **options
        )
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.answers[reply.status_code] += 1
        if reply.status_code == 503:
            wait = reply.headers.get("Retry-After", "")
            if not wait.isdigit() or reply.json()["error"]["code"] != "SERVICE_UNAVAILABLE":
                self.odd.append((path, reply.text, dict(reply.headers)))
        elif reply.status_code not in {200, 201, 409}:
            self.odd.append((path, reply.status_code, reply.text))
        return reply

    def _read(self):
        with httpx.Client(timeout=2 * LONGEST) as client:
            while not self._over.is_set():
                for path in ("/api/uploads", "/api/clips", "/api/me", "/api/workspaces"):
                    self._ask(client, "GET", path)
                self._over.wait(0.02)

    def _write(self):
        """Each thing is asked for with one key until it is there; the answer is asked for once more."""
        with httpx.Client(timeout=2 * LONGEST) as client:
            while not self._over.is_set():
                name, key = f"place {uuid4().hex}", {"Idempotency-Key": uuid4().hex}
                first, second = (self._until_made(client, name, key) for _ in range(2))
                self.made.append((name, first.status_code, first.text, second.text))

    def _until_made(self, client, name, key):
        deadline = time.monotonic() + 3 * LONGEST
        while True:
            reply = self._ask(client, "POST", "/api/workspaces", json={"name": name}, headers=key)
            if reply.status_code == 201 or time.monotonic() > deadline:
                return reply
            time.sleep(0.2)


@contextmanager
def frozen(server):
    """Every process of the server stands still: it takes connections and questions, and answers nothing."""
    head = server.ensure().pid
    family = [head, *(int(pid) for pid in Path(f"/proc/{head}/task/{head}/children").read_text().split())]
    try:
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        # Those that were started in between.
        late = set(map(int, Path(f"/proc/{head}/task/{head}/children").read_text().split())) - set(family)
        family += late
        for pid in late:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(family):
            with_life(pid, signal.SIGCONT)


@contextmanager
def killed(server):
    """An immediate shutdown: all connections break, and nobody listens any more."""
    head = server.ensure().pid
    os.kill(head, signal.SIGQUIT)
    try:
        until(lambda: server.running() is None, 30)
        yield
    finally:
        server.ensure()


def with_life(pid, what):
    with suppress(ProcessLookupError):
        os.kill(pid, what)


@pytest.mark.parametrize("broken", [killed, frozen])
def test_an_outage_is_told_in_time_and_forgotten_when_it_is_over(server, dsn, address, headers, broken):
    with Load(address, headers) as load:
        until(lambda: load.answers[200] >= 20 and load.answers[201] >= 3, 60)
        with broken(server):
            assert httpx.get(f"{address}/api/health", timeout=LONGEST).status_code == 200
            ready = httpx.get(f"{address}/api/readyz", timeout=LONGEST)
            time.sleep(AWAY)
            until(lambda: load.answers[503] >= 3, LONGEST)
        before = load.answers[200], len(load.made)
        until(lambda: load.answers[200] >= before[0] + 20 and len(load.made) >= before[1] + 3, 60)
    assert load.odd == []
    assert load.slowest < LONGEST
    assert ready.status_code == 503
    found = {check["name"]: check for check in ready.json()["checks"]}
    assert not found["database"]["ok"]
    assert "database" in found["database"]["detail"]
    until(lambda: database_is_fine(address), 30)
    assert {(status, first == second) for _, status, first, second in load.made} == {(201, True)}
    with psycopg.connect(dsn) as connection:
        names = connection.execute(
            "SELECT name, count(*) FROM workspaces WHERE name LIKE 'place %' GROUP BY name"
        ).fetchall()
        left = connection.execute("SELECT count(*) FROM account_idempotency_keys WHERE state = 'running'").fetchone()
        stuck = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'outage' AND state LIKE 'idle in transaction%'"
        ).fetchone()
    assert {name: 1 for name, *_ in load.made}.items() <= dict(names).items()
    assert set(dict(names).values()) == {1}
    assert (left, stuck) == ((0,), (0,))


def database_is_fine(address):
    checks = httpx.get(f"{address}/api/readyz", timeout=LONGEST).json()["checks"]
    return next(check["ok"] for check in checks if check["name"] == "database")
