"""YouTube's own ways: consent, sessions, quotas, its check of what was uploaded, numbers, and the feed that pushes."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from publishing_driver import Driver, make_video
from simulator_base import FaultKind, running
from youtube_simulator import CHANNEL, HARNESS, SCOPES, UPLOADS

from cliply_resources.platforms.contract import Call
from cliply_resources.platforms.documents import AccountLimits, PostContent, Tokens, VideoFacts
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, WebhookRefused
from cliply_resources.platforms.registry import open_platform
from cliply_resources.platforms.wire import Answer
from cliply_resources.platforms.youtube.errors import judged, midnight_pacific
from cliply_resources.platforms.youtube.feeds import signature_of
from cliply_resources.platforms.youtube.numbers import duration_seconds
from cliply_resources.platforms.youtube.rules import tags_length
from cliply_resources.settings import Settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BACK = "https://cliply.example/back"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


@pytest.fixture
def simulator():
    with running(HARNESS) as opened:
        yield opened


@pytest.fixture
def youtube(simulator):
    return open_platform("youtube", Settings(**HARNESS.settings(simulator)))


@pytest.fixture
def begin(simulator, tmp_path):
    platform = HARNESS.platform(Settings(**HARNESS.settings(simulator)))

    def make(title, size=200_000, **content):
        return Driver(
            platform,
            simulator,
            HARNESS.connect(simulator),
            PostContent(title=title, **content),
            make_video(tmp_path, size),
            account_id=CHANNEL,
            facts={"uploads": UPLOADS},
        )

    return make


def test_signing_in_asks_for_consent_with_pkce_and_finds_the_channel(youtube, simulator):
    url = youtube.authorize_url(redirect_uri=BACK, state="s-1", verifier=VERIFIER)
    asked = parse_qs(urlsplit(url).query)
    assert asked["code_challenge"] == ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"]
    back = parse_qs(urlsplit(httpx.get(url).headers["location"]).query)
    tokens = youtube.exchange_code(code=back["code"][0], redirect_uri=BACK, verifier=VERIFIER, now=simulator.clock)
    assert tokens.scopes == SCOPES
    (profile,) = youtube.profiles(tokens, now=simulator.clock)
    assert (profile.remote_id, profile.facts, profile.kind) == (CHANNEL, {"uploads": UPLOADS}, "channel")
    new = youtube.refresh(tokens, now=simulator.clock)
    assert (new.refresh_token, new.access_token != tokens.access_token) == (tokens.refresh_token, True)
    youtube.revoke(new)
    with pytest.raises(PlatformTrouble) as gone:
        youtube.refresh(new, now=simulator.clock)
    assert gone.value.outcome.kind is OutcomeClass.RECONNECT


def test_a_google_account_without_a_channel_is_told_to_make_one(youtube, simulator):
    simulator.has_channel = False
    with pytest.raises(PlatformTrouble, match=r"make one at youtube\.com"):
        youtube.profiles(HARNESS.connect(simulator), now=simulator.clock)


def test_only_what_youtube_says_it_has_counts_as_sent(begin, simulator):
    driver = begin("Halves", size=1_200_000)
    simulator.faults.add(FaultKind.PARTIAL, path="^/upload/")
    driver.run()
    assert driver.state == "published"
    ranges = [asked.headers["content-range"] for asked, _ in simulator.log if asked.method == "PUT"]
    assert ranges[:2] == ["bytes 0-524287/1200000", "bytes 262144-786431/1200000"]


def test_a_lost_answer_to_the_last_byte_is_settled_by_the_session(begin, simulator):
    driver = begin("Last byte")
    simulator.faults.add(FaultKind.DROP_AFTER, path="^/upload/", method="PUT")
    driver.run()
    assert driver.state == "published"
    assert [asked.headers["content-range"] for asked, _ in simulator.log if asked.method == "PUT"] == [
        "bytes 0-199999/200000",
        "bytes */200000",
    ]


def test_a_session_that_died_with_the_answer_is_settled_by_the_channels_uploads(begin, simulator):
    driver = begin("Forgotten")
    simulator.faults.add(FaultKind.DROP_AFTER, path="^/upload/", method="PUT")
    while driver.state != "unknown":
        driver.once()
    simulator.sessions.clear()
    driver.run()
    assert driver.state == "published"
    assert len(simulator.ledger.entries) == 1
    assert driver.record.published.remote_id == simulator.ledger.entries[0].remote_id


def test_a_video_that_youtube_refuses_after_the_upload_is_said_with_the_reason(begin, simulator):
    driver = begin("Borrowed music")
    simulator.faults.add(FaultKind.REJECT, path="^/upload/", method="PUT")
    driver.run()
    assert driver.state == "rejected"
    assert "protected work" in driver.record.reason


def test_the_visibility_that_youtube_really_gave_is_shown(begin, simulator):
    simulator.force_privacy = "private"
    driver = begin("Locked")
    driver.run()
    assert driver.record.published.visibility == "private"


def test_a_used_up_quota_waits_for_midnight_in_california(begin, simulator):
    simulator.inserts_left = 0
    driver = begin("Tomorrow")
    driver.once()
    assert driver.record.next_at == datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    assert "quota" in driver.record.reason
    simulator.inserts_left = 100
    driver.run()
    assert driver.state == "published"


def test_midnight_pacific_knows_summer_time():
    assert midnight_pacific(datetime(2026, 7, 1, 12, 0, tzinfo=UTC)).astimezone(UTC).hour == 7
    assert midnight_pacific(NOW).astimezone(UTC).hour == 8


def facts(**changed):
    good = VideoFacts(size=300_000, sha256="0" * 64, duration=20.0, width=1080, height=1920)
    return msgspec.structs.replace(good, **changed)


@pytest.mark.parametrize(
    ("content", "field", "code"),
    [
        (PostContent(title=""), "title", "missing"),
        (PostContent(title="x" * 101), "title", "too_long"),
        (PostContent(title="a < b"), "title", "forbidden_character"),
        (PostContent(title="t", caption="ü" * 2501), "caption", "too_long"),
        (PostContent(title="t", caption="a > b"), "caption", "forbidden_character"),
        (PostContent(title="t", tags=("x" * 250, "y" * 250)), "tags", "too_long"),
        (PostContent(title="t", visibility="friends"), "visibility", "not_offered"),
        (PostContent(title="t", options={"category": "comedy"}), "options.category", "not_offered"),
        (PostContent(title="t", options={"a": "b"}), "options.a", "unknown"),
    ],
)
def test_what_youtube_would_refuse_is_said_before(youtube, content, field, code):
    (problem,) = youtube.validate(content, facts(), AccountLimits())
    assert (problem.field, problem.code) == (field, code)


def test_tags_count_with_their_separators_and_quotation_marks():
    assert [tags_length(tags) for tags in ((), ("a",), ("a", "b"), ("two words",))] == [0, 1, 3, 11]


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "uploadLimitExceeded", OutcomeClass.QUOTA),
        (400, "invalidTitle", OutcomeClass.PERMANENT),
        (401, "authError", OutcomeClass.REAUTH),
        (401, "youtubeSignupRequired", OutcomeClass.PERMANENT),
        (403, "quotaExceeded", OutcomeClass.QUOTA),
        (403, "userRateLimitExceeded", OutcomeClass.RETRY),
        (403, "insufficientPermissions", OutcomeClass.RECONNECT),
        (403, "forbidden", OutcomeClass.PERMANENT),
        (412, "conditionNotMet", OutcomeClass.RETRY),
        (429, "", OutcomeClass.RETRY),
        (503, "backendError", OutcomeClass.RETRY),
    ],
)
def test_each_error_means_what_the_contract_says(status, reason, kind):
    body = msgspec.json.encode({"error": {"code": status, "message": "m", "errors": [{"reason": reason}]}})
    assert judged(Answer(status=status, headers={}, body=body), now=NOW).outcome.kind is kind


def test_text_can_be_changed_and_what_youtube_keeps_beside_it_stays(begin, youtube, simulator):
    driver = begin("Before", options={"category": "27"})
    driver.run()
    remote_id = driver.record.published.remote_id
    call = Call(tokens=driver.tokens, account_id=CHANNEL, now=simulator.clock)
    youtube.edit(remote_id, PostContent(title="After", caption="New", tags=("one",)), call)
    snippet = simulator.videos[remote_id].resource["snippet"]
    assert (snippet["title"], snippet["categoryId"], snippet["tags"]) == ("After", "27", ["one"])
    youtube.delete(remote_id, call)
    youtube.delete(remote_id, call)
    assert youtube.status(remote_id, call).state == "removed"


def test_numbers_are_counters_and_watch_time(begin, youtube, simulator):
    driver = begin("Counted")
    driver.run()
    remote_id = driver.record.published.remote_id
    call = Call(tokens=driver.tokens, account_id=CHANNEL, now=simulator.clock)
    (counted,) = youtube.metrics([remote_id, "gone"], call)
    assert (counted.views, counted.likes, counted.comments, counted.shares) == (1234, 56, 7, 9)
    assert (counted.watch_seconds, counted.average_watch_seconds) == (12000.0, 14.0)
    plain = msgspec.structs.replace(driver.tokens, scopes=SCOPES[:3])
    (counted,) = youtube.metrics([remote_id], Call(tokens=plain, account_id=CHANNEL, now=simulator.clock))
    assert counted.watch_seconds is None


def test_uploads_are_listed_newest_first_in_pages(begin, youtube, simulator):
    names = []
    for number in range(3):
        driver = begin(f"Video {number}")
        driver.run()
        names.append(driver.record.published.remote_id)
    call = Call(tokens=driver.tokens, account_id=CHANNEL, now=simulator.clock)
    page = youtube.recent(call, at_most=2)
    assert [post.remote_id for post in page.posts] == names[:0:-1]
    assert (page.posts[0].duration, page.posts[0].metrics.views) == (62.0, 1234)
    assert [post.remote_id for post in youtube.recent(call, cursor=page.cursor).posts] == names[:1]


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT1M2S", 62.0), ("PT2H", 7200.0), ("P1DT1S", 86401.0), ("P0D", 0.0), ("soon", None)]
)
def test_durations_are_read(text, seconds):
    assert duration_seconds(text) == seconds


def test_numbers_asked_for_with_a_dead_token_ask_for_a_new_one(youtube, simulator):
    call = Call(tokens=Tokens(access_token="dead"), account_id=CHANNEL, now=simulator.clock)
    with pytest.raises(PlatformTrouble) as found:
        youtube.metrics(["x"], call)
    assert found.value.outcome.kind is OutcomeClass.REAUTH


FEED = b"""<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"
 xmlns:at="http://purl.org/atompub/tombstones/1.0"><title>YouTube video feed</title>
 <entry><id>yt:video:VID1</id><yt:videoId>VID1</yt:videoId><yt:channelId>UC1</yt:channelId><title>A &amp; B</title>
 <published>2026-11-20T11:59:00+00:00</published><updated>2026-11-20T12:00:00.552394234+00:00</updated></entry>
 <at:deleted-entry ref="yt:video:VID2" when="2026-11-20T12:00:00+00:00"/></feed>"""


def test_the_feed_is_believed_by_its_signature_and_read_without_dangers(youtube):
    assert signature_of(b"<feed/>", "websub_secret") == "sha1=e28b5809b59f74255244ce8ce05fc37daa958a2f"
    signed = {"x-hub-signature": signature_of(FEED, "websub_secret")}
    new, gone = youtube.parse_feed(signed, FEED, secret="websub_secret")
    assert (new.kind, new.remote_id, new.account_remote_id, new.event_id) == ("new_post", "VID1", "UC1", "youtube-VID1")
    assert (gone.kind, gone.remote_id) == ("deleted_post", "VID2")
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feed>&b;</feed>'
    for headers, body in (
        ({}, FEED),
        (signed, FEED + b" "),
        ({"x-hub-signature": signature_of(FEED, "another")}, FEED),
        ({"x-hub-signature": signature_of(bomb, "websub_secret")}, bomb),
        ({"x-hub-signature": signature_of(b"no xml", "websub_secret")}, b"no xml"),
    ):
        with pytest.raises(WebhookRefused):
            youtube.parse_feed(headers, body, secret="websub_secret")


def test_the_hub_is_believed_only_about_the_feed_of_the_channel(youtube):
    topic = "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UC1"
    asked = {"hub.mode": "subscribe", "hub.topic": topic, "hub.challenge": "42", "hub.lease_seconds": "300"}
    answer = youtube.feed_answer("UC1", asked)
    assert (answer.mode, answer.challenge, answer.lease_seconds) == ("subscribe", "42", 300.0)
    assert youtube.feed_answer("UC1", asked | {"hub.topic": topic.replace("/xml", "")}).challenge == "42"
    assert youtube.feed_answer("UC1", asked | {"hub.lease_seconds": "-1e9"}).lease_seconds == 432_000.0
    refused = youtube.feed_answer("UC1", {"hub.mode": "denied", "hub.topic": topic, "hub.reason": "spam"})
    assert (refused.mode, refused.reason) == ("denied", "spam")
    for wrong in (
        {"hub.topic": "https://evil.example/feeds/videos.xml?channel_id=UC1"},
        {"hub.topic": "https://www.youtube.com/xml/feeds/videos.xml"},
        {"hub.topic": topic.replace("UC1", "UC2")},
        {"hub.mode": "publish"},
    ):
        assert youtube.feed_answer("UC1", asked | wrong) is None


def test_a_feed_is_asked_for_as_the_hub_wants_it_and_its_refusal_is_told(youtube, simulator):
    youtube.subscribe(CHANNEL, callback="https://cliply.example/feeds/1", secret="whisper")
    form = simulator.feeds["https://cliply.example/feeds/1"]
    assert form["hub.topic"] == f"https://www.youtube.com/xml/feeds/videos.xml?channel_id={CHANNEL}"
    assert (form["hub.mode"], form["hub.secret"], form["hub.lease_seconds"]) == ("subscribe", "whisper", "432000")
    youtube.subscribe(CHANNEL, callback="https://cliply.example/feeds/1", secret="whisper", wanted=False)
    assert simulator.feeds["https://cliply.example/feeds/1"]["hub.mode"] == "unsubscribe"
    with pytest.raises(PlatformTrouble) as found:
        youtube.subscribe(CHANNEL, callback="ftp://cliply.example/", secret="whisper")
    assert found.value.outcome.kind is OutcomeClass.PERMANENT
    simulator.faults.add(FaultKind.ERROR_BEFORE, path="^/subscribe")
    with pytest.raises(PlatformTrouble) as found:
        youtube.subscribe(CHANNEL, callback="https://cliply.example/feeds/1", secret="whisper")
    assert found.value.outcome.kind is OutcomeClass.RETRY
    assert "whisper" not in found.value.outcome.raw


def test_a_reached_upload_limit_waits_for_a_day():
    answer = Answer(status=400, headers={}, body=b'{"error":{"errors":[{"reason":"uploadLimitExceeded"}]}}')
    assert judged(answer, now=NOW).outcome.until == NOW + timedelta(days=1)
