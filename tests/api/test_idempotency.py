"""The same request with the same key: one effect, one answer, whatever happens in between."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal
from uuid import uuid4

import pytest
from api_people import join, running, sign_up
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from sqlalchemy import text
from sqlalchemy.orm import Session

from cliply_api import app as application
from cliply_api.auth.guards import may
from cliply_api.web.fields import Line, Request, View
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_resources.database import Upload
from cliply_resources.errors import Conflict, TryLater

LET_GO = threading.Event()


class Work(Request, kw_only=True):
    how: Literal["well", "conflict", "crash", "busy", "slow", "fails to commit"] = "well"
    title: Line = ""


class Done(View, kw_only=True):
    upload: str


@post("/api/test/work", guards=[may("upload.write")], opt=IDEMPOTENT, sync_to_thread=True)
def work(session: NamedDependency[Session], data: JSONBody[Work]) -> Done:
    """Writes an upload, and then goes on as it was told."""
    made = Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d", title=data.title)
    session.add(made)
    session.flush()
    match data.how:
        case "conflict":
            raise Conflict("This cannot be.")
        case "crash":
            raise ZeroDivisionError
        case "busy":
            raise TryLater("Not now.", retry_after=7)
        case "slow":
            LET_GO.wait(10)
        case "fails to commit":
            # The server hangs up before the commit arrives.
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '1ms'"))
            time.sleep(0.1)
    return Done(upload=str(made.id))


@pytest.fixture(scope="module")
def clients(api_settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "ROUTES", (*application.ROUTES, work))
        with running(api_settings) as first, running(api_settings) as second:
            yield first, second


@pytest.fixture(scope="module")
def owner(clients):
    return sign_up(clients[0])


@pytest.fixture
def key():
    return uuid4().hex


@pytest.fixture
def uploads(ask, owner):
    return lambda title: ask(
        "SELECT count(*) FROM uploads WHERE workspace_id = %s AND title = %s", owner.workspace_id, title
    )[0][0]


def do(person, key, client=None, **body):
    sent = {"Authorization": f"Bearer {person.access_token}", **person.headers, "Idempotency-Key": key}
    return (client or person.client).post("/api/test/work", json=body, headers=sent)


def code(reply):
    return reply.json()["error"]["code"]


def test_a_repeated_request_has_one_effect_and_byte_for_byte_one_answer(owner, clients, key, uploads, ask):
    first = do(owner, key, title=key)
    again = do(owner, key, clients[1], title=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert uploads(key) == 1
    events = ask("SELECT count(*) FROM events WHERE upload_id = %s", first.json()["upload"])
    assert events == [(1,)]


def test_without_a_key_every_request_counts(owner, uploads):
    title = uuid4().hex
    for _ in range(2):
        assert owner("POST", "/api/test/work", json={"title": title}).status_code == 201
    assert uploads(title) == 2


def test_two_at_once_through_two_processes_have_one_effect(owner, clients, key, uploads):
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: do(owner, key, clients[n % 2], title=key), range(16)))
    assert {reply.status_code for reply in replies} <= {201, 409}
    done = [reply for reply in replies if reply.status_code == 201]
    assert len({reply.content for reply in done}) == 1
    assert {code(reply) for reply in replies if reply.status_code == 409} <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert uploads(key) == 1


def test_while_the_first_runs_the_second_is_told_to_wait(owner, clients, key, ask):
    LET_GO.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(do, owner, key, clients[0], how="slow", title=key)
        deadline = time.monotonic() + 20
        while not ask("SELECT 1 FROM idempotency_keys WHERE key = %s", key) and time.monotonic() < deadline:
            time.sleep(0.01)
        other = do(owner, key, clients[1], how="slow", title=key)
        assert code(other) == "IDEMPOTENCY_IN_PROGRESS"
        assert int(other.headers["Retry-After"]) >= 1
        LET_GO.set()
        assert slow.result().status_code == 201
    assert do(owner, key, clients[1], how="slow", title=key).headers["Idempotent-Replayed"] == "true"


def test_another_request_with_the_same_key_is_refused(owner, key):
    do(owner, key, title="one")
    assert (do(owner, key, title="two").status_code, code(do(owner, key, title="two"))) == (
        422,
        "IDEMPOTENCY_KEY_REUSED",
    )


@pytest.mark.parametrize(("how", "status"), [("conflict", 409), ("crash", 500)])
def test_an_error_of_the_handler_is_replayed(owner, clients, key, uploads, how, status):
    first, again = do(owner, key, how=how, title=key), do(owner, key, clients[1], how=how, title=key)
    assert first.status_code == again.status_code == status
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert uploads(key) == 0


def test_what_was_refused_before_the_handler_ran_is_not_kept(owner, clients, key):
    viewer = join(clients[0], owner, "viewer")
    assert do(owner, key, how="nonsense").status_code == 400
    assert do(owner, key, title=key).status_code == 201
    assert do(viewer, key, title=key).status_code == 403
    owner("PATCH", f"/api/workspaces/{owner.workspace_id}/members/{viewer.user_id}", json={"role": "editor"})
    assert do(viewer, key, title=key).status_code == 201


def test_not_now_is_not_kept_and_the_retry_succeeds(owner, key, ask):
    busy = do(owner, key, how="busy")
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "7")
    assert ask("SELECT 1 FROM idempotency_keys WHERE key = %s", key) == []


def test_a_commit_that_fails_is_no_success_and_leaves_nothing(owner, key, uploads, ask):
    reply = do(owner, key, how="fails to commit", title=key)
    assert reply.status_code == 503, reply.text
    assert "Retry-After" in reply.headers
    assert uploads(key) == 0
    assert ask("SELECT 1 FROM idempotency_keys WHERE key = %s", key) == []


def test_the_claim_of_a_process_that_died_is_taken_over(owner, key, uploads, ask):
    do(owner, key, title=key)
    # As if the process had died between the claim and the commit.
    ask("UPDATE idempotency_keys SET state = 'running', status = NULL, body = NULL WHERE key = %s", key)
    ask("DELETE FROM uploads WHERE title = %s", key)
    assert code(do(owner, key, title=key)) == "IDEMPOTENCY_IN_PROGRESS"
    ask("UPDATE idempotency_keys SET claimed_at = now() - interval '2 minutes' WHERE key = %s", key)
    assert do(owner, key, title=key).status_code == 201
    assert uploads(key) == 1


def test_whoever_was_taken_over_does_not_get_through_any_more(owner, clients, key, uploads, ask):
    LET_GO.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(do, owner, key, clients[0], how="slow", title=key)
        deadline = time.monotonic() + 5
        while not ask("SELECT 1 FROM idempotency_keys WHERE key = %s", key) and time.monotonic() < deadline:
            time.sleep(0.01)
        ask("UPDATE idempotency_keys SET attempt = attempt + 1 WHERE key = %s", key)
        LET_GO.set()
        assert slow.result().status_code == 503
    assert uploads(key) == 0


def test_keys_of_two_people_two_workspaces_and_a_token_are_apart(owner, clients, key):
    other = sign_up(clients[0])
    token = owner("POST", "/api/tokens", json={"name": "t", "scopes": ["upload.write"]}).json()["token"]
    second = owner.within(owner("POST", "/api/workspaces", json={"name": "Second"}).json()["id"])
    replies = [do(owner, key, title=key), do(other, key, title=key), do(second, key, title=key)]
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    replies.append(clients[0].post("/api/test/work", json={"title": key}, headers=headers))
    assert [reply.status_code for reply in replies] == [201] * 4
    assert len({reply.json()["upload"] for reply in replies}) == 4


def test_requests_outside_of_any_workspace_have_keys_too(owner, clients, key):
    headers = {"Idempotency-Key": key, "Authorization": f"Bearer {owner.access_token}"}
    first, again = (client.post("/api/workspaces", json={"name": "Once"}, headers=headers) for client in clients)
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    listed = owner("GET", "/api/workspaces?limit=100").json()["data"]
    assert sum(place["id"] == first.json()["id"] for place in listed) == 1


@pytest.mark.parametrize("bad", ["", "x" * 256, "ä".encode(), "tab\tinside"])
def test_a_key_is_255_printable_characters_at_most(owner, bad):
    headers = {"Authorization": f"Bearer {owner.access_token}", "Idempotency-Key": bad}
    assert owner.client.post("/api/test/work", json={}, headers=headers).status_code == 400
