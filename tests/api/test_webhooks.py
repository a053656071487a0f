"""Programs of a workspace's own are told what happens: signed, at least once, whatever breaks on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from api_people import relaxed, sign_up
from live_server import new_upload, start_step, until
from sqlalchemy import text

from cliply_resources.database import Upload, WebhookEndpoint
from cliply_resources.errors import CallerError
from cliply_resources.outbound import PUBLIC
from cliply_resources.vault import Vault
from cliply_resources.webhooks import deliver_next, endpoints_due, verify, webhook_policy
from cliply_resources.webhooks import delivery as delivering

OWN = ("127.0.0.2/32",)
"""127.0.0.2 plays the outside world; the rest of the loopback stays forbidden."""


class Receiver:
    """Answers every POST with `answer(handler)`; remembers what came."""

    def __init__(self, address="127.0.0.2", answer=None):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.came.append((dict(self.headers.items()), body))
                receiver.answer(self)

            def log_message(self, *_): ...

        self.came = []
        self.answer = answer or ok
        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{address}:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.came]

    def kinds(self):
        return [json.loads(body)["type"] for _, body in self.came]


def ok(handler):
    status(handler, 204)


def status(handler, number, **headers):
    handler.send_response(number)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


@pytest.fixture
def receiver():
    with ExitStack() as stack:

        def make(**options):
            made = Receiver(**options)
            stack.callback(made.server.server_close)
            stack.callback(made.server.shutdown)
            return made

        yield make


@pytest.fixture(scope="module")
def api_settings(shared_url, tmp_path_factory):
    return relaxed(shared_url, tmp_path_factory.mktemp("home"), webhook_private_networks=OWN)


@pytest.fixture(scope="module")
def policy(api_settings):
    return webhook_policy(api_settings)


@pytest.fixture
def vault(settings):
    return Vault(settings)


@pytest.fixture
def eve(client):
    return sign_up(client, "eve")


def register(person, url, events=("*",)):
    reply = person("POST", "/api/webhooks", json={"url": url, "events": list(events)})
    assert reply.status_code == 201, reply.text
    return reply.json()["info"]["id"], reply.json()["secret"]


def log_of(person, webhook, **query):
    return person("GET", f"/api/webhooks/{webhook}/deliveries", params={"limit": 100, **query}).json()["data"]


def settled(person, webhook, number):
    """The log, when so many messages were delivered."""
    return until(lambda: (rows := log_of(person, webhook, state="delivered")) and len(rows) >= number and rows)


def test_an_event_arrives_signed_and_is_in_the_log(eve, receiver, shared_database):
    there = receiver()
    webhook, secret = register(eve, there.url, ["upload.*"])
    upload = new_upload(shared_database, eve.workspace_id)
    start_step(shared_database, eve.workspace_id, upload)  # nobody asked for it
    [row] = settled(eve, webhook, 1)
    [(headers, body)] = there.came
    assert verify(body, headers, [secret], now=time.time()) == row["message_id"]
    said = json.loads(body)
    assert (said["type"], said["data"]["upload_id"], said["data"]["seq"]) == ("upload.created", str(upload), 1)
    detail = eve("GET", f"/api/webhooks/{webhook}/deliveries/{row['id']}").json()
    assert [(one["number"], one["status"], one["error"]) for one in detail["attempts"]] == [(1, 204, None)]


def test_a_failed_message_comes_again_with_the_same_id_and_bytes(eve, receiver, shared_database, ask):
    there = receiver(answer=lambda handler: status(handler, 500 if len(there.came) < 3 else 200))
    webhook, secret = register(eve, there.url)
    new_upload(shared_database, eve.workspace_id)
    noted = "SELECT failures FROM webhook_deliveries WHERE endpoint_id = %s"
    for failures in (1, 2):
        until(lambda failures=failures: ask(noted, webhook) == [(failures,)])
        hurry(ask, eve)
    [row] = settled(eve, webhook, 1)
    assert (row["attempts"], row["last_status"]) == (3, 200)
    assert len(set(there.ids())) == 1
    assert len({body for _, body in there.came}) == 1
    for headers, body in there.came:
        verify(body, headers, [secret], now=time.time())
    assert eve("GET", f"/api/webhooks/{webhook}").json()["failing_since"] is None


def hurry(ask, person):
    ask(
        "UPDATE webhook_deliveries SET due_at = now() WHERE workspace_id = %s AND state = 'pending'",
        person.workspace_id,
    )


def test_a_receiver_that_asks_for_time_gets_it(eve, receiver, ask):
    there = receiver(answer=lambda handler: status(handler, 429, Retry_After="3600"))
    webhook, _ = register(eve, there.url)
    eve("POST", f"/api/webhooks/{webhook}/test")
    until(lambda: log_of(eve, webhook)[0]["last_status"] == 429)
    [(wait,)] = ask("SELECT extract(epoch FROM due_at - now()) FROM webhook_deliveries WHERE endpoint_id = %s", webhook)
    assert 3500 < wait <= 3601


def test_a_redirect_is_not_followed(eve, receiver):
    inside = receiver(address="127.0.0.1")
    there = receiver(answer=lambda handler: status(handler, 307, Location=inside.url))
    webhook, _ = register(eve, there.url)
    eve("POST", f"/api/webhooks/{webhook}/test")
    until(lambda: log_of(eve, webhook)[0]["last_status"] == 307)
    assert "redirect" in log_of(eve, webhook)[0]["last_error"]
    assert (len(there.came), inside.came) == (1, [])


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "https://127.0.0.1/x", "https://[::1]/x", "https://10.0.0.1/x", "https://169.254.169.254/latest",
     "https://a:b@example.com/", "https://exa mple.com/", "ftp://example.com/x"],
)  # fmt: skip
def test_an_address_inside_cannot_be_registered(eve, url):
    assert eve("POST", "/api/webhooks", json={"url": url, "events": ["*"]}).status_code == 400


def test_without_the_operators_leave_only_https_to_public_servers_is_accepted(start):
    strict = sign_up(start(), "strict")
    for url in ("http://example.com/", "https://example.com:8443/", "http://127.0.0.2:9/"):
        assert strict("POST", "/api/webhooks", json={"url": url, "events": ["*"]}).status_code == 400
    assert strict("POST", "/api/webhooks", json={"url": "https://example.com/", "events": ["*"]}).status_code == 201


def test_a_name_that_leads_inside_later_is_not_followed_there(receiver, database, vault):
    """The name was fine when it was registered; every delivery looks again."""
    inside = receiver(address="127.0.0.1")
    rebound = replace(PUBLIC, schemes=frozenset({"http"}), ports=None, resolver=lambda _: ["127.0.0.1"])
    place = database.local_workspace()
    endpoint = endpoint_of(database, place, f"http://rebound.example:{inside.server.server_port}/")
    new_upload(database, place)
    came = deliver_next(database, vault, rebound, place, endpoint)
    assert not came.delivered
    assert "not a public address" in came.error
    assert inside.came == []


def test_a_slow_receiver_is_a_failure_and_holds_up_nobody(eve, stranger, receiver, monkeypatch):
    monkeypatch.setattr(delivering, "SEND_SECONDS", 1.0)
    slow = receiver(answer=lambda handler: (time.sleep(2.5), ok(handler)))
    quick = receiver()
    for _ in range(3):
        webhook, _ = register(eve, slow.url)
        eve("POST", f"/api/webhooks/{webhook}/test")
    until(lambda: slow.came)
    other, _ = register(stranger, quick.url)
    begun = time.monotonic()
    stranger("POST", f"/api/webhooks/{other}/test")
    until(lambda: quick.came)
    assert time.monotonic() - begun < 2.0
    until(lambda: log_of(eve, webhook)[0]["last_error"])
    assert "in time" in log_of(eve, webhook)[0]["last_error"]


def test_two_applications_deliver_each_message_once(eve, receiver, shared_database, second_client):
    there = receiver()
    webhooks = [register(eve, there.url, ["upload.created"])[0] for _ in range(3)]
    for _ in range(30):
        new_upload(shared_database, eve.workspace_id)
    for webhook in webhooks:
        settled(eve, webhook, 30)
    assert set(Counter(there.ids()).values()) == {3}  # once for each webhook
    assert len(there.came) == 90


DRAIN = """
import sys, time
from pydantic import SecretStr
from cliply_resources.database import Database
from cliply_resources.settings import Settings
from cliply_resources.vault import Vault
from cliply_resources.webhooks import deliver_next, delivery, endpoints_due, webhook_policy

