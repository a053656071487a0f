"""TikTok's own ways: hexadecimal PKCE, chunks, creator info, moderation, the Display API and webhooks."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from publishing_driver import Driver, make_video
from simulator_base import FaultKind, running
from tiktok_simulator import HARNESS, SCOPES, TikTokSimulator

from cliply_resources.platforms.contract import Call
from cliply_resources.platforms.documents import AccountLimits, PostContent, Tokens, VideoFacts
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, WebhookRefused
from cliply_resources.platforms.registry import open_platform
from cliply_resources.platforms.tiktok.chunks import chunk_plan
from cliply_resources.platforms.tiktok.errors import failed, judged
from cliply_resources.platforms.tiktok.rules import utf16_units
from cliply_resources.platforms.tiktok.webhooks import signature_of
from cliply_resources.platforms.wire import Answer
from cliply_resources.settings import Settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BACK = "https://cliply.example/back"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


@pytest.fixture
def simulator():
    with running(HARNESS) as opened:
        yield opened


@pytest.fixture
def tiktok(simulator):
    return open_platform("tiktok", Settings(**HARNESS.settings(simulator)))


@pytest.fixture
def begin(tiktok, simulator, tmp_path):
    def make(text, **content):
        tokens = HARNESS.connect(simulator)
        return Driver(
            tiktok,
            simulator,
            tokens,
            PostContent(caption=text, **content),
            make_video(tmp_path, 300_000),
            account_id="oid-1",
        )

    return make


def sign_in(platform, simulator, verifier):
    url = platform.authorize_url(redirect_uri=BACK, state="s-1", verifier=VERIFIER)
    back = parse_qs(urlsplit(httpx.get(url).headers["location"]).query)
    return platform.exchange_code(code=back["code"][0], redirect_uri=BACK, verifier=verifier, now=simulator.clock)


def test_a_web_app_signs_in_without_pkce_and_learns_what_was_unticked(tiktok, simulator):
    simulator.untick = {"video.publish"}
    tokens = sign_in(tiktok, simulator, VERIFIER)
    assert tokens.scopes == ("user.info.basic", "user.info.profile", "video.list")
    assert not set(tiktok.capabilities.scopes_to_publish) <= set(tokens.scopes)
    (profile,) = tiktok.profiles(tokens, now=simulator.clock)
    assert (profile.remote_id, profile.username) == ("oid-1", "ann")


def test_a_desktop_app_sends_the_challenge_in_hexadecimal():
    with TikTokSimulator(desktop=True) as simulator:
        platform = open_platform("tiktok", Settings(**HARNESS.settings(simulator)))
        asked = parse_qs(urlsplit(platform.authorize_url(redirect_uri=BACK, state="s", verifier=VERIFIER)).query)
        assert asked["code_challenge"] == ["13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3"]
        assert sign_in(platform, simulator, VERIFIER).scopes == SCOPES
        with pytest.raises(PlatformTrouble) as wrong:
            sign_in(platform, simulator, "another-verifier-that-is-long-enough-to-be-one-0123456789")
        assert wrong.value.outcome.kind is OutcomeClass.RECONNECT


def test_a_refresh_may_bring_another_refresh_token_and_the_old_one_dies(tiktok, simulator):
    tokens = HARNESS.connect(simulator)
    new = tiktok.refresh(tokens, now=simulator.clock)
    assert new.refresh_token != tokens.refresh_token
    with pytest.raises(PlatformTrouble) as spent:
        tiktok.refresh(tokens, now=simulator.clock)
    assert spent.value.outcome.kind is OutcomeClass.RECONNECT
    tiktok.revoke(new)
    with pytest.raises(PlatformTrouble) as gone:
        tiktok.profiles(new, now=simulator.clock)
    assert gone.value.outcome.kind is OutcomeClass.REAUTH


@pytest.mark.parametrize(
    ("size", "chunk", "sent", "count", "last"),
    [
        (3_145_728, 10_000_000, 3_145_728, 1, (0, 3_145_728)),
        (19_999_999, 10_000_000, 10_000_000, 1, (0, 19_999_999)),
        (50_000_123, 10_000_000, 10_000_000, 5, (40_000_000, 50_000_123)),
        (150_000_000, 64_000_000, 64_000_000, 2, (64_000_000, 150_000_000)),
        (4_294_967_296, 64_000_000, 64_000_000, 67, (4_224_000_000, 4_294_967_296)),
    ],
)
def test_videos_are_cut_as_tiktok_wants(size, chunk, sent, count, last):
    plan = chunk_plan(size, chunk=chunk)
    assert (plan.chunk, plan.chunks) == (sent, count)
    assert plan.is_last(last[0])
    assert plan.end_of(last[0]) == last[1]
    assert count == 1 or not plan.is_last(last[0] - 1)


def test_captions_count_in_utf16_units():
    assert [utf16_units(text) for text in ("abc", "Grüße", "日本", "👍", "👨‍👩‍👧")] == [3, 5, 2, 2, 8]


def facts(**changed):
    good = VideoFacts(size=300_000, sha256="0" * 64, duration=20.0, width=1080, height=1920)
    return msgspec.structs.replace(good, **changed)


@pytest.mark.parametrize(
    ("content", "video", "account", "field", "code"),
    [
        (PostContent(caption="👍" * 1101), facts(), AccountLimits(), "caption", "too_long"),
        (PostContent(visibility="unlisted"), facts(), AccountLimits(), "visibility", "not_offered"),
        (PostContent(), facts(), AccountLimits(visibilities=("private",)), "visibility", "not_offered"),
        (
            PostContent(visibility="private", paid_partnership=True),
            facts(),
            AccountLimits(),
            "visibility",
            "not_with_paid_partnership",
        ),
        (PostContent(options={"a": "b"}), facts(), AccountLimits(), "options.a", "unknown"),
        (PostContent(cover_at=21.0), facts(), AccountLimits(), "cover_at", "out_of_range"),
        (PostContent(), facts(), AccountLimits(posts_left=0), "account", "quota"),
        (PostContent(), facts(), AccountLimits(duration_max=10.0), "video.duration", "out_of_range"),
        (PostContent(), facts(duration=601.0), AccountLimits(), "video.duration", "out_of_range"),
        (PostContent(), facts(width=200), AccountLimits(), "video.width", "out_of_range"),
        (PostContent(), facts(fps=90.0), AccountLimits(), "video.fps", "out_of_range"),
        (PostContent(), facts(size=5_000_000_000), AccountLimits(), "video.size", "too_large"),
    ],
)
def test_what_tiktok_would_refuse_is_said_before(tiktok, content, video, account, field, code):
    (problem,) = tiktok.validate(content, video, account)
    assert (problem.field, problem.code) == (field, code)


def test_creator_info_is_asked_before_every_post_and_its_switches_are_kept(begin, tiktok, simulator):
    simulator.comment_disabled = True
    driver = begin("Quiet")
    call = Call(tokens=driver.tokens, account_id="oid-1", now=simulator.clock)
    may = tiktok.account_limits(call)
    assert may.visibilities == ("public", "friends", "private")
    assert (may.comments_disabled, may.stitch_disabled, may.duration_max, may.username) == (True, True, 300.0, "ann")
    driver.run()
    assert driver.state == "published"
    asked = next(asked for asked, _ in simulator.log if asked.path.endswith("/video/init/"))
    assert asked.json()["post_info"]["disable_comment"] is True
    assert driver.record.published.url == f"https://www.tiktok.com/@ann/video/{driver.record.published.remote_id}"


def test_a_creator_who_may_no_longer_post_publicly_is_told_before_any_byte_is_sent(begin, simulator):
    simulator.options = ["FOLLOWER_OF_CREATOR", "SELF_ONLY"]
    driver = begin("Public")
    driver.run()
    assert driver.state == "rejected"
    assert "followers, private" in driver.record.reason
    assert simulator.count("PUT", "/video/") == 0


def test_a_private_post_is_complete_without_an_id(begin, simulator):
    driver = begin("Only me", visibility="private")
    driver.run()
    assert driver.state == "published"
    assert driver.record.published.remote_id is None


def test_a_long_moderation_is_published_at_once_and_named_later(begin, simulator):
    driver = begin("Slow check")
    simulator.faults.add(FaultKind.LATE_ID, path="^/video/$")
    driver.run()
    assert driver.state == "published"
    assert driver.record.published.remote_id == simulator.ledger.entries[0].remote_id
    assert simulator.clock() - simulator.ledger.entries[0].at > timedelta(minutes=10)


def test_the_sixteenth_post_of_a_day_waits_and_is_not_sent(begin, simulator):
    simulator.per_day = 0
    driver = begin("Too many")
    driver.run()
    assert driver.state == "missed"
    assert simulator.count("POST", "/video/init/$") == 0


def test_an_upload_whose_address_expired_begins_again(begin, tiktok, simulator):
    driver = begin("Overslept")
    while driver.state == "due" or "init:ok" not in driver.record.history:
        driver.once()
    simulator.clock.advance(3700)
    driver.run()
    assert driver.state == "published"
    assert len(simulator.ledger.entries) == 1
    assert simulator.count("POST", "/video/init/$") == 2


def test_a_lost_answer_to_a_private_link_is_a_persons_question(tmp_path):
    with TikTokSimulator(pulls=True) as simulator:
        platform = open_platform("tiktok", Settings(**HARNESS.settings(simulator)))
        simulator.faults.add(FaultKind.DROP_AFTER, path="/video/init/$")
        content = PostContent(caption="Mine", visibility="private")
        video = simulator.link_for(make_video(tmp_path, 300_000))
        driver = Driver(platform, simulator, HARNESS.connect(simulator), content, video, account_id="oid-1")
        driver.run()
        assert driver.state == "asking"
        assert len(simulator.ledger.entries) == 1


def test_an_address_nobody_verified_is_refused_with_the_setting_to_change(tmp_path):
    with TikTokSimulator(pulls=True) as simulator:
        platform = open_platform("tiktok", Settings(**HARNESS.settings(simulator)))
        video = simulator.link_for(make_video(tmp_path, 300_000))
        simulator.links.clear()
        driver = Driver(
            platform, simulator, HARNESS.connect(simulator), PostContent(caption="x"), video, account_id="oid-1"
        )
        driver.run()
        assert driver.state == "rejected"
        assert "CLIPLY_TIKTOK_SOURCE=FILE_UPLOAD" in driver.record.reason


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_param", OutcomeClass.PERMANENT),
        (400, "scope_permission_missed", OutcomeClass.RECONNECT),
        (401, "access_token_invalid", OutcomeClass.REAUTH),
        (401, "scope_not_authorized", OutcomeClass.RECONNECT),
        (403, "spam_risk_too_many_posts", OutcomeClass.QUOTA),
        (200, "spam_risk_too_many_posts", OutcomeClass.QUOTA),
        (403, "spam_risk_user_banned_from_posting", OutcomeClass.PERMANENT),
        (403, "reached_active_user_cap", OutcomeClass.QUOTA),
        (403, "unaudited_client_can_only_post_to_private_accounts", OutcomeClass.PERMANENT),
        (403, "url_ownership_unverified", OutcomeClass.PERMANENT),
        (403, "privacy_level_option_mismatch", OutcomeClass.PERMANENT),
        (429, "rate_limit_exceeded", OutcomeClass.RETRY),
        (500, "internal_error", OutcomeClass.RETRY),
        (200, "", OutcomeClass.RETRY),
    ],
)
def test_each_error_means_what_the_contract_says(status, code, kind):
    body = msgspec.json.encode({"data": {}, "error": {"code": code, "message": "", "log_id": "1"}})
    answer = Answer(status=status, headers={}, body=body)
    assert judged(answer, now=NOW, tokens=Tokens(access_token="act.secret")).outcome.kind is kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("file_format_check_failed", OutcomeClass.PERMANENT),
        ("internal", OutcomeClass.RESTART),
        ("video_pull_failed", OutcomeClass.RESTART),
        ("auth_removed", OutcomeClass.RECONNECT),
        ("spam_risk", OutcomeClass.PERMANENT),
        ("something_new", OutcomeClass.PERMANENT),
    ],
)
def test_each_reason_of_failure_means_what_the_contract_says(reason, kind):
    assert failed(reason, NOW).outcome.kind is kind


def test_a_creators_own_videos_are_listed_and_counted(begin, tiktok, simulator):
    names = []
    for number in range(3):
        driver = begin(f"Video {number}")
        driver.run()
        names.append(driver.record.published.remote_id)
    call = Call(tokens=driver.tokens, account_id="oid-1", now=simulator.clock)
    page = tiktok.recent(call, at_most=2)
    assert [post.remote_id for post in page.posts] == names[:0:-1]
    assert page.posts[0].metrics.views == 321
    assert [post.remote_id for post in tiktok.recent(call, cursor=page.cursor).posts] == names[:1]
    assert {each.remote_id for each in tiktok.metrics([*names, "1"], call)} == set(names)
    assert tiktok.status("1", call).state == "removed"


B1 = (
    b'{"client_key":"ck_test","event":"post.publish.publicly_available","create_time":1763600000,"user_openid":"oid-1",'
    b'"content":"{\\"publish_id\\":\\"v_pub_file~v2-1.123\\",\\"post_id\\":\\"7570000000000000001\\",'
    b'\\"publish_type\\":\\"DIRECT_PUBLISH\\"}"}'
)


def test_webhooks_are_signed_dated_and_recognised_when_they_come_twice():
    platform = open_platform("tiktok", Settings(tiktok_client_key="ck_test", tiktok_client_secret="tiktok_secret"))
    vector = "t=1763600000,s=986629cfb3fadd4019663a332013cf27918ea24e62a782c683e781b79de3ac8e"
    assert signature_of(B1, "tiktok_secret", 1763600000) == vector
    at = datetime.fromtimestamp(1763600010, UTC)
    (event,) = platform.parse_webhook({"tiktok-signature": vector}, B1, now=lambda: at)
    assert (event.kind, event.handle, event.remote_id) == ("public", "v_pub_file~v2-1.123", "7570000000000000001")
    again = platform.parse_webhook({"tiktok-signature": vector}, B1, now=lambda: at)
    assert again[0].event_id == event.event_id
    for headers, body, when in (
        ({}, B1, at),
        ({"tiktok-signature": vector}, B1 + b" ", at),
        ({"tiktok-signature": vector}, B1, at + timedelta(minutes=6)),
        ({"tiktok-signature": "t=x,s=y"}, B1, at),
    ):
        with pytest.raises(WebhookRefused):
            platform.parse_webhook(headers, body, now=lambda when=when: when)
