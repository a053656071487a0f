"""What happens in a workspace reaches whoever follows it: at once, in order, whole, and nobody else."""

import json
import socket
import time
from uuid import uuid4

import httpx
import pytest
from api_people import join, relaxed, sign_up
from live_server import Stream, drop_listeners, move_step, new_upload, serving, start_step, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from cliply_api.events import follow
from cliply_resources.database import Database


@pytest.fixture(scope="module")
def settings(shared_url, api_settings):
    # The same home: whichever application sends a mail, it lies in the folder that is looked in.
    return relaxed(shared_url, api_settings.home, streams_per_workspace=4, cors_origins=("https://app.test",))


@pytest.fixture(scope="module")
def first(settings):
    with serving(settings) as (address, _):
        yield address


@pytest.fixture(scope="module")
def second(settings):
    with serving(settings) as (address, _):
        yield address


@pytest.fixture
def pipeline(shared_database) -> Database:
    """Writes rows from outside of the applications, as another process would."""
    return shared_database


@pytest.fixture
def eve(client):
    return sign_up(client, "eve")


def test_a_steps_start_reaches_readers_of_two_applications_within_a_second(first, second, eve, pipeline):
    upload = new_upload(pipeline, eve.workspace_id)
    with Stream(first, eve) as here, Stream(second, eve) as there:
        begun = time.monotonic()
        start_step(pipeline, eve.workspace_id, upload)
        for stream in (here, there):
            until(lambda stream=stream: stream.events())
            [(_, number, event, moment)] = [item for item in stream.items if item[0] == "message"]
            assert moment - begun < 1.0
            assert (event["kind"], event["upload_id"], number) == ("step.running", str(upload), event["seq"])
            assert event["data"]["step"] == "scenes"


def test_a_stream_says_where_it_begins_and_is_not_to_be_cached(first, eve, pipeline):
    new_upload(pipeline, eve.workspace_id)
    with Stream(first, eve) as stream:
        assert stream.items[0][:3] == ("ready", 1, {"seq": 1})
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "no-cache" in stream.headers["cache-control"]
        assert stream.headers["x-accel-buffering"] == "no"


def test_a_reader_who_comes_back_gets_what_they_missed_in_order_and_once(first, second, eve, pipeline):
    for _ in range(450):  # more than is read at once
        new_upload(pipeline, eve.workspace_id)
    with Stream(first, eve, last=3) as stream:
        until(lambda: len(stream.events()) >= 447)
        assert stream.seqs() == list(range(4, 451))
    with Stream(second, eve, last=449) as stream:
        until(stream.events)
        assert stream.seqs() == [450]


def test_a_number_that_never_was_and_events_that_are_gone_ask_for_a_fresh_look(first, eve, pipeline, ask):
    for _ in range(5):
        new_upload(pipeline, eve.workspace_id)
    with Stream(first, eve, last=99) as stream:
        assert stream.items[0][:2] == ("resync", 5)
    ask("DELETE FROM events WHERE workspace_id = %s AND seq <= 3", eve.workspace_id)
    with Stream(first, eve, last=1) as stream:
        until(lambda: len(stream.events()) == 2)
        assert stream.items[0][:2] == ("resync", 3)
        assert stream.seqs() == [4, 5]


def test_an_eventsource_names_its_workspace_in_the_query(first, client, eve, stranger, pipeline):
    """Browsers let it send no headers."""
    guest = join(client, eve, "viewer", "guest")  # whose oldest workspace is another
    new_upload(pipeline, eve.workspace_id)
    headers = {"Authorization": f"Bearer {guest.access_token}"}
    for workspace, status in ((eve.workspace_id, 200), (stranger.workspace_id, 404), (str(uuid4()), 404)):
        with httpx.stream("GET", f"http://{first}/api/events?workspace_id={workspace}", headers=headers) as reply:
            assert reply.status_code == status
            if status == 200:
                assert 'data: {"seq":1}' in list(zip(range(4), reply.iter_lines(), strict=False))[-1]


@pytest.mark.parametrize("bad", ["-1", "x", str(2**63), "1.5"])
def test_a_last_event_id_that_is_no_number_is_refused(client, eve, bad):
    reply = eve("GET", "/api/events", headers={"Last-Event-ID": bad})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "VALIDATION_FAILED")


