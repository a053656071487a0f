"""A whole stack with real runs: one tenant's hundreds do not hold up another's first, and what people ask of running work happens."""

import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from cliply_command import DECODING, Cliply, Films, until

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def stack(cliply: Cliply) -> Iterator[None]:
    port = free_port()
    process = cliply.start("up", "--port", port, "--no-api")
    until(lambda: answers(f"http://127.0.0.1:{port}/server_info") or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    yield
    process.terminate()
    process.communicate()


def do(cliply: Cliply, statement: str, *values: object) -> None:
    with psycopg.connect(cliply.url, autocommit=True) as connection:
        connection.execute(statement, values)


def new_workspace(cliply: Cliply) -> UUID:
    workspace = uuid4()
    do(cliply, "INSERT INTO workspaces (id, name) VALUES (%s, 'w')", workspace)
    return workspace


def add_uploads(cliply: Cliply, workspace: UUID, number: int, *, path: str) -> None:
    do(
        cliply,
        "INSERT INTO uploads (workspace_id, source_kind, source_uri, settings_digest, created_at) "
        "SELECT %s, 'file', %s, 'd', clock_timestamp() FROM generate_series(1, %s)",
        workspace,
        path,
        number,
    )


def one(cliply: Cliply, query: str, *values: object) -> Any:
    found = cliply.rows(query, *values)
    return found[0][0] if found else None


def test_five_hundred_uploads_of_one_do_not_hold_up_the_first_of_another(stack: None, cliply: Cliply) -> None:
    many, few = new_workspace(cliply), new_workspace(cliply)
    # Films that are not there: each is a real run with one real step, which ends at once.
    add_uploads(cliply, many, 500, path="/nowhere/many.mp4")
    begun = "SELECT count(*) FROM upload_steps WHERE workspace_id = %s AND started_at IS NOT NULL"
    until(lambda: one(cliply, begun, many) >= 2)
    add_uploads(cliply, few, 1, path="/nowhere/few.mp4")
    until(lambda: one(cliply, begun, few) == 1)
    between = """SELECT count(*) FROM upload_runs theirs, upload_runs ours, uploads u
                 WHERE theirs.workspace_id = %s AND ours.workspace_id = %s AND u.id = ours.upload_id
                   AND theirs.asked_at > u.created_at AND theirs.asked_at < ours.asked_at"""
    assert one(cliply, between, many, few) <= 2, "at most those whose turn had been settled as it came"
    at_once = """SELECT max((SELECT count(*) FROM upload_runs b WHERE b.workspace_id = a.workspace_id AND b.asked_at <= a.asked_at
                   AND coalesce(b.ended_at, now()) > a.asked_at)) FROM upload_runs a WHERE a.workspace_id = %s"""
    assert one(cliply, at_once, many) <= 2, "its plan allows two"
    do(cliply, "UPDATE uploads SET cancelled_at = now() WHERE workspace_id = %s", many)
    until(lambda: one(cliply, UNFINISHED, many) == 0)


UNFINISHED = "SELECT count(*) FROM upload_runs WHERE workspace_id = %s AND state IN ('asked', 'running')"


def test_a_running_upload_is_cancelled_at_once_and_goes_on_when_it_is_tried_again(
    stack: None, cliply: Cliply, films: Films
) -> None:
    workspace, film = new_workspace(cliply), films.twin("cancelled.mp4")
    cliply.hold(DECODING)
    add_uploads(cliply, workspace, 1, path=str(Path(film)))
    held = cliply.folder / "held"
    until(held.exists)
    do(cliply, "UPDATE uploads SET cancelled_at = now() WHERE workspace_id = %s", workspace)
    until(lambda: one(cliply, UNFINISHED, workspace) == 0)
    step = "SELECT state FROM upload_steps WHERE workspace_id = %s AND step = 'media_proxy'"
    assert one(cliply, step, workspace) == "cancelled"
    assert one(cliply, "SELECT state FROM upload_runs WHERE workspace_id = %s", workspace) == "halted"
    until(lambda: not any(DECODING in command for command in cliply.processes().values()))
    held.unlink()
    again = "UPDATE uploads SET cancelled_at = NULL, attempt = attempt + 1, retry_at = now() WHERE workspace_id = %s"
    do(cliply, again, workspace)
    until(held.exists)
    assert one(cliply, "SELECT count(*) FROM upload_runs WHERE workspace_id = %s", workspace) == 2
    do(cliply, "UPDATE uploads SET deleted_at = now() WHERE workspace_id = %s", workspace)
    until(lambda: one(cliply, UNFINISHED, workspace) == 0)
    cliply.release()
