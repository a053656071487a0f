"""Feeds of accounts' new posts: asked for once, agreed to by us alone, renewed in time, believed by their signature, and left."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from api_people import relaxed, sign_up
from simulated_platforms import OUR_URL, settings_of, simulated

from cliply_assets.posts.feeds import FeedKeeper, unreachable
from cliply_resources.database import AccountReading, AccountRow, FeedSubscription, PlatformEvent, PostRow
from cliply_resources.posts.places import feed_place
from cliply_resources.rewrap import keys_in_use, rotate_keys
from cliply_resources.settings import Settings
from cliply_resources.vault import Vault

NEW = """<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><entry>
<yt:videoId>{video}</yt:videoId><yt:channelId>{channel}</yt:channelId><published>{at}</published></entry></feed>"""
GONE = """<feed xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">
<at:deleted-entry ref="yt:video:{video}" when="{at}"/></feed>"""
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def hub():
    with simulated("youtube") as opened:
        yield opened


@pytest.fixture(scope="module")
def api_settings(shared_url, tmp_path_factory, hub):
    home = tmp_path_factory.mktemp("home")
    return relaxed(shared_url, home, public_url=OUR_URL, hooks_per_minute=10_000, **settings_of("youtube", hub))


class Channel:
    """A connected channel, and the schedule that looks after its feed at a time of the test's choice."""

    def __init__(self, client, database, settings, hub):
        self.client, self.database, self.hub, self.later = client, database, hub, timedelta()
        self.workspace, self.remote_id = UUID(sign_up(client, "ann").workspace_id), f"UC{uuid4().hex}"
        self.keeper = FeedKeeper.open(database, settings)
        object.__setattr__(self.keeper, "clock", lambda: datetime.now(UTC) + self.later)
        with self.session() as session:
            row = AccountRow(platform="youtube", remote_id=self.remote_id, name="Ann", tokens=b"sealed")
            session.add(row)
            session.flush()
            self.account = row.id

    def session(self):
        return self.database.pipeline(self.workspace)

    def keep(self):
        """What came of this channel; `None` where nothing was due."""
        return self.keeper._keep(self.workspace, self.account) if (self.workspace, self.account) in self.due() else None

    def due(self):
        return self.keeper.due(at_most=1000)

    @property
    def feed(self):
        with self.session() as session:
            return session.query(FeedSubscription).one_or_none()

    @property
    def callback(self):
        return f"{OUR_URL}/api/hooks/feeds/{self.feed.id}"

    def verify(self, **changed):
        return self.hub.verify_feed(self.callback, self.client.get, **changed)

    def push(self, feed, video):
        told = feed.format(video=video, channel=self.remote_id, at=datetime.now(UTC).isoformat())
        return self.hub.push_feed(self.callback, self.client.post, told)

    def post(self, state, **facts):
        now = datetime.now(UTC)
        media = {"object_key": "k", "video": {}, "content": {}, "due_at": now, "tolerance_seconds": 3600}
        with self.session() as session:
            row = PostRow(account_id=self.account, platform="youtube", state=state, **media, **facts)
            session.add(row)
            session.flush()
            return row.id

    def now(self, post):
        with self.session() as session:
            return session.get_one(PostRow, (self.workspace, post))

    def disconnect(self):
        with self.session() as session:
            row = session.get_one(AccountRow, (self.workspace, self.account))
            row.state, row.tokens = "disconnected", None


@pytest.fixture
def channel(client, shared_database, api_settings, hub):
    hub.faults.clear()
    return Channel(client, shared_database, api_settings, hub)


def test_a_channel_is_subscribed_to_once_and_the_lease_is_stored(channel):
    assert channel.keep() == "asked for"
    asked = channel.hub.feeds[channel.callback]
    assert asked["hub.topic"].endswith(f"?channel_id={channel.remote_id}")
    assert channel.feed.state == "asked"
    assert asked["hub.secret"].encode() not in channel.feed.secret
    assert channel.keep() is None
    assert channel.verify() == 200
    assert channel.feed.state == "active"
    assert timedelta(days=4.9) < channel.feed.lease_until - datetime.now(UTC) < timedelta(days=5.1)
    channel.later = 3 * DAY
    assert channel.keep() is None


def test_a_lease_is_renewed_at_four_fifths_of_its_life_under_the_same_address(channel):
    channel.keep()
    channel.verify()
    before = channel.feed
    channel.later = timedelta(days=4.1)
    assert channel.keep() == "asked for"
    assert (channel.feed.id, channel.feed.secret, channel.feed.state) == (before.id, before.secret, "active")
    assert channel.verify() == 200
    assert channel.feed.lease_until > before.lease_until
    assert channel.feed.failures == 0


