"""The publisher over a real database and a simulated platform: what is due is published once, in order, or says why not."""

import psycopg
import pytest
from example_simulator import ExamplePlatform
from publishing_room import soon
from simulator_base import FaultKind
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from cliply_resources.database import AccountRow, PostAttempt
from cliply_resources.errors import Conflict
from cliply_resources.platforms.documents import PostContent
from cliply_resources.posts import wishes


def test_a_due_post_is_published_and_every_call_is_recorded(room):
    post = room.post("hello")
    told = []
    assert room.publisher().run(idle_seconds=1, tell=told.append) == 1
    row = room.row(post)
    assert (row.state, row.wake_at, row.progress, row.worker) == ("published", None, None, None)
    assert row.remote_id == room.simulator.ledger.entries[0].remote_id
    assert row.url.endswith(row.remote_id)
    calls = room.attempts(post)
    assert [call.kind for call in calls if call.kind == "commit"] == ["commit"]
    assert [(c.outcome, c.resolution) for c in calls if c.kind == "commit"] == [("ok", "applied")]
    assert sum(call.sent_bytes for call in calls) == 250_000
    assert told[0].post_id == post
    assert told[0].late < 60


def test_a_post_is_prepared_ahead_and_published_when_it_is_due(room):
    post = room.post("later", due=soon(room, 3))
    room.publisher().run(idle_seconds=5)
    row, entry = room.row(post), room.simulator.ledger.entries[0]
    assert row.state == "published"
    assert entry.at >= row.due_at
    started = [call.started_at for call in room.attempts(post) if call.kind == "prepare"]
    assert min(started) < row.due_at


def test_a_lost_answer_is_looked_up_and_the_post_is_not_sent_twice(room):
    post = room.post("once")
    path = "^/upload/" if room.tail else "/publish$"
    room.simulator.faults.add(FaultKind.DROP_AFTER, path=path, skip=2 if room.tail else 0)
    room.publisher().run(idle_seconds=3)
    assert room.row(post).state == "published"
    assert len(room.simulator.ledger.of("once")) == 1
    assert "reconcile" in [call.kind for call in room.attempts(post)]


def test_a_refused_sign_in_is_renewed_once_and_stored(plain_room):
    room = plain_room
    post = room.post("renew")
    room.simulator.faults.add(FaultKind.EXPIRE_TOKEN, skip=1)
    room.publisher().run(idle_seconds=3)
    assert room.row(post).state == "published"
    assert room.simulator.refreshed == 1


def test_a_dead_sign_in_parks_the_account_and_holds_its_posts_until_it_is_back(plain_room):
    room = plain_room
    first, second = room.post("one"), room.post("two", due=soon(room, 30))
    for token in room.simulator.tokens.values():
        token.revoked = True
    room.publisher().run(idle_seconds=1)
    assert (room.row(first).state, room.row(second).state) == ("held", "held")
    assert "Connect the account again" in room.row(first).reason
    with room.database.api(room.workspace) as session:
        assert session.query(AccountRow).one().state == "reconnect"
    room.simulator.connect("ann")
    room.connect("ann")
    room.publisher().run(idle_seconds=1)
    assert room.row(first).state == "published"
    assert room.simulator.ledger.doubles() == {}


def test_a_post_that_is_too_late_is_missed_and_says_so(plain_room):
    room = plain_room
    post = room.post("late", due=soon(room, -120), tolerance=60)
    room.publisher().run(idle_seconds=0.5)
    assert room.row(post).state == "missed"
    assert "could not be published within 1 min" in room.row(post).reason
    assert room.simulator.ledger.entries == []


def test_the_posts_of_an_account_keep_their_order(plain_room):
    room = plain_room
    due = soon(room, 1)
    wanted = [f"{who} {number}" for who in ("ann", "bob") for number in range(6)]
    for words in wanted:
        room.post(words, who=words[:3], due=due, size=50_000)
    room.publisher().run(idle_seconds=3)
    for who in ("ann", "bob"):
        assert [e.key for e in room.simulator.ledger.entries if e.account == who] == [t for t in wanted if t[:3] == who]


