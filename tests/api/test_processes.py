"""Two real processes over one database, as `python -m cliply_api.serve` starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from api_people import PASSWORD
from live_server import Stream, until

pytestmark = pytest.mark.slow


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def processes(shared_url, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("processes")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIPLY_")}
    environment |= {
        "CLIPLY_DATABASE_URL": shared_url,
        "CLIPLY_HOME": str(tmp_path),
        "CLIPLY_PASSWORD_MEMORY_KIB": "8",
        "CLIPLY_PASSWORD_PASSES": "1",
    }
    ports = [free_port(), free_port()]
    log = (tmp_path / "log").open("wb")
    started = [
        subprocess.Popen([sys.executable, "-m", "cliply_api.serve", "--port", str(port)], env=environment, stderr=log)
        for port in ports
    ]
    try:
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        deadline = time.monotonic() + 150
        for url in urls:
            while not answers(url):
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
        yield urls, started, tmp_path / "log"
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()


def answers(url):
    try:
        return httpx.get(f"{url}/api/health", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def test_keys_and_events_hold_over_both(processes):
    (first, second), *_ = processes
    made = httpx.post(f"{first}/api/auth/register", json={"email": "two@example.com", "password": PASSWORD}).json()
    person = SimpleNamespace(access_token=made["access_token"], workspace_id=made["workspace_id"])
    headers = {"Authorization": f"Bearer {made['access_token']}", "Idempotency-Key": "once"}
    wanted = {"source_url": "https://www.youtube.com/watch?v=abcdefghijk"}
    with Stream(second.removeprefix("http://"), person) as stream, ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(httpx.post, f"{url}/api/uploads", json=wanted, headers=headers, timeout=30)
            for url in (first, second) * 4
        ]
        replies = [one.result() for one in asked]
        until(stream.events, 30)
    # The others came while it was running, or after it was done.
    assert {reply.status_code for reply in replies} <= {201, 409}
    repeated = [httpx.post(f"{url}/api/uploads", json=wanted, headers=headers, timeout=30) for url in (first, second)]
    assert [reply.headers["Idempotent-Replayed"] for reply in repeated] == ["true", "true"]
    assert len({reply.text for reply in [*replies, *repeated] if reply.status_code == 201}) == 1
    other = httpx.post(f"{second}/api/uploads", json=wanted | {"title": "other"}, headers=headers, timeout=30)
    assert other.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    listed = httpx.get(f"{second}/api/uploads", headers=headers).json()
    assert listed["total"] == 1
    assert {event["upload_id"] for event in stream.events()} == {listed["data"][0]["id"]}


def test_requests_of_one_person_are_counted_over_both(processes):
    urls, *_ = processes
    made = httpx.post(f"{urls[0]}/api/auth/register", json={"email": "busy@example.com", "password": PASSWORD}).json()
    headers = {"Authorization": f"Bearer {made['access_token']}"}
    begun = time.monotonic()
    statuses = [httpx.get(f"{urls[n % 2]}/api/me", headers=headers, timeout=30).status_code for n in range(130)]
    minutes = (time.monotonic() - begun) / 60
    # A hundred a minute, whichever process is asked; the bucket fills while this goes on.
    assert 100 <= statuses.count(200) <= 101 + 100 * minutes
    assert minutes > 0.29 or 429 in statuses


def test_sign_ins_and_limits_hold_over_both_and_both_end_in_order(processes):
    (first, second), started, log = processes
    account = {"email": "process@example.com", "password": PASSWORD}
    made = httpx.post(f"{first}/api/auth/register", json=account).json()
    headers = {"Authorization": f"Bearer {made['access_token']}"}
    assert httpx.get(f"{second}/api/me", headers=headers).json()["user"]["email"] == account["email"]
    # A caller from this very machine is no trusted proxy, so its word about its address counts for nothing.
    forged = [
        httpx.post(
            f"{(first, second)[n % 2]}/api/auth/login",
            json={**account, "password": "wrong password"},
            headers={"X-Forwarded-For": f"198.51.100.{n}"},
        ).status_code
        for n in range(6)
    ]
    assert forged == [401] * 5 + [429]
    assert httpx.post(f"{second}/api/auth/logout", headers=headers).status_code == 204
    gone = httpx.get(f"{first}/api/me", headers=headers)
    assert gone.status_code == 401
    assert "server" not in gone.headers
    for process in started:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(20) for process in started] == [-signal.SIGTERM, -signal.SIGTERM]
    written = log.read_text()
    assert made["access_token"] not in written
    assert PASSWORD not in written