delivery.LEASE_SECONDS = float(sys.argv[2])
settings = Settings(home=sys.argv[3], database_url=SecretStr(sys.argv[1]), webhook_private_networks=("127.0.0.2/32",))
vault = Vault(settings)
with Database.open(settings) as database:
    while True:
        for workspace, endpoint in endpoints_due(database, 10):
            while deliver_next(database, vault, webhook_policy(settings), workspace, endpoint):
                pass
        time.sleep(0.05)
"""


def drainer(settings, lease_seconds):
    """A process that does nothing but deliver."""
    url = settings.database_url.get_secret_value()
    return subprocess.Popen([sys.executable, "-c", DRAIN, url, str(lease_seconds), str(settings.home)])


def test_what_a_killed_process_was_sending_is_sent_by_another(receiver, settings, database, vault):
    """No application runs here, so that the one who claims is the one who dies."""
    there = receiver(answer=lambda handler: (time.sleep(20) if len(there.came) == 1 else None, ok(handler)))
    place = database.local_workspace()
    endpoint = endpoint_of(database, place, there.url)
    new_upload(database, place)
    process = drainer(settings, 60)
    try:
        until(lambda: there.came, 30)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    policy = webhook_policy(settings.model_copy(update={"webhook_private_networks": OWN}))
    assert endpoints_due(database, 10) == []  # the claim still holds
    assert deliver_next(database, vault, policy, place, endpoint) is None
    with database.api(place) as session:
        session.execute(text("UPDATE webhook_deliveries SET due_at = now()"))  # a minute later
    assert endpoints_due(database, 10) == [(place, endpoint)]
    assert deliver_next(database, vault, policy, place, endpoint).delivered
    assert len(there.came) == 2
    assert len(set(there.ids())) == 1
    assert endpoints_due(database, 10) == []


def endpoint_of(database, place, url):
    with database.api(place) as session:
        made = WebhookEndpoint(url=url, events=["upload.created"], secret="whsec_AAAA")
        session.add(made)
        session.flush()
        return made.id


@pytest.mark.slow
def test_three_drainers_of_which_some_are_killed_lose_nothing(receiver, settings, database):
    there = receiver(answer=lambda handler: (time.sleep(0.01), ok(handler)))
    place = database.local_workspace()
    for _ in range(3):
        endpoint_of(database, place, there.url)

    drainers, kills = [drainer(settings, 1) for _ in range(3)], 0
    try:
        for number in range(80):
            new_upload(database, place)
            if number % 25 == 24:
                heard = len(there.came)
                until(lambda heard=heard: len(there.came) > heard + 5, 30)  # in the middle of it
                drainers[0].kill()
                drainers[0].wait()
                drainers, kills = [*drainers[1:], drainer(settings, 1)], kills + 1
        until(lambda: pending(database, place) == 0, 60)
    finally:
        for one in drainers:
            one.kill()
            one.wait()
    with database.api(place) as session:
        wanted = {f"msg_{event.hex}" for event in session.scalars(text("SELECT id FROM events"))}
    came = Counter(there.ids())
    assert set(came) == wanted
    assert min(came.values()) >= 3
    assert sum(came.values()) <= 240 + kills


def pending(database, place):
    with database.api(place) as session:
        return session.scalar(text("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'"))


def test_a_result_that_comes_too_late_changes_nothing(receiver, settings, database, vault):
    """The claim ran out and somebody else took over: only the newest claim's result counts."""
    place = database.local_workspace()
    policy = webhook_policy(settings.model_copy(update={"webhook_private_networks": OWN}))

    def steal(handler):
        if len(there.came) == 1:
            with database.api(place) as session:
                session.execute(text("UPDATE webhook_deliveries SET due_at = now()"))
            assert deliver_next(database, vault, policy, place, endpoint).delivered
            status(handler, 500)
        else:
            ok(handler)

    there = receiver(answer=steal)
    endpoint = endpoint_of(database, place, there.url)
    new_upload(database, place)
    assert not deliver_next(database, vault, policy, place, endpoint).delivered
    with database.api(place) as session:
        assert session.execute(text("SELECT state, failures FROM webhook_deliveries")).all() == [("delivered", 0)]


