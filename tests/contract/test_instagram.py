"""Instagram's own ways: tokens that extend themselves, containers, errors that lie, insights and webhooks."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from instagram_simulator import ACCOUNT, HARNESS, SCOPES, InstagramSimulator
from publishing_driver import Driver, make_video
from simulator_base import FaultKind, running

from cliply_resources.platforms.contract import Call
from cliply_resources.platforms.documents import AccountLimits, PostContent, Tokens, VideoFacts
from cliply_resources.platforms.instagram.errors import judged, of_status
from cliply_resources.platforms.instagram.webhooks import signature_of
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, WebhookRefused
from cliply_resources.platforms.registry import open_platform
from cliply_resources.platforms.wire import Answer
from cliply_resources.settings import Settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TOKENS = Tokens(access_token="IGAA-secret")


@pytest.fixture
def simulator():
    with running(HARNESS) as opened:
        yield opened


@pytest.fixture
def instagram(simulator):
    return open_platform("instagram", Settings(**HARNESS.settings(simulator)))


@pytest.fixture
def begin(instagram, simulator, tmp_path):
    def make(text, *, size=300_000, content=None, link=True):
        video = make_video(tmp_path, size)
        video = simulator.link_for(video) if link else video
        tokens = HARNESS.connect(simulator)
        return Driver(instagram, simulator, tokens, content or PostContent(caption=text), video, account_id=ACCOUNT)

    return make


def test_signing_in_ends_with_a_token_of_sixty_days(instagram, simulator):
    url = instagram.authorize_url(redirect_uri="https://cliply.example/back", state="s-1", verifier="")
    location = httpx.get(url).headers["location"]
    assert location.endswith("#_")
    code = parse_qs(urlsplit(location).query)["code"][0]
    tokens = instagram.exchange_code(
        code=f"{code}#_", redirect_uri="https://cliply.example/back", verifier="", now=simulator.clock
    )
    assert tokens.scopes == SCOPES
    assert tokens.expires_at - simulator.clock() > timedelta(days=59)
    (profile,) = instagram.profiles(tokens, now=simulator.clock)
    assert (profile.remote_id, profile.username) == (ACCOUNT, "ann")
    with pytest.raises(PlatformTrouble, match="start connecting"):
        instagram.exchange_code(code=code, redirect_uri="https://cliply.example/back", verifier="", now=simulator.clock)


def test_a_token_extends_itself_after_a_day_and_not_after_its_end(instagram, simulator):
    tokens = HARNESS.connect(simulator)
    simulator.clock.advance(30 * 86400)
    new = instagram.refresh(tokens, now=simulator.clock)
    assert new.access_token != tokens.access_token
    assert new.scopes == SCOPES
    simulator.clock.advance(61 * 86400)
    with pytest.raises(PlatformTrouble) as over:
        instagram.refresh(new, now=simulator.clock)
    assert over.value.outcome.kind is OutcomeClass.RECONNECT


def test_an_error_although_the_reel_went_live_ends_in_one_reel(begin, simulator):
    simulator.live_but_error = 1
    driver = begin("Liar")
    driver.run()
    assert driver.state == "published"
    assert driver.record.published.remote_id == simulator.ledger.entries[0].remote_id
    assert driver.record.published.url.endswith(f"{driver.record.published.remote_id}/")
    assert simulator.count("POST", "/media_publish$") == 1


def test_a_lost_publish_never_makes_another_container(begin, simulator):
    driver = begin("Lost")
    simulator.faults.add(FaultKind.DROP_BEFORE, path="/media_publish$", times=3)
    driver.run()
    assert simulator.count("POST", f"/{ACCOUNT}/media$") == 1
    assert len(simulator.ledger.entries) <= 1
    assert driver.state in {"published", "asking"}


def test_a_reel_whose_address_comes_late_is_published_at_once_and_named_later(begin, simulator):
    driver = begin("Shy")
    simulator.faults.add(FaultKind.LATE_ID, path="/media_publish$")
    driver.run()
    assert driver.state == "published"
    assert driver.record.published.url is not None


def test_the_quota_is_asked_for_and_a_full_one_waits_a_day(begin, instagram, simulator):
    simulator.quota_total = 0
    call = Call(tokens=HARNESS.connect(simulator), account_id=ACCOUNT, now=simulator.clock)
    limits = instagram.account_limits(call)
    assert limits.posts_left == 0
    facts = VideoFacts(size=1, sha256="0" * 64, duration=20.0, width=1080, height=1920)
    assert [each.code for each in instagram.validate(PostContent(), facts, limits)] == ["quota"]
    driver = begin("Full")
    driver.run()
    # A day is later than this post may come.
    assert driver.state == "missed"
    assert "24 hours" in driver.record.reason
    assert simulator.ledger.entries == []


def test_without_a_link_from_outside_the_remedy_is_said(begin):
    driver = begin("Hidden", link=False)
    driver.run()
    assert driver.state == "rejected"
    assert "CLIPLY_PUBLIC_URL" in driver.record.reason


def test_bytes_go_on_where_a_broken_upload_stopped(tmp_path):
    with InstagramSimulator(resumable=True) as simulator:
        platform = open_platform("instagram", Settings(**HARNESS.settings(simulator)))
        assert not platform.capabilities.needs_link
        simulator.faults.add(FaultKind.PARTIAL, path="ig-api-upload")
        driver = Driver(
            platform,
            simulator,
            HARNESS.connect(simulator),
            PostContent(caption="Halves"),
            make_video(tmp_path, 2_000_000),
            account_id=ACCOUNT,
        )
        driver.run()
        assert driver.state == "published"
        offsets = [asked.headers["offset"] for asked, _ in simulator.log if "ig-api-upload" in asked.path]
        assert offsets == ["0", "1000000"]


def facts(**changed):
    good = VideoFacts(size=300_000, sha256="0" * 64, duration=20.0, width=1080, height=1920)
    return msgspec.structs.replace(good, **changed)


@pytest.mark.parametrize(
    ("content", "video", "field", "code"),
    [
        (PostContent(caption="x" * 2201), facts(), "caption", "too_long"),
        (PostContent(caption=" ".join(f"#t{n}" for n in range(31))), facts(), "caption", "too_many_hashtags"),
        (PostContent(caption=" ".join(f"@p{n}" for n in range(21))), facts(), "caption", "too_many_mentions"),
        (PostContent(visibility="private"), facts(), "visibility", "not_offered"),
        (PostContent(options={"collaborators": "a,b,c,d"}), facts(), "options.collaborators", "too_many"),
        (PostContent(options={"share_to_feed": "maybe"}), facts(), "options.share_to_feed", "not_offered"),
        (PostContent(options={"wind": "west"}), facts(), "options.wind", "unknown"),
        (PostContent(cover_at=30.0), facts(), "cover_at", "out_of_range"),
        (PostContent(), facts(duration=2.0), "video.duration", "out_of_range"),
        (PostContent(), facts(duration=901.0), "video.duration", "out_of_range"),
        (PostContent(), facts(size=300_000_001), "video.size", "too_large"),
        (PostContent(), facts(fps=15.0), "video.fps", "out_of_range"),
        (PostContent(), facts(width=3840), "video.width", "out_of_range"),
    ],
)
def test_what_instagram_would_refuse_is_said_before(instagram, content, video, field, code):
    (problem,) = instagram.validate(content, video, AccountLimits())
    assert (problem.field, problem.code) == (field, code)


@pytest.mark.parametrize(
    ("code", "subcode", "kind"),
    [
        (-2, 2207003, OutcomeClass.RESTART),
        (-1, 2207001, OutcomeClass.RETRY),
        (24, 2207008, OutcomeClass.RETRY),
        (1, 0, OutcomeClass.RETRY),
        (-2, 2207020, OutcomeClass.RESTART),
        (-1, 2207053, OutcomeClass.RESTART),
        (24, 2207006, OutcomeClass.RESTART),
        (9, 2207042, OutcomeClass.QUOTA),
        (4, 0, OutcomeClass.RETRY),
        (80002, 0, OutcomeClass.RETRY),
        (4, 2207051, OutcomeClass.PERMANENT),
        (25, 2207050, OutcomeClass.RECONNECT),
        (352, 2207026, OutcomeClass.PERMANENT),
        (9004, 2207052, OutcomeClass.RESTART),
        (36003, 2207009, OutcomeClass.PERMANENT),
        (36004, 2207010, OutcomeClass.PERMANENT),
        (190, 460, OutcomeClass.RECONNECT),
        (10, 0, OutcomeClass.RECONNECT),
        (200, 0, OutcomeClass.RECONNECT),
        (100, 0, OutcomeClass.PERMANENT),
    ],
)
def test_each_error_means_what_the_contract_says(code, subcode, kind):
    body = msgspec.json.encode(
        {"error": {"code": code, "error_subcode": subcode, "message": "Something", "fbtrace_id": "x"}}
    )
    outcome = judged(Answer(status=400, headers={}, body=body), now=NOW, tokens=TOKENS).outcome
    assert outcome.kind is kind
    assert outcome.reason.endswith(".")


@pytest.mark.parametrize("code", [1, 2, 24, -1])
def test_vague_errors_of_the_publishing_call_are_unknown(code):
    body = msgspec.json.encode({"error": {"code": code, "message": "Something"}})
    answer = Answer(status=400, headers={}, body=body)
    assert judged(answer, now=NOW, tokens=TOKENS, committing=True).outcome.kind is OutcomeClass.UNKNOWN


def test_a_containers_error_text_is_read():
    assert of_status("Error: … 2207026").outcome.kind is OutcomeClass.PERMANENT
    assert of_status("Error: something else").outcome.kind is OutcomeClass.RESTART


def test_the_wait_is_what_metas_header_says():
    usage = '{"178":[{"type":"instagram","call_count":100,"estimated_time_to_regain_access":7}]}'
    body = b'{"error":{"code":4,"message":"limit"}}'
    answer = Answer(status=403, headers={"x-business-use-case-usage": usage}, body=body)
    assert judged(answer, now=NOW, tokens=TOKENS).outcome.retry_after == 420


def test_a_metric_that_is_gone_costs_only_itself(begin, instagram, simulator):
    driver = begin("Counted")
    driver.run()
    call = Call(tokens=driver.tokens, account_id=ACCOUNT, now=simulator.clock)
    media_id = driver.record.published.remote_id
    (counted,) = instagram.metrics([media_id, "404"], call)
    assert (counted.views, counted.saves, counted.average_watch_seconds, counted.watch_seconds) == (
        1234,
        8,
        9.5,
        11700.0,
    )
    del simulator.metrics["reels_skip_rate"]
    (counted,) = instagram.metrics([media_id], call)
    assert counted.views == 1234
    assert "reels_skip_rate" not in counted.extra


def test_reels_are_listed_newest_first_in_pages(begin, instagram, simulator):
    names = []
    for number in range(3):
        driver = begin(f"Reel {number}")
        driver.run()
        names.append(driver.record.published.remote_id)
    call = Call(tokens=driver.tokens, account_id=ACCOUNT, now=simulator.clock)
    page = instagram.recent(call, at_most=2)
    assert [post.remote_id for post in page.posts] == names[:0:-1]
    rest = instagram.recent(call, cursor=page.cursor)
    assert ([post.remote_id for post in rest.posts], rest.cursor) == (names[:1], None)
    assert instagram.status(names[0], call).state == "live"


def test_metas_word_is_asked_for_before_anything_is_believed(instagram):
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "the word"}
    assert instagram.answer_challenge(asked) == "1158201444"
    assert instagram.answer_challenge(asked | {"hub.verify_token": "another"}) is None
    assert instagram.answer_challenge(asked | {"hub.mode": "unsubscribe"}) is None


def test_webhooks_are_believed_by_their_signature_over_the_raw_bytes(instagram):
    vector = "sha256=157e2c557d523a3c0d39eb6ecc883544f326649736321d858e5fb3683201e117"
    assert signature_of(b'{"object":"instagram","entry":[]}', "meta_secret") == vector
    body = (
        b'{"object":"instagram","entry":[{"id":"178","time":%d,"changes":[{"field":"comments","value":'
        b'{"id":"1","text":"gr\\u00fc\\u00df","media":{"id":"179"}}}]}]}' % int(NOW.timestamp())
    )
    signed = {"x-hub-signature-256": signature_of(body, "hush")}
    (event,) = instagram.parse_webhook(signed, body, now=lambda: NOW)
    assert (event.kind, event.account_remote_id, event.remote_id) == ("other", "178", "179")
    assert instagram.parse_webhook(signed, body, now=lambda: NOW)[0].event_id == event.event_id
    for headers, sent, at in (
        ({}, body, NOW),
        ({"x-hub-signature-256": "sha256=00"}, body, NOW),
        (signed, body + b" ", NOW),
        (signed, body, NOW + timedelta(days=3)),
    ):
        with pytest.raises(WebhookRefused):
            instagram.parse_webhook(headers, sent, now=lambda at=at: at)


def test_options_reach_the_container(begin, simulator):
    content = PostContent(
        caption="All of it",
        cover_at=2.5,
        made_with_ai=True,
        options={"share_to_feed": "yes", "collaborators": "@bob, carl", "trial": "MANUAL", "audio_name": "Ours"},
    )
    driver = begin("", content=content)
    driver.run()
    asked = next(asked for asked, _ in simulator.log if asked.path.endswith(f"{ACCOUNT}/media"))
    sent = asked.json()
    assert (sent["thumb_offset"], sent["share_to_feed"], sent["is_ai_generated"]) == (2500, True, True)
    assert sent["collaborators"] == ["bob", "carl"]
    assert sent["trial_params"] == {"graduation_strategy": "MANUAL"}