def test_percentages_are_told_but_leave_no_number(first, eve, pipeline):
    upload = new_upload(pipeline, eve.workspace_id)
    with Stream(first, eve) as stream:
        start_step(pipeline, eve.workspace_id, upload)
        for percent in (10, 20, 30, 40):
            move_step(pipeline, eve.workspace_id, upload, percent)
        until(lambda: any(name == "progress" and data["percent"] == 40 for name, _, data, _ in stream.items))
        told = [item for item in stream.items if item[0] == "progress"]
        assert len(told) <= 4
        assert {number for _, number, _, _ in told} == {None}
        assert told[-1][2]["upload_id"] == str(upload)
        assert len(stream.events()) == 1


def test_nothing_of_another_workspace_arrives(first, eve, stranger, pipeline):
    with Stream(first, eve) as ours, Stream(first, stranger) as theirs:
        upload = new_upload(pipeline, stranger.workspace_id)
        start_step(pipeline, stranger.workspace_id, upload)
        move_step(pipeline, stranger.workspace_id, upload, 50)
        until(lambda: any(name == "progress" for name, *_ in theirs.items))
        new_upload(pipeline, eve.workspace_id)
        until(ours.events)
        assert [name for name, *_ in ours.items] == ["ready", "message"]
        assert str(upload) not in json.dumps(ours.items)


def test_nothing_is_lost_when_postgres_drops_the_listener(first, eve, pipeline, shared_url):
    with Stream(first, eve) as stream:
        new_upload(pipeline, eve.workspace_id)
        until(stream.events)
        for _ in range(3):
            until(lambda: drop_listeners(shared_url))
            for _ in range(4):
                new_upload(pipeline, eve.workspace_id)
        until(lambda: len(stream.events()) >= 13)
        assert stream.seqs() == list(range(1, 14))


def test_nothing_is_lost_when_postgres_cuts_every_connection(first, eve, pipeline, ask):
    with Stream(first, eve) as stream:
        for _ in range(3):
            ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            new_upload(pipeline, eve.workspace_id)
        until(lambda: len(stream.events()) >= 3)
        assert stream.seqs() == [1, 2, 3]
        assert not stream.ended


def test_a_reader_who_takes_nothing_holds_up_nobody(first, eve, pipeline):
    address, port = first.split(":")
    with socket.create_connection((address, int(port))) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(
            f"GET /api/events?last_event_id=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {eve.access_token}\r\n\r\n".encode()
        )
        for _ in range(600):
            new_upload(pipeline, eve.workspace_id)
        with Stream(first, eve) as awake:
            begun = time.monotonic()
            new_upload(pipeline, eve.workspace_id)
            until(awake.events)
            assert awake.items[-1][3] - begun < 1.0


def test_a_workspace_has_so_many_streams_and_a_closed_one_makes_room(first, eve):
    streams = [Stream(first, eve) for _ in range(4)]
    with Stream(first, eve) as refused:
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) >= 1
    streams.pop().close()

    def fits():
        with Stream(first, eve) as again:
            return again.status == 200

    until(fits)
    for stream in streams:
        stream.close()


def test_a_stream_pings_and_ends_when_its_reader_is_sent_away(first, client, eve, monkeypatch):
    monkeypatch.setattr(follow.Follower.__init__, "__defaults__", _defaults(ping_seconds=0.1))
    guest = join(client, eve, "viewer", "guest")
    with Stream(first, guest) as stream:
        until(lambda: stream.pings >= 2)
        assert not stream.ended
        assert eve("DELETE", f"/api/workspaces/{eve.workspace_id}/members/{guest.user_id}").status_code < 300
        until(lambda: stream.ended)


def test_a_stream_ends_with_its_sign_in(first, client, eve, monkeypatch):
    monkeypatch.setattr(follow.Follower.__init__, "__defaults__", _defaults(ping_seconds=0.1))
    with Stream(first, eve) as stream:
        assert eve("POST", "/api/auth/logout", json={}).status_code < 300
        until(lambda: stream.ended)


def test_a_stream_has_an_end_of_its_own(first, eve, monkeypatch):
    monkeypatch.setattr(follow.Follower.__init__, "__defaults__", _defaults(life_seconds=0.2))
    with Stream(first, eve) as stream:
        until(lambda: stream.ended)


def _defaults(**changes):
    names = ("after", "upload_id", "ping_seconds", "life_seconds", "_seq", "_checked", "_looked")
    known = dict(zip(names, follow.Follower.__init__.__defaults__, strict=True))
    return tuple((known | changes).values())


def ticket_for(person, upload):
    return person("POST", "/api/events/tickets", json={"upload_id": str(upload)})