def test_during_a_rotation_both_secrets_are_valid(eve, receiver, ask):
    there = receiver()
    webhook, old = register(eve, there.url)
    rotated = eve("POST", f"/api/webhooks/{webhook}/rotate").json()
    eve("POST", f"/api/webhooks/{webhook}/test")
    settled(eve, webhook, 1)
    headers, body = there.came[-1]
    for secret in (old, rotated["secret"]):
        verify(body, headers, [secret], now=time.time())
    ask("UPDATE webhook_endpoints SET previous_secret_until = now() WHERE id = %s", webhook)
    eve("POST", f"/api/webhooks/{webhook}/test")
    settled(eve, webhook, 2)
    headers, body = there.came[-1]
    verify(body, headers, [rotated["secret"]], now=time.time())
    with pytest.raises(CallerError, match="No signature fits"):
        verify(body, headers, [old], now=time.time())


def test_secrets_are_shown_once(eve, receiver):
    webhook, secret = register(eve, receiver().url)
    for path in ("/api/webhooks", f"/api/webhooks/{webhook}", f"/api/workspaces/{eve.workspace_id}/audit"):
        assert secret.removeprefix("whsec_") not in eve("GET", path).text


def test_an_endpoint_that_fails_for_days_is_switched_off_and_can_be_caught_up(eve, receiver, shared_database, ask):
    there = receiver(answer=lambda handler: status(handler, 500))
    webhook, _ = register(eve, there.url, ["upload.created"])
    new_upload(shared_database, eve.workspace_id)
    until(lambda: log_of(eve, webhook)[0]["last_status"])
    ask("UPDATE webhook_endpoints SET failing_since = now() - interval '6 days' WHERE id = %s", webhook)
    hurry(ask, eve)
    off = until(lambda: (one := eve("GET", f"/api/webhooks/{webhook}").json()) and not one["enabled"] and one)
    assert "5 days" in off["disabled_reason"]
    assert [row["state"] for row in log_of(eve, webhook)] == ["failed"]
    new_upload(shared_database, eve.workspace_id)
    assert len(log_of(eve, webhook)) == 1
    assert eve("POST", f"/api/webhooks/{webhook}/replay", json={"since": "2020-01-01T00:00:00Z"}).status_code == 409
    assert ask(
        "SELECT count(*) FROM events WHERE workspace_id = %s AND kind = 'webhook.disabled'", eve.workspace_id
    ) == [(1,)]
    there.answer = ok
    assert eve("PATCH", f"/api/webhooks/{webhook}", json={"enabled": True}).json()["enabled"]
    before = there.ids()
    assert eve("POST", f"/api/webhooks/{webhook}/replay", json={"since": "2020-01-01T00:00:00Z"}).json() == {"count": 2}
    settled(eve, webhook, 2)
    assert set(there.ids()) == {before[0], *(row["message_id"] for row in log_of(eve, webhook))}
    assert [row["seq"] for row in log_of(eve, webhook)] == [3, 1]  # 2 told others of the end
    assert eve("POST", f"/api/webhooks/{webhook}/replay", json={"since": "2020-01-01T00:00:00Z"}).json() == {"count": 0}
    everything = {"since": "2020-01-01T00:00:00Z", "only_failed": False}
    assert eve("POST", f"/api/webhooks/{webhook}/replay", json=everything).json() == {"count": 2}


