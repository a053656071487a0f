"""Alive, ready, and what is said when something is not."""

import contextlib
import json
import socket
import threading
import time

import psycopg
import pytest
from api_people import relaxed, running

from cliply_api.logs import redact


def checks(reply):
    return {check["name"]: check for check in reply.json()["checks"]}


def test_health_asks_nobody(client):
    assert client.get("/api/health").json()["status"] == "ok"


def test_readiness_says_that_the_daemon_never_ran(client):
    reply = client.get("/api/readyz")
    found = checks(reply)
    assert reply.status_code == 503
    assert found["database"]["ok"]
    assert found["storage"]["ok"]
    assert found["disk"]["ok"]
    assert "cliply up" in found["daemon"]["detail"]
    assert "No sensor" in found["sensors"]["detail"]


@pytest.fixture
def dagster(client):
    """Dagster's own tables, as its migrations make them, as far as readiness reads them."""
    url = client.app.state.database.dagster_url.replace("postgresql+psycopg2", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS daemon_heartbeats, job_ticks")
        connection.execute("CREATE TABLE daemon_heartbeats (daemon_type text, timestamp timestamp, body text)")
        connection.execute("CREATE TABLE job_ticks (status text, type text, timestamp timestamp)")
        yield connection
        connection.execute("DROP TABLE daemon_heartbeats, job_ticks")


def beat(dagster, age="1 s", errors=()):
    for kind in ("SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"):
        dagster.execute(
            "INSERT INTO daemon_heartbeats VALUES (%s, (now() AT TIME ZONE 'utc') - %s::interval, %s)",
            [kind, age, json.dumps({"errors": list(errors)})],
        )


def tick(dagster, status="SKIPPED", age="1 s"):
    dagster.execute(
        "INSERT INTO job_ticks VALUES (%s, 'SENSOR', (now() AT TIME ZONE 'utc') - %s::interval)", [status, age]
    )


def test_ready_when_the_daemon_beats_and_sensors_tick(client, dagster):
    beat(dagster)
    tick(dagster)
    reply = client.get("/api/readyz")
    assert (reply.status_code, reply.json()["ready"]) == (200, True)


@pytest.mark.parametrize(
    ("happens", "name", "said"),
    [
        (lambda d: (beat(d, "10 min"), tick(d)), "daemon", "s old"),
        (lambda d: (beat(d, errors=[{"message": "x"}]), tick(d)), "daemon", "report errors"),
        (lambda d: (beat(d), tick(d, age="10 min")), "sensors", "600 s ago"),
        (lambda d: (beat(d), tick(d, "FAILURE")), "sensors", "all failed"),
    ],
)
def test_what_is_wrong_with_the_daemon_is_said(client, dagster, happens, name, said):
    happens(dagster)
    reply = client.get("/api/readyz")
    assert reply.status_code == 503
    assert not checks(reply)[name]["ok"]
    assert said in checks(reply)[name]["detail"]


def test_a_full_disk_is_said(start):
    found = checks(start(min_free_bytes=2**60).get("/api/readyz"))
    assert not found["disk"]["ok"]
    assert "make room" in found["disk"]["detail"]


class Door:
    """A TCP relay to the database that can be shut: a server that is down, without taking it from the other tests."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.open = True
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                inside, _ = self.listener.accept()
            except OSError:
                return
            if not self.open:
                inside.close()
                continue
            kind = socket.AF_UNIX if self.target[0].startswith("/") else socket.AF_INET
            outside = socket.socket(kind)
            address = f"{self.target[0]}/.s.PGSQL.{self.target[1]}" if kind == socket.AF_UNIX else self.target
            outside.connect(address)
            self.pairs += [inside, outside]
            for source, sink in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def shut(self):
        self.open = False
        for end in self.pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.pairs.clear()


def test_without_a_database_every_answer_is_503_and_all_recovers_by_itself(shared_url, tmp_path, monkeypatch):
    from cliply_resources.database import connect

    monkeypatch.setattr(connect, "CONNECT_SECONDS", 0.2)
    given = psycopg.conninfo.conninfo_to_dict(shared_url)
    door = Door(given["host"], int(given.get("port") or 5432))
    through_the_door = f"postgresql://{given['user']}@127.0.0.1:{door.port}/{given['dbname']}"
    with running(relaxed(through_the_door, tmp_path)) as client:
        person = client.post("/api/auth/register", json={"email": "d@example.com", "password": "correct horse battery"})
        headers = {"Authorization": f"Bearer {person.json()['access_token']}"}
        assert client.get("/api/me", headers=headers).status_code == 200
        door.shut()
        for method, path in (("GET", "/api/me"), ("POST", "/api/workspaces"), ("GET", "/api/tokens")):
            reply = client.request(method, path, headers=headers, json={"name": "x"} if method == "POST" else None)
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert int(reply.headers["Retry-After"]) >= 1
        ready = client.get("/api/readyz")
        assert ready.status_code == 503
        assert not checks(ready)["database"]["ok"]
        assert client.get("/api/health").status_code == 200
        door.open = True
        for _ in range(30):
            reply = client.get("/api/me", headers=headers)
            if reply.status_code == 200:
                break
            # Who is asked to wait waits; the next one after that finds the way open.
            time.sleep(int(reply.headers["Retry-After"]))
        assert reply.status_code == 200
        assert client.get("/api/workspaces", headers=headers).json()["total"] == 1


@pytest.mark.parametrize(
    "event",
    [
        {"password": "hunter22"},
        {"nested": {"access_token": "hunter22"}},
        {"header": "Bearer hunter22"},
        {"url": "postgresql://user:hunter22@host/db"},
        {"event": "see https://x/reset#token=hunter22"},
        {"list": ["cliply_rt_hunter22hunter22hunter22"]},
        {"exception": "jwt eyJhunter22.eyJhunter22.hunter22 bad"},
        {"Cookie": "a=hunter22"},
    ],
)
def test_secrets_do_not_reach_the_log(event):
    assert "hunter22" not in json.dumps(redact(None, "info", dict(event)))


def test_what_is_no_secret_stays():
    event = {"event": "request", "path": "/api/tokens", "status": 200, "token_id": "abc", "user": "u"}
    assert redact(None, "info", dict(event)) == event


def test_a_request_is_one_line_in_the_log_without_query_and_secrets(client, ada, capfd):
    ada("GET", "/api/me?secret=hunter22", headers={"X-Request-Id": "find-me-in-the-log"})
    written = [line for line in capfd.readouterr().err.splitlines() if "find-me-in-the-log" in line]
    for line in written:
        assert ada.access_token not in line
        assert "hunter22" not in line
