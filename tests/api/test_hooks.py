"""What platforms tell by themselves: signed, doubled, late, out of order, or before we know what it is about."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from api_people import relaxed, sign_up
from pydantic import SecretStr

from cliply_api.hooks.matching import PATIENCE, match_waiting
from cliply_resources.database import AccountRow, PlatformEvent, PostAttempt, PostRow
from cliply_resources.platforms.instagram.webhooks import signature_of as meta_signature
from cliply_resources.platforms.tiktok.webhooks import signature_of as tiktok_signature

SECRET = "hush-hush"


@pytest.fixture(scope="module")
def api_settings(shared_url, tmp_path_factory):
    secret = SecretStr(SECRET)
    return relaxed(
        shared_url,
        tmp_path_factory.mktemp("home"),
        hooks_per_minute=10_000,
        tiktok_client_key="key",
        tiktok_client_secret=secret,
        instagram_client_id="id",
        instagram_client_secret=secret,
        meta_verify_token=SecretStr("word"),
    )


class Channel:
    """An account on a platform and its posts, without the platform."""

    def __init__(self, person, database, platform):
        self.person, self.database, self.platform = person, database, platform
        self.workspace, self.remote_id = UUID(person.workspace_id), f"open-{uuid4().hex}"
        with self.session() as session:
            row = AccountRow(platform=platform, remote_id=self.remote_id, name="Ann", tokens=b"sealed")
            row.connected_at = datetime.now(UTC) - timedelta(minutes=1)
            session.add(row)
            session.flush()
            self.account = row.id

    def session(self):
        return self.database.pipeline(self.workspace)

    def post(self, state, **facts):
        now = datetime.now(UTC)
        media = {"object_key": "k", "video": {}, "content": {}, "due_at": now, "tolerance_seconds": 3600}
        known = {"committed_at": now, "wake_at": now + timedelta(hours=1), "handle": f"p-{uuid4().hex}"}
        if state == "published":
            known |= {"published_at": now}
        with self.session() as session:
            row = PostRow(account_id=self.account, platform=self.platform, state=state, **media, **(known | facts))
            session.add(row)
            session.flush()
            session.refresh(row)
            session.expunge(row)
        return row

    def now(self, post):
        with self.session() as session:
            return session.get_one(PostRow, (self.workspace, post.id))

    def events(self):
        with self.session() as session:
            return [(one.kind, one.state) for one in session.query(PlatformEvent).order_by(PlatformEvent.id)]


@pytest.fixture
def tiktok(client, shared_database):
    return Channel(sign_up(client, "tik"), shared_database, "tiktok")


def tell(client, channel, event, *, ago=0, secret=SECRET, **content):
    at = int(time.time())
    told = {"client_key": "key", "event": event, "create_time": at - ago, "user_openid": channel.remote_id}
    body = json.dumps(told | {"content": json.dumps(content)}).encode()
    headers = {"TikTok-Signature": tiktok_signature(body, secret, at), "Content-Type": "application/json"}
    return client.post("/api/hooks/tiktok", content=body, headers=headers)


def test_a_word_about_an_open_post_wakes_the_publisher_and_decides_nothing(client, tiktok):
    for state in ("confirming", "unknown"):
        post = tiktok.post(state)
        assert tell(client, tiktok, "post.publish.complete", publish_id=post.handle).status_code == 200
        now = tiktok.now(post)
        assert now.state == state
        assert now.wake_at < post.wake_at
    assert {state for _, state in tiktok.events()} == {"matched"}


@pytest.mark.parametrize(("resolution", "state"), [("applied", "confirming"), (None, "unknown")])
def test_a_post_that_waits_for_a_person_is_asked_about_again(client, tiktok, resolution, state):
    post = tiktok.post("asking", wake_at=None)
    with tiktok.session() as session:
        call = {"lease": 1, "revision": 1, "step": "send", "kind": "commit", "started_at": post.committed_at}
        session.add(PostAttempt(post_id=post.id, resolution=resolution, **call))
    tell(client, tiktok, "post.publish.complete", publish_id=post.handle)
    assert tiktok.now(post).state == state
    assert tiktok.now(post).wake_at is not None


@pytest.mark.parametrize("state", ["rejected", "missed", "cancelled", "declined"])
def test_what_is_over_stays_over(client, tiktok, state):
    post = tiktok.post(state, wake_at=None)
    assert tell(client, tiktok, "post.publish.complete", publish_id=post.handle, post_id="77").status_code == 200
    now = tiktok.now(post)
    assert (now.state, now.wake_at, now.remote_id) == (state, None, None)


def test_a_late_word_does_not_undo_a_newer_one(client, tiktok):
    post = tiktok.post("published", wake_at=None)
    tell(client, tiktok, "post.publish.no_longer_publicaly_available", publish_id=post.handle, post_id="9", ago=5)
    tell(client, tiktok, "post.publish.publicly_available", publish_id=post.handle, post_id="9", ago=60)
    assert tiktok.now(post).visibility == "private"
    tell(client, tiktok, "post.publish.publicly_available", publish_id=post.handle, post_id="9", ago=1)
    now = tiktok.now(post)
    assert (now.visibility, now.remote_id, now.state) == ("public", "9", "published")


def test_a_repetition_changes_nothing(client, tiktok):
    post = tiktok.post("published", wake_at=None)
    at = int(time.time())
    told = {"event": "post.publish.publicly_available", "create_time": at, "user_openid": tiktok.remote_id}
    body = json.dumps(told | {"content": json.dumps({"publish_id": post.handle})}).encode()
    headers = {"TikTok-Signature": tiktok_signature(body, SECRET, at)}
    for _ in range(3):
        assert client.post("/api/hooks/tiktok", content=body, headers=headers).status_code == 200
    assert tiktok.events() == [("public", "matched")]


def test_a_word_that_comes_before_its_post_waits_for_it_for_an_hour(client, tiktok, ask):
    tell(client, tiktok, "post.publish.complete", publish_id="p-early")
    assert tiktok.events() == [("published", "waiting")]
    post = tiktok.post("confirming", handle="p-early")
    match_waiting(client.app.state.desk)
    assert tiktok.events() == [("published", "matched")]
    assert tiktok.now(post).wake_at < post.wake_at

    tell(client, tiktok, "post.publish.complete", publish_id="p-never")
    ask(
        "UPDATE platform_events SET created_at = created_at - %s WHERE handle = 'p-never'",
        PATIENCE + timedelta(minutes=1),
    )
    match_waiting(client.app.state.desk)
    assert ("published", "unmatched") in tiktok.events()


def test_access_that_was_taken_away_parks_the_account_and_old_news_does_not(client, tiktok):
    post = tiktok.post("due", committed_at=None)
    tell(client, tiktok, "authorization.removed", reason=1, ago=250)
    assert tiktok.now(post).state == "due"
    tell(client, tiktok, "authorization.removed", reason=1)
    assert tiktok.now(post).state == "held"
    with tiktok.session() as session:
        assert session.get_one(AccountRow, (tiktok.workspace, tiktok.account)).state == "reconnect"


def test_every_workspace_with_the_account_hears_of_it(client, tiktok, shared_database):
    other = Channel(sign_up(client, "tok"), shared_database, "tiktok")
    with other.session() as session:
        session.get_one(AccountRow, (other.workspace, other.account)).remote_id = tiktok.remote_id
    tell(client, tiktok, "authorization.removed", reason=1)
    assert tiktok.events() == other.events() == [("disconnected", "matched")]


def test_what_is_not_signed_by_the_platform_is_believed_nowhere(client, tiktok):
    post = tiktok.post("confirming")
    assert tell(client, tiktok, "post.publish.complete", secret="other", publish_id=post.handle).status_code == 403
    assert client.post("/api/hooks/tiktok", content=b"{}").status_code == 403
    assert client.post("/api/hooks/x", content=b"{}").status_code == 404
    assert client.post("/api/hooks/nowhere", content=b"{}").status_code == 404
    assert client.post("/api/hooks/tiktok", content=b"x" * 300_000).status_code == 413
    assert tiktok.events() == []
    assert tiktok.now(post).wake_at == post.wake_at


def test_an_account_that_nobody_has_connected_is_nobodys_business(client, tiktok):
    tiktok.remote_id = "somebody-else"
    assert tell(client, tiktok, "post.publish.complete", publish_id="p").status_code == 200
    assert tiktok.events() == []


def test_meta_verifies_the_address_and_signs_what_it_sends(client, shared_database):
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "word"}
    said = client.get("/api/hooks/instagram", params=query)
    assert (said.status_code, said.text) == (200, "1158201444")
    assert said.headers["content-type"].startswith("text/plain")
    assert client.get("/api/hooks/instagram", params=query | {"hub.verify_token": "guess"}).status_code == 403
    channel = Channel(sign_up(client, "insta"), shared_database, "instagram")
    change = {"field": "comments", "value": {"media": {"id": "1"}}}
    told = {"object": "instagram", "entry": [{"id": channel.remote_id, "time": int(time.time()), "changes": [change]}]}
    body = json.dumps(told).encode()
    sent = client.post(
        "/api/hooks/instagram", content=body, headers={"X-Hub-Signature-256": meta_signature(body, SECRET)}
    )
    assert sent.status_code == 200
    assert channel.events() == [("other", "matched")]
    forged = "sha256=" + hmac.new(b"guess", body, hashlib.sha256).hexdigest()
    assert client.post("/api/hooks/instagram", content=body, headers={"X-Hub-Signature-256": forged}).status_code == 403
