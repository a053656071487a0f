"""`cliply up`: the whole stack starts, takes up what lies in the database, and stops without leaving anybody behind."""

import hashlib
import json
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
def stack(cliply: Cliply) -> Iterator[tuple["Popen[str]", int]]:
    """A running stack and its port; what is left of it at the end was not stopped by a test."""
    port = free_port()
    process = cliply.start("up", "--port", port)
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
    assert all(node["partitionDefinition"]["name"] == "uploads" for node in found)


def test_status_says_where_it_is_and_a_second_stack_is_refused(stack: tuple["Popen[str]", int], cliply: Cliply) -> None:
    process, port = stack
    assert cliply.run("status", "--json").document["stack"] == {"pid": process.pid, "port": port}
    second = cliply.run("up", "--port", free_port())
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


def test_a_taken_port_is_named(cliply: Cliply) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cliply.run("up", "--port", taken.getsockname()[1])
    assert done.code == 3
    assert "--port" in done.said


def test_a_killed_stack_takes_everybody_with_it(cliply: Cliply) -> None:
    port = free_port()
    process = cliply.start("up", "--port", port)
    until(lambda: answers(f"http://127.0.0.1:{port}/server_info") or process.poll() is not None)
    process.kill()
    cliply.end(process)
    cliply.nobody_is_left(within_seconds=30)