def test_what_the_hub_never_confirms_is_asked_for_again_ever_more_rarely(channel):
    channel.keep()
    waits = []
    for _ in range(8):
        waits.append(round((channel.feed.next_at - channel.feed.asked_at).total_seconds() / 60))
        channel.later = channel.feed.next_at - datetime.now(UTC) + timedelta(seconds=1)
        assert channel.keep() == "asked for"
    assert waits == [10, 20, 40, 80, 160, 320, 360, 360]


def test_a_hub_that_fails_or_refuses_says_why_in_the_row(channel):
    channel.hub.faults.add("drop_before", path="^/subscribe")
    assert "did not answer" in channel.keep()
    assert "did not answer" in channel.feed.reason
    channel.later = timedelta(hours=1)
    channel.keep()
    assert channel.feed.reason is None
    assert channel.verify(**{"hub.mode": "denied", "hub.reason": "too many"}) == 200
    assert channel.feed.reason == "The hub refused: too many"
    assert channel.feed.state == "asked"


def test_nobody_else_can_have_us_agree_to_a_feed(channel, client):
    channel.keep()
    assert channel.verify(**{"hub.topic": "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UCother"}) == 404
    assert channel.verify(**{"hub.mode": "unsubscribe"}) == 404
    assert channel.feed.state == "asked"
    topic = f"https://www.youtube.com/xml/feeds/videos.xml?channel_id={channel.remote_id}"
    query = {"hub.mode": "subscribe", "hub.topic": topic, "hub.challenge": "abc"}
    assert client.get(f"/api/hooks/feeds/{uuid4()}", params=query).status_code == 404
    assert client.get("/api/hooks/youtube", params=query).status_code == 404


def test_a_new_video_wakes_what_is_in_doubt_and_the_look_for_new_posts_and_a_deleted_one_is_gone(channel):
    channel.keep()
    channel.verify()
    now = datetime.now(UTC)
    doubt = channel.post("unknown", committed_at=now, wake_at=now + timedelta(hours=1))
    with channel.session() as session:
        session.get_one(AccountReading, (channel.workspace, channel.account)).import_next_at = now + DAY
    assert channel.push(NEW, "v1") == 200
    assert channel.push(NEW, "v1") == 200
    assert channel.now(doubt).wake_at < now + timedelta(minutes=1)
    with channel.session() as session:
        assert session.query(PlatformEvent).count() == 1
        reading = session.get_one(AccountReading, (channel.workspace, channel.account))
        assert reading.import_next_at < now + timedelta(minutes=1)
    post = channel.post("published", published_at=now, remote_id="v2")
    assert channel.push(GONE, "v2") == 200
    assert channel.now(post).removed_at is not None


def test_what_is_not_signed_as_agreed_is_answered_and_ignored(channel, client):
    channel.keep()
    channel.verify()
    told = NEW.format(video="v1", channel=channel.remote_id, at=datetime.now(UTC).isoformat())
    for headers in ({}, {"X-Hub-Signature": "sha1=" + "0" * 40}):
        path = f"/api/hooks/feeds/{channel.feed.id}"
        assert client.post(path, content=told.encode(), headers=headers).status_code == 200
    with channel.session() as session:
        assert session.query(PlatformEvent).count() == 0


def test_a_disconnected_channel_is_left_and_what_still_comes_is_ignored(channel):
    channel.keep()
    channel.verify()
    channel.disconnect()
    assert channel.keep() == "left"
    assert channel.feed.state == "leaving"
    assert channel.push(NEW, "v1") == 200
    with channel.session() as session:
        assert session.query(PlatformEvent).count() == 0
    callback = channel.callback
    assert channel.verify() == 200
    assert channel.feed is None
    assert callback not in channel.hub.leases
    assert channel.keep() is None


def test_a_feed_that_was_never_confirmed_is_forgotten_with_its_account(channel):
    channel.keep()
    channel.disconnect()
    assert channel.keep() == "over"
    assert channel.feed is None


def test_a_rotation_of_keys_takes_the_secrets_of_feeds_along(database, settings, hub):
    workspace = database.local_workspace()
    vault = Vault(settings)
    with database.pipeline(workspace) as session:
        session.add(AccountRow(platform="youtube", remote_id="UC1", name="Ann"))
    asking = settings.model_copy(update={"public_url": OUR_URL, **settings_of("youtube", hub)})
    assert list(FeedKeeper.open(database, asking).keep().values()) == ["asked for"]
    (old,) = vault.ring.names
    assert keys_in_use(database) == {old: 1}
    new, count = rotate_keys(database, vault)
    assert (count, keys_in_use(database)) == (1, {new: 1})
    with database.pipeline(workspace) as session:
        feed = session.query(FeedSubscription).one()
    secret = vault.open(feed.secret, feed_place(workspace, feed.id)).decode()
    assert hub.feeds[f"{OUR_URL}/api/hooks/feeds/{feed.id}"]["hub.secret"] == secret


def test_an_installation_that_nobody_can_reach_asks_for_nothing():
    assert "CLIPLY_PUBLIC_URL" in unreachable(Settings())
    assert unreachable(Settings(public_url="https://cliply.example")) is None