def test_a_receiver_that_says_gone_is_switched_off_at_once(eve, receiver):
    there = receiver(answer=lambda handler: status(handler, 410))
    webhook, _ = register(eve, there.url)
    eve("POST", f"/api/webhooks/{webhook}/test")
    until(lambda: not eve("GET", f"/api/webhooks/{webhook}").json()["enabled"])


def test_after_three_days_a_message_is_given_up_and_can_be_replayed(eve, receiver, ask):
    there = receiver(answer=lambda handler: status(handler, 500))
    webhook, _ = register(eve, there.url)
    eve("POST", f"/api/webhooks/{webhook}/test")
    until(lambda: log_of(eve, webhook)[0]["last_status"])
    ask("UPDATE webhook_deliveries SET failures = 9, due_at = now() WHERE endpoint_id = %s", webhook)
    until(lambda: log_of(eve, webhook)[0]["state"] == "failed")
    there.answer = ok
    row = log_of(eve, webhook)[0]
    again = f"/api/webhooks/{webhook}/deliveries/{row['id']}/replay"
    assert eve("POST", again).json()["state"] == "pending"
    settled(eve, webhook, 1)
    assert len(set(there.ids())) == 1


def test_a_workspaces_events_go_to_its_own_webhooks_only(eve, stranger, receiver, shared_database):
    ours, theirs = receiver(), receiver()
    webhook, _ = register(eve, ours.url, ["upload.created"])
    register(stranger, theirs.url, ["upload.created"])
    new_upload(shared_database, eve.workspace_id)
    settled(eve, webhook, 1)
    assert theirs.came == []


