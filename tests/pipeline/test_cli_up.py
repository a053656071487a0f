"""`cliply up`: the whole stack starts, takes up what lies in the database, and stops without leaving anybody behind."""

import hashlib
import json
import os
import shutil
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from cliply_command import Cliply, Films, until

from cliply_resources.documents import UploadSettings
from cliply_resources.storage.keys import source_key
from cliply_resources.uploads import settings_digest

pytestmark = pytest.mark.slow

LOCAL = UUID("00000000-0000-7000-8000-000000000001")
SMALL = UploadSettings(clips=1, min_seconds=3, max_seconds=6, aspects=("1:1",))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def post(port: int, path: str, body: Any, **headers: str) -> dict[str, Any]:
    """What the API answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def ask(port: int, query: str) -> dict[str, Any]:
    """What the UI's own interface answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        data: dict[str, Any] = json.load(answer)["data"]
        return data


@pytest.fixture(scope="module")
def api_port() -> int:
    """Where the stack's API listens."""
    return free_port()


@pytest.fixture(scope="module")
def stack(cliply: Cliply, api_port: int) -> Iterator[tuple["Popen[str]", int]]:
    """A running stack and its port; what is left of it at the end was not stopped by a test."""
    port = free_port()
    process = cliply.start("up", "--port", port, "--api-port", api_port)
    until(lambda: answers(f"http://127.0.0.1:{port}/server_info") or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    yield process, port
    if process.poll() is None:
        process.terminate()
    process.communicate()


def insert_upload(cliply: Cliply, kind: str, uri: str, film: Path) -> UUID:
    """A row as the web application would write it."""
    identity = uuid4()
    with psycopg.connect(cliply.url, autocommit=True) as connection:
        connection.execute("SELECT app.ensure_local_workspace()")
        connection.execute(
            """INSERT INTO uploads (workspace_id, id, title, source_kind, source_uri, source_sha256, source_size, settings,
                                    settings_digest) VALUES (%s, %s, 'A talk', %s, %s, %s, %s, %s, %s)""",
            [
                LOCAL,
                identity,
                kind,
                uri,
                hashlib.sha256(film.read_bytes()).hexdigest(),
                film.stat().st_size,
                msgspec.json.encode(SMALL).decode(),
                settings_digest(SMALL),
            ],
        )
    return identity


def state(cliply: Cliply, upload: UUID) -> dict[str, Any]:
    return next(row for row in cliply.run("runs", "--json").document if row["id"] == str(upload))


def test_the_ui_shows_the_assets(stack: tuple["Popen[str]", int]) -> None:
    _, port = stack
    assert answers(f"http://127.0.0.1:{port}/")
    found = ask(port, "{ assetNodes { assetKey { path } partitionDefinition { name } } }")["assetNodes"]
    assert {node["assetKey"]["path"][0] for node in found} >= {"source_video", "transcript", "renders"}
    assert {node["partitionDefinition"]["name"] for node in found if node["partitionDefinition"]} == {"uploads"}


def test_the_api_becomes_ready_and_starts_again_when_it_is_killed(
    stack: tuple["Popen[str]", int], cliply: Cliply, api_port: int
) -> None:
    url = f"http://127.0.0.1:{api_port}/api/readyz"
    until(lambda: answers(url))
    assert f"http://127.0.0.1:{api_port}, ready" in cliply.run("status").out
    made = post(api_port, "/api/auth/register", {"email": "up@example.com", "password": "correct horse battery staple"})
    wanted = {"file": {"name": "a.mp4", "size": 5, "content_type": "video/mp4"}}
    upload = post(api_port, "/api/uploads", wanted, Authorization=f"Bearer {made['access_token']}")
    assert upload["put"]["url"].startswith(f"http://127.0.0.1:{api_port}/objects/"), "links lead to where it listens"
    [serving] = [pid for pid, command in cliply.processes().items() if "cliply_api.serve" in command]
    os.kill(serving, signal.SIGKILL)
    until(lambda: not answers(f"http://127.0.0.1:{api_port}/api/health"))
    until(lambda: answers(url))


def test_status_says_where_it_is_and_a_second_stack_is_refused(
    stack: tuple["Popen[str]", int], cliply: Cliply, api_port: int
) -> None:
    process, port = stack
    found = cliply.run("status", "--json").document["stack"]
    assert found == {"pid": process.pid, "port": port, "api_port": api_port}
    second = cliply.run("up", "--port", free_port(), "--api-port", free_port())
    assert second.code == 3
    assert "already up" in second.said
    assert "Traceback" not in second.said


@pytest.mark.parametrize("kind", ["file", "stored"])
def test_a_row_alone_is_enough_to_have_an_upload_worked_on(
    kind: str, stack: tuple["Popen[str]", int], cliply: Cliply, films: Films
) -> None:
    _, port = stack
    film = films.twin("row.mp4")
    uri = str(film)
    if kind == "stored":
        uri = source_key(LOCAL, uuid4(), ".mp4")
        (cliply.home / "storage" / uri).parent.mkdir(parents=True)
        shutil.copyfile(film, cliply.home / "storage" / uri)
    upload = insert_upload(cliply, kind, uri, film)
    ended = ("review", "failed")
    query = "SELECT state FROM upload_steps WHERE upload_id = %s AND (step = 'renders' OR state = 'failed')"
    until(lambda: any(state in ("completed", "failed") for (state,) in cliply.rows(query, upload)))
    until(lambda: state(cliply, upload)["state"] in ended)
    assert state(cliply, upload)["state"] == "review", state(cliply, upload)
    assert state(cliply, upload)["clips"] == 1
    tag = f'{{key: "cliply/upload", value: "{upload}"}}'
    shown = ask(port, f"{{ runsOrError(filter: {{tags: [{tag}]}}) {{ ... on Runs {{ results {{ status }} }} }} }}")
    assert len(shown["runsOrError"]["results"]) == 1


def test_it_stops_at_once_and_leaves_nobody_behind(stack: tuple["Popen[str]", int], cliply: Cliply) -> None:
    process, port = stack
    process.send_signal(signal.SIGTERM)
    done = cliply.end(process)
    assert done.code == 0, done.said
    assert done.out.rstrip().endswith("Stopped.")
    cliply.nobody_is_left(within_seconds=2)
    assert not answers(f"http://127.0.0.1:{port}/server_info")
    assert cliply.run("status", "--json").document["stack"] is None


@pytest.mark.parametrize("option", ["--port", "--api-port"])
def test_a_taken_port_is_named(cliply: Cliply, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"--port": free_port(), "--api-port": free_port(), option: taken.getsockname()[1]}
        done = cliply.run("up", *(word for pair in ports.items() for word in pair))
    assert done.code == 3
    assert f"with {option}" in " ".join(done.said.split())


def test_a_killed_stack_takes_everybody_with_it(cliply: Cliply) -> None:
    port = free_port()
    process = cliply.start("up", "--port", port, "--no-api")
    until(lambda: answers(f"http://127.0.0.1:{port}/server_info") or process.poll() is not None)
    assert not any("cliply_api" in command for command in cliply.processes().values())
    process.kill()
    cliply.end(process)
    cliply.nobody_is_left(within_seconds=30)
