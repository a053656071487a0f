"""X's own ways: signing in, how it counts, what its errors mean, and what can be asked afterwards."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from publishing_driver import Driver, make_video
from simulator_base import running
from x_simulator import HARNESS, SCOPES

from cliply_resources.platforms.contract import Call
from cliply_resources.platforms.documents import AccountLimits, PostContent, VideoFacts
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble
from cliply_resources.platforms.registry import open_platform
from cliply_resources.platforms.wire import Answer
from cliply_resources.platforms.x.errors import judged
from cliply_resources.platforms.x.text import has_link, weighted_length
from cliply_resources.settings import Settings

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def simulator():
    with running(HARNESS) as opened:
        yield opened


@pytest.fixture
def x(simulator):
    return open_platform("x", Settings(**HARNESS.settings(simulator)))


@pytest.fixture
def call(x, simulator):
    tokens = HARNESS.connect(simulator)
    return Call(tokens=tokens, account_id="1001", now=simulator.clock, username="ann")


def publish(x, simulator, call, tmp_path, text):
    driver = Driver(
        x,
        simulator,
        call.tokens,
        PostContent(caption=text),
        make_video(tmp_path, 300_000),
        account_id="1001",
        username="ann",
    )
    driver.run()
    return driver


def test_signing_in_goes_through_pkce_and_the_code_is_worth_one_pair(x, simulator):
    url = x.authorize_url(redirect_uri="https://cliply.example/back", state="s-1", verifier=VERIFIER)
    asked = parse_qs(urlsplit(url).query)
    assert asked["code_challenge"] == ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"]
    back = parse_qs(urlsplit(httpx.get(url).headers["location"]).query)
    assert back["state"] == ["s-1"]
    tokens = x.exchange_code(
        code=back["code"][0], redirect_uri="https://cliply.example/back", verifier=VERIFIER, now=simulator.clock
    )
    assert tokens.scopes == SCOPES
    assert (tokens.expires_at - simulator.clock()).total_seconds() == 7200
    (profile,) = x.profiles(tokens, now=simulator.clock)
    assert (profile.remote_id, profile.username) == ("1001", "ann")
    with pytest.raises(PlatformTrouble) as again:
        x.exchange_code(
            code=back["code"][0], redirect_uri="https://cliply.example/back", verifier=VERIFIER, now=simulator.clock
        )
    assert again.value.outcome.kind is OutcomeClass.RECONNECT


def test_a_code_that_waited_longer_than_half_a_minute_is_worth_nothing(x, simulator):
    url = x.authorize_url(redirect_uri="https://cliply.example/back", state="s", verifier=VERIFIER)
    code = parse_qs(urlsplit(httpx.get(url).headers["location"]).query)["code"][0]
    simulator.clock.advance(31)
    with pytest.raises(PlatformTrouble, match="start connecting the account again"):
        x.exchange_code(code=code, redirect_uri="https://cliply.example/back", verifier=VERIFIER, now=simulator.clock)


def test_a_refresh_token_is_worth_one_pair_and_using_it_twice_ends_the_connection(x, simulator, call):
    new = x.refresh(call.tokens, now=simulator.clock)
    assert new.refresh_token != call.tokens.refresh_token
    with pytest.raises(PlatformTrouble) as spent:
        x.refresh(call.tokens, now=simulator.clock)
    assert spent.value.outcome.kind is OutcomeClass.RECONNECT
    with pytest.raises(PlatformTrouble):
        x.profiles(new, now=simulator.clock)


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("hello", 5),
        ("Grüße", 5),
        ("Gru\u0308ße", 5),
        ("日本語", 6),
        ("👍", 2),
        ("👍🏽", 2),
        ("👨‍👩‍👧‍👦", 2),
        ("🇩🇪🇫🇷", 4),
        ("1️⃣", 2),
        ("it’s – fine", 11),
        ("see https://cliply.example/a/very/long/path?with=query", 4 + 23),
        ("see cliply.com now", 4 + 23 + 4),
        ("mail me@cliply.com", 18),
        ("3.5 of 10", 9),
    ],
)
def test_text_counts_as_x_counts_it(text, weight):
    assert weighted_length(text) == weight


def test_links_are_seen_since_they_cost_more():
    assert has_link("look: cliply.com/x")
    assert not has_link("version 3.5 is out")


def facts(**changed):
    good = VideoFacts(size=1000, sha256="0" * 64, duration=20.0, width=1080, height=1920)
    return msgspec.structs.replace(good, **changed)


@pytest.mark.parametrize(
    ("content", "video", "field", "code"),
    [
        (PostContent(caption="x" * 281), facts(), "caption", "too_long"),
        (PostContent(caption="$AB and $CD"), facts(), "caption", "too_many_cashtags"),
        (PostContent(visibility="private"), facts(), "visibility", "not_offered"),
        (PostContent(options={"colour": "red"}), facts(), "options.colour", "unknown"),
        (PostContent(options={"reply_settings": "nobody"}), facts(), "options.reply_settings", "not_offered"),
        (PostContent(), facts(duration=141.0), "video.duration", "out_of_range"),
        (PostContent(), facts(duration=0.2), "video.duration", "out_of_range"),
        (PostContent(), facts(size=600_000_000), "video.size", "too_large"),
        (PostContent(), facts(width=100, height=400), "video.width", "out_of_range"),
        (PostContent(), facts(fps=120.0), "video.fps", "out_of_range"),
    ],
)
def test_what_x_would_refuse_is_said_before(x, content, video, field, code):
    (problem,) = x.validate(content, video, AccountLimits())
    assert (problem.field, problem.code) == (field, code)
    assert problem.message.endswith(".")


def test_a_premium_account_may_say_more_and_longer(x):
    long = PostContent(caption="x" * 2000, options={"long_text": "yes"})
    assert x.validate(long, facts(duration=600.0), AccountLimits(duration_max=14400.0)) == ()


def test_the_same_text_as_an_older_post_is_refused_with_that_post_named(x, simulator, call, tmp_path):
    first = publish(x, simulator, call, tmp_path, "Twice told")
    assert first.state == "published"
    simulator.clock.advance(3600)
    second = publish(x, simulator, call, tmp_path, "Twice told")
    assert second.state == "rejected"
    assert f"/status/{first.record.published.remote_id} says the same" in second.record.reason
    assert len(simulator.ledger.entries) == 1


def test_used_up_credits_park_the_post_until_tomorrow(x, simulator, call, tmp_path):
    simulator.cap_reached = True
    driver = Driver(
        x, simulator, call.tokens, PostContent(caption="No money"), make_video(tmp_path, 300_000), account_id="1001"
    )
    for _ in range(30):
        if driver.record.next_at and "usage-capped" in str(driver.record.history):
            break
        if driver.record.next_at and driver.record.next_at > simulator.clock():
            simulator.clock.advance((driver.record.next_at - simulator.clock()).total_seconds())
        driver.once()
    assert driver.record.next_at >= datetime(2026, 11, 21, tzinfo=UTC)
    assert "credits" in driver.record.reason


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"detail": "Your media IDs are invalid."}, OutcomeClass.RESTART),
        (400, {"errors": [{"message": "text is bad"}]}, OutcomeClass.PERMANENT),
        (401, {}, OutcomeClass.REAUTH),
        (402, {"title": "Payment required"}, OutcomeClass.QUOTA),
        (403, {"type": "https://api.x.com/2/problems/usage-capped"}, OutcomeClass.QUOTA),
        (403, {"detail": "Your account is suspended."}, OutcomeClass.RECONNECT),
        (403, {"type": "https://api.x.com/2/problems/client-forbidden"}, OutcomeClass.RECONNECT),
        (403, {"detail": "You are not allowed to post a video longer than 2 minutes."}, OutcomeClass.PERMANENT),
        (413, {}, OutcomeClass.PERMANENT),
        (429, {}, OutcomeClass.RETRY),
        (500, {}, OutcomeClass.RETRY),
        (503, {"code": 130, "message": "Over capacity"}, OutcomeClass.RETRY),
    ],
)
def test_each_error_means_what_the_contract_says(status, body, kind):
    answer = Answer(status=status, headers={}, body=msgspec.json.encode(body))
    assert judged(answer, now=NOW).outcome.kind is kind


def test_a_5xx_of_the_publishing_call_is_unknown_and_a_reset_far_away_is_a_quota():
    assert (
        judged(Answer(status=502, headers={}, body=b""), now=NOW, committing=True).outcome.kind is OutcomeClass.UNKNOWN
    )
    soon, late = (str(int(NOW.timestamp()) + seconds) for seconds in (90, 7200))
    waiting = judged(Answer(status=429, headers={"x-rate-limit-reset": soon}, body=b""), now=NOW).outcome
    assert (waiting.kind, waiting.retry_after) == (OutcomeClass.RETRY, 90)
    parked = judged(Answer(status=429, headers={"x-rate-limit-reset": late}, body=b""), now=NOW).outcome
    assert (parked.kind, parked.until.timestamp()) == (OutcomeClass.QUOTA, NOW.timestamp() + 7200)


def test_numbers_are_read_and_what_x_no_longer_tells_is_absent(x, simulator, call, tmp_path):
    driver = publish(x, simulator, call, tmp_path, "Counted")
    remote_id = driver.record.published.remote_id
    simulator.clock.advance(3 * 3600)
    call = Call(tokens=x.refresh(driver.tokens, now=simulator.clock), account_id="1001", now=simulator.clock)
    (found,) = x.metrics([remote_id, "404"], call)
    assert (found.views, found.likes, found.shares, found.saves) == (77, 3, 4, 4)
    assert found.extra["playback_100_count"] == 12
    simulator.clock.advance(31 * 86400)
    call = Call(tokens=x.refresh(call.tokens, now=simulator.clock), account_id="1001", now=simulator.clock)
    assert x.metrics([remote_id], call)[0].extra == {}


def test_posts_are_listed_newest_first_in_pages_and_deleting_twice_is_deleting(x, simulator, call, tmp_path):
    names = [publish(x, simulator, call, tmp_path, f"Post {number}").record.published.remote_id for number in range(6)]
    page = x.recent(call, at_most=5)
    assert [post.remote_id for post in page.posts] == names[:0:-1]
    assert page.posts[0].duration == 20.0
    assert [post.remote_id for post in x.recent(call, cursor=page.cursor).posts] == names[:1]
    assert x.status(names[0], call).state == "live"
    x.delete(names[0], call)
    x.delete(names[0], call)
    assert x.status(names[0], call).state == "removed"


def test_bytes_go_in_segments_and_each_once(x, simulator, call, tmp_path):
    driver = Driver(
        x, simulator, call.tokens, PostContent(caption="Parts"), make_video(tmp_path, 2_500_000), account_id="1001"
    )
    driver.run()
    assert driver.state == "published"
    assert simulator.count("POST", "/append$") == 3
    (media,) = simulator.media.values()
    assert sorted(media.segments.values(), reverse=True) == [1048576, 1048576, 402848]


def test_an_installation_without_an_app_says_what_to_set():
    assert "CLIPLY_X_CLIENT_ID" in open_platform("x", Settings(x_client_id=None)).configured()