def test_what_was_undone_is_told_to_nobody(eve, receiver, shared_database):
    webhook, _ = register(eve, receiver().url)
    with shared_database.pipeline(UUID(eve.workspace_id)) as session:
        session.add(Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d"))
        session.flush()
        session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        assert session.scalar(text("SELECT count(*) FROM events")) == 1
        session.rollback()
    assert log_of(eve, webhook) == []


def test_deleting_and_switching_off_never_undoes_the_work_that_is_told_of(eve, receiver, shared_database):
    """Neither a deadlock nor a broken reference may reach the transaction in which something happens."""
    gone = receiver(answer=lambda handler: status(handler, 410))
    done, failed = threading.Event(), []

    def work():
        while not done.is_set():
            try:
                new_upload(shared_database, eve.workspace_id)
            except Exception as failure:
                failed.append(failure)
                return

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        webhooks = [register(eve, gone.url)[0] for _ in range(3)]
        time.sleep(0.3)
        for webhook in webhooks:
            assert eve("DELETE", f"/api/webhooks/{webhook}").status_code == 204
    done.set()
    for worker in workers:
        worker.join(10)
    assert failed == []
    assert gone.came


def test_a_workspace_has_so_many_webhooks_and_editors_manage_none(eve, client):
    for number in range(20):
        register(eve, f"https://example.com/{number}")
    assert eve("POST", "/api/webhooks", json={"url": "https://example.com/x", "events": ["*"]}).status_code == 409
    listed = eve("GET", "/api/webhooks", params={"limit": 7}).json()
    assert (listed["total"], listed["pages"], len(listed["data"])) == (20, 3, 7)
    first = listed["data"][0]["id"]
    changed = eve("PATCH", f"/api/webhooks/{first}", json={"events": ["clip.*"], "enabled": False}).json()
    assert (changed["events"], changed["enabled"]) == (["clip.*"], False)
    assert eve("POST", f"/api/webhooks/{first}/test").status_code == 409
    assert eve("DELETE", f"/api/webhooks/{first}").status_code == 204
    assert eve("GET", f"/api/webhooks/{first}").status_code == 404


@pytest.mark.parametrize("events", [[], ["**"], ["clip"], ["Clip.x"], ["clip.x.y"], ["a" * 80], [1], "*"])
def test_kinds_that_cannot_be_are_refused(eve, events):
    assert eve("POST", "/api/webhooks", json={"url": "https://example.com/", "events": events}).status_code == 400