def test_a_socket_tells_what_happens_to_its_upload_and_nothing_else(first, eve, pipeline):
    upload, other = new_upload(pipeline, eve.workspace_id), new_upload(pipeline, eve.workspace_id)
    path = ticket_for(eve, upload).json()["path"]
    with connect(f"ws://{first}{path}&after=0", origin="https://app.test") as socket_:
        assert json.loads(socket_.recv(5)) == {"type": "ready", "seq": 0}
        assert json.loads(socket_.recv(5))["kind"] == "upload.created"
        socket_.send("nobody listens")
        start_step(pipeline, eve.workspace_id, other)
        begun = time.monotonic()
        start_step(pipeline, eve.workspace_id, upload)
        event = json.loads(socket_.recv(5))
        assert time.monotonic() - begun < 1.0
        assert (event["type"], event["kind"], event["upload_id"]) == ("event", "step.running", str(upload))
        move_step(pipeline, eve.workspace_id, upload, 55)
        moved = json.loads(socket_.recv(5))
        assert (moved["type"], moved["percent"]) == ("progress", 55)


def refusal(address, path, **options):
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{address}{path}", **options):
        pass
    return refused.value.response.status_code


def test_a_ticket_opens_one_socket_once(first, second, eve, pipeline, ask):
    upload, other = new_upload(pipeline, eve.workspace_id), new_upload(pipeline, eve.workspace_id)
    path = ticket_for(eve, upload).json()["path"]
    with connect(f"ws://{first}{path}") as socket_:
        socket_.recv(5)
        assert refusal(second, path) == 403
    fresh = ticket_for(eve, upload).json()
    assert refusal(first, fresh["path"].replace(str(upload), str(other))) == 403
    assert refusal(first, fresh["path"]) == 403  # spent by the wrong try
    late = ticket_for(eve, upload).json()["path"]
    ask("UPDATE event_tickets SET expires_at = now() - interval '1 second' WHERE workspace_id = %s", eve.workspace_id)
    assert refusal(first, late) == 403
    for bad in ("", "x", f"{uuid4().hex}.abc", f"{uuid4().hex}.", "ü.ü", "0" * 5000):
        assert refusal(first, f"/ws/uploads/{upload}?ticket={bad.encode().hex() if 'ü' in bad else bad}") == 403


def test_a_foreign_page_opens_no_socket_and_spends_no_ticket(first, eve, pipeline):
    upload = new_upload(pipeline, eve.workspace_id)
    path = ticket_for(eve, upload).json()["path"]
    assert refusal(first, path, origin="https://evil.test") == 403
    with connect(f"ws://{first}{path}", origin=f"http://{first}") as socket_:
        assert json.loads(socket_.recv(5))["type"] == "ready"


def test_a_ticket_of_somebody_who_was_sent_away_opens_nothing(first, client, eve, pipeline, monkeypatch):
    upload = new_upload(pipeline, eve.workspace_id)
    guest = join(client, eve, "viewer", "guest")
    opened, unused = (ticket_for(guest, upload).json()["path"] for _ in range(2))
    monkeypatch.setattr(follow.Follower.__init__, "__defaults__", _defaults(ping_seconds=0.1))
    with connect(f"ws://{first}{opened}") as socket_:
        socket_.recv(5)
        assert eve("DELETE", f"/api/workspaces/{eve.workspace_id}/members/{guest.user_id}").status_code < 300
        with pytest.raises(ConnectionClosed):
            list(iter(lambda: socket_.recv(5), None))
    assert refusal(first, unused) == 403


def test_tickets_are_for_uploads_of_the_workspace(eve, stranger, pipeline):
    theirs = new_upload(pipeline, stranger.workspace_id)
    answers = [ticket_for(eve, upload) for upload in (theirs, uuid4())]
    assert [reply.status_code for reply in answers] == [404, 404]
    assert len({reply.json()["error"]["message"] for reply in answers}) == 1


def test_metrics_count_and_are_for_this_machine_or_whoever_has_the_token(first, start):
    text = httpx.get(f"http://{first}/metrics").text
    assert 'cliply_requests_total{method="GET",path="/api/events",status="200"}' in text
    assert "cliply_event_lag_seconds_count" in text
    assert "cliply_listening 1" in text
    assert httpx.get(f"http://{first}/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 404
    guarded = start(metrics_token="let me see")
    assert guarded.get("/metrics").status_code == 404
    assert guarded.get("/metrics", headers={"Authorization": "Bearer let me see"}).status_code == 200