def test_a_cap_of_the_account_holds_back_what_is_over_it(plain_room):
    room = plain_room
    account = room.connect("ann")
    with room.database.api(room.workspace) as session:
        session.get_one(AccountRow, (room.workspace, account)).posts_per_day = 2
    posts = [room.post(f"n{number}") for number in range(3)]
    room.publisher().run(idle_seconds=2)
    assert sorted(room.row(post).state for post in posts) == ["missed", "published", "published"]
    assert "cap of posts" in next(row.reason for row in map(room.row, posts) if row.state == "missed")


def test_a_platform_that_is_switched_off_is_left_alone_until_it_is_on_again(plain_room):
    room = plain_room
    post = room.post("switch")
    with room.database.identity() as session:
        session.execute(text("INSERT INTO platform_switches VALUES ('example', 'Example is down for the day.')"))
    room.publisher().run(idle_seconds=1)
    assert (room.row(post).state, room.row(post).reason) == ("due", "Example is down for the day.")
    assert room.simulator.log == []


def test_a_cancelled_post_is_not_published_and_a_published_one_cannot_be_cancelled(plain_room):
    room = plain_room
    gone, kept = room.post("gone", due=soon(room, 1)), room.post("kept", due=soon(room, 1))
    with room.database.api(room.workspace) as session:
        wishes.cancel(session, gone)
    room.publisher().run(idle_seconds=2)
    assert (room.row(gone).state, room.row(kept).state) == ("cancelled", "published")
    with room.database.api(room.workspace) as session, pytest.raises(Conflict, match="has been published"):
        wishes.cancel(session, kept)


def test_an_edit_after_the_preparation_is_what_is_published(plain_room):
    room = plain_room
    post = room.post("first words", due=soon(room, 4))
    publisher = room.publisher()
    publisher.run(idle_seconds=0)
    with room.database.api(room.workspace) as session:
        content = PostContent(caption="better words")
        wishes.change(session, post, content=content, prepare_seconds=600)
    room.publisher().run(idle_seconds=6)
    assert [entry.key for entry in room.simulator.ledger.entries] == ["better words"]


def test_an_intent_that_stands_excludes_a_second_one(plain_room):
    room = plain_room
    post = room.post("never twice")
    room.publisher().run(idle_seconds=1)
    with pytest.raises(IntegrityError, match="one_intent"), room.database.pipeline(room.workspace) as session:
        session.add(PostAttempt(post_id=post, lease=9, revision=1, step="x", kind="commit", started_at=soon(room, 0)))


def test_an_adapter_that_stumbles_after_publishing_leaves_a_doubt_and_no_double(plain_room, monkeypatch):
    room = plain_room
    post = room.post("stumble")
    whole = ExamplePlatform._publish

    def stumble(self, *arguments):
        whole(self, *arguments)
        monkeypatch.setattr(ExamplePlatform, "_publish", whole)
        raise KeyError("data")

    monkeypatch.setattr(ExamplePlatform, "_publish", stumble)
    room.publisher().run(idle_seconds=2)
    assert room.row(post).state == "published"
    assert len(room.simulator.ledger.of("stumble")) == 1


def test_nothing_that_is_sealed_or_secret_stands_in_the_database_or_is_logged(plain_room, capfd, caplog):
    room = plain_room
    said = {"error": "at-ann-0 is bad, so is rt-ann-0", "upload": "https://up.example.com/?upload_token=hush"}
    room.simulator.faults.add(FaultKind.ERROR_BEFORE, skip=1, body=said)
    room.simulator.faults.add(FaultKind.DROP_BEFORE, skip=2)
    post = room.post("canary", due=soon(room, 60))
    room.publisher().run(idle_seconds=3)
    assert room.row(post).state == "prepared"
    with psycopg.connect(room.settings.database_url.get_secret_value()) as connection:
        tables = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        dump = "".join(str(connection.execute(f"SELECT to_jsonb(t) FROM {name} t").fetchall()) for name in tables)
    hexed = [secret.encode().hex() for secret in ("at-ann-0", "rt-ann-0", "upload_token=hush")]
    for secret in ["at-ann-0", "rt-ann-0", "upload_token", "hush", *hexed]:
        assert secret not in dump
    logged = "".join(capfd.readouterr()) + caplog.text
    assert not [secret for secret in ("at-ann", "rt-ann", "hush") if secret in logged]
