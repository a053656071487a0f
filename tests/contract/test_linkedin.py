"""LinkedIn's own ways: its text format, its parts, what it recognises, and what it tells."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from linkedin_simulator import AUTHOR, HARNESS, SCOPES
from publishing_driver import Driver, make_video
from simulator_base import FaultKind, running

from cliply_resources.platforms.contract import Call
from cliply_resources.platforms.documents import AccountLimits, PostContent, PublishState, Tokens, Verdict, VideoFacts
from cliply_resources.platforms.linkedin.errors import judged
from cliply_resources.platforms.linkedin.text import little_text
from cliply_resources.platforms.outcomes import NotSupported, OutcomeClass, PlatformTrouble
from cliply_resources.platforms.registry import open_platform
from cliply_resources.platforms.wire import Answer
from cliply_resources.settings import Settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def simulator():
    with running(HARNESS) as opened:
        yield opened


@pytest.fixture
def linkedin(simulator):
    return open_platform("linkedin", Settings(**HARNESS.settings(simulator)))


@pytest.fixture
def begin(linkedin, simulator, tmp_path):
    def make(text, size=300_000, title=""):
        content = PostContent(caption=text, title=title)
        return Driver(
            linkedin, simulator, HARNESS.connect(simulator), content, make_video(tmp_path, size), account_id=AUTHOR
        )

    return make


def test_signing_in_names_the_member_and_what_was_granted(linkedin, simulator):
    url = linkedin.authorize_url(redirect_uri="https://cliply.example/back", state="s-1", verifier="unused")
    back = parse_qs(urlsplit(httpx.get(url).headers["location"]).query)
    assert back["state"] == ["s-1"]
    tokens = linkedin.exchange_code(
        code=back["code"][0], redirect_uri="https://cliply.example/back", verifier="", now=simulator.clock
    )
    assert tokens.scopes == SCOPES
    assert tokens.refresh_expires_at - simulator.clock() == timedelta(days=365)
    (profile,) = linkedin.profiles(tokens, now=simulator.clock)
    assert (profile.remote_id, profile.name) == (AUTHOR, "Ann Example")


def test_who_may_post_for_organisations_sees_them_as_accounts(linkedin, simulator):
    scopes = (*SCOPES, "w_organization_social", "rw_organization_admin")
    token = simulator.connect(scopes=scopes)
    found = linkedin.profiles(Tokens(access_token=token.value, scopes=scopes), now=simulator.clock)
    assert [(profile.remote_id, profile.kind) for profile in found] == [
        (AUTHOR, "person"),
        ("urn:li:organization:77", "organization"),
    ]


def test_without_a_refresh_token_a_dead_sign_in_asks_for_a_new_one(linkedin, simulator):
    with pytest.raises(PlatformTrouble) as found:
        linkedin.profiles(Tokens(access_token="dead"), now=simulator.clock)
    assert found.value.outcome.kind is OutcomeClass.RECONNECT
    with pytest.raises(PlatformTrouble, match="connect the account again"):
        linkedin.refresh(Tokens(access_token="dead"), now=simulator.clock)


@pytest.mark.parametrize(
    ("text", "little"),
    [
        ("plain", "plain"),
        ("a (b) [c] {d} <e>", r"a \(b\) \[c\] \{d\} \<e\>"),
        ("#growth and # alone, #1", r"#growth and \# alone, \#1"),
        ("#two_words", r"#two\_words"),
        ("50 * 2 ~ 100 | x@y", r"50 \* 2 \~ 100 \| x\@y"),
        ("back\\slash", r"back\\slash"),
        ("hi @[Acme](urn:li:organization:77)!", "hi @[Acme](urn:li:organization:77)!"),
        ("hi @[Acme](javascript:x)", r"hi \@\[Acme\]\(javascript:x\)"),
        ("#Größe #日本", "#Größe #日本"),
    ],
)
def test_reserved_characters_are_escaped_and_meant_ones_are_kept(text, little):
    assert little_text(text) == little


def test_a_caption_with_parentheses_arrives_whole(begin, simulator):
    driver = begin("Ten tips (and one more) #tips")
    driver.run()
    assert driver.state == "published"
    assert [entry.key for entry in simulator.ledger.entries] == ["Ten tips (and one more) #tips"]


def test_ten_million_bytes_go_in_three_parts_by_linkedins_own_ranges(begin, simulator):
    driver = begin("Parts", size=10_000_000)
    driver.run()
    assert driver.state == "published"
    (video,) = simulator.videos.values()
    assert video.parts == [(0, 4194303), (4194304, 8388607), (8388608, 9999999)]
    assert len(video.etags) == 3
    assert simulator.count("PUT", "/dms-uploads/") == 3


def test_a_lost_answer_is_settled_by_the_repetition_that_linkedin_recognises(begin, simulator):
    driver = begin("Once")
    simulator.faults.add(FaultKind.DROP_AFTER, path="^/rest/posts$")
    driver.run()
    assert driver.state == "published"
    assert driver.record.published.remote_id == simulator.ledger.entries[0].remote_id
    assert simulator.count("POST", "^/rest/posts$") == 2


def test_after_nine_minutes_a_person_is_asked_and_nothing_is_sent(begin, linkedin, simulator):
    driver = begin("Late")
    call = Call(tokens=driver.tokens, account_id=AUTHOR, now=simulator.clock, committed_at=simulator.clock())
    simulator.clock.advance(9 * 60 + 1)
    before = len(simulator.log)
    begun = linkedin.take(linkedin.plan(driver.intent, PublishState()), driver.intent, PublishState(), call)
    state = msgspec.structs.replace(begun.state, step="ready")
    sent = len(simulator.log)
    found = linkedin.reconcile(driver.intent, state, call)
    assert found.verdict is Verdict.UNDECIDABLE
    assert "ten minutes" in found.evidence
    assert (sent - before, len(simulator.log) - sent) == (1, 0)


def test_the_hundred_and_fifty_first_post_of_a_day_waits_for_midnight(begin, simulator):
    simulator.today = ("2026-11-20", 150)
    driver = begin("Tomorrow")
    driver.run()
    assert driver.state == "published"
    assert simulator.ledger.entries[0].at >= datetime(2026, 11, 21, tzinfo=UTC)


def facts(**changed):
    good = VideoFacts(size=300_000, sha256="0" * 64, duration=20.0, width=1080, height=1920)
    return msgspec.structs.replace(good, **changed)


@pytest.mark.parametrize(
    ("content", "video", "field"),
    [
        (PostContent(caption="x" * 3001), facts(), "caption"),
        (PostContent(visibility="unlisted"), facts(), "visibility"),
        (PostContent(options={"a": "b"}), facts(), "options.a"),
        (PostContent(), facts(duration=2.9), "video.duration"),
        (PostContent(), facts(duration=1801.0), "video.duration"),
        (PostContent(), facts(size=10_000), "video.size"),
        (PostContent(), facts(mime_type="video/webm"), "video.mime_type"),
    ],
)
def test_what_linkedin_would_refuse_is_said_before(linkedin, content, video, field):
    (problem,) = linkedin.validate(content, video, AccountLimits())
    assert problem.field == field


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "EXPIRED_UPLOAD_URL", OutcomeClass.RESTART),
        (400, "MEDIA_ASSET_PROCESSING_FAILED", OutcomeClass.RESTART),
        (400, "FIELD_INVALID", OutcomeClass.PERMANENT),
        (401, "EXPIRED_ACCESS_TOKEN", OutcomeClass.REAUTH),
        (403, "ACCESS_DENIED", OutcomeClass.RECONNECT),
        (409, "CONFLICT", OutcomeClass.RETRY),
        (422, "FIELD_INVALID", OutcomeClass.PERMANENT),
        (426, "NONEXISTENT_VERSION", OutcomeClass.RETRY),
        (429, "TOO_MANY_REQUESTS", OutcomeClass.QUOTA),
        (500, "INTERNAL", OutcomeClass.RETRY),
    ],
)
def test_each_error_means_what_the_contract_says(status, code, kind):
    answer = Answer(status=status, headers={}, body=msgspec.json.encode({"code": code, "message": "Something"}))
    tokens = Tokens(access_token="a-token", refresh_token="r-token")
    assert judged(answer, now=NOW, tokens=tokens).outcome.kind is kind


def test_text_can_be_changed_and_a_post_deleted_twice(begin, linkedin, simulator):
    driver = begin("Before")
    driver.run()
    urn = driver.record.published.remote_id
    call = Call(tokens=driver.tokens, account_id=AUTHOR, now=simulator.clock)
    linkedin.edit(urn, PostContent(caption="After (all)"), call)
    assert simulator.posts[urn].commentary == r"After \(all\)"
    linkedin.delete(urn, call)
    linkedin.delete(urn, call)
    assert simulator.posts[urn].deleted


def test_numbers_come_from_where_linkedin_keeps_them(begin, linkedin, simulator):
    driver = begin("Counted")
    driver.run()
    urn = driver.record.published.remote_id
    member = Call(tokens=driver.tokens, account_id=AUTHOR, now=simulator.clock)
    with pytest.raises(NotSupported, match="vetted"):
        linkedin.metrics([urn], member)
    scopes = (*SCOPES, "r_member_postAnalytics", "r_organization_social")
    vetted = Tokens(access_token=simulator.connect(scopes=scopes).value, scopes=scopes)
    (counted,) = linkedin.metrics([urn], replace(member, tokens=vetted))
    assert (counted.views, counted.reach, counted.likes) == (500, 400, 20)
    (counted,) = linkedin.metrics(
        [urn, "urn:li:share:1"], replace(member, tokens=vetted, account_id="urn:li:organization:77")
    )
    assert (counted.views, counted.likes, counted.extra) == (900, 30, {"clicks": 12.0})
