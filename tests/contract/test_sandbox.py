"""The sandbox keeps the contract of the real platforms: once, whatever dies, and everything afterwards."""

from types import SimpleNamespace

import msgspec
import pytest
from publishing_driver import Driver, make_video
from simulator_base import FakeClock

from cliply_resources.errors import NotFound
from cliply_resources.platforms.contract import Call
from cliply_resources.platforms.documents import AccountLimits, PostContent, PublishState
from cliply_resources.platforms.outcomes import PlatformTrouble
from cliply_resources.platforms.registry import open_platform
from cliply_resources.settings import Settings


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def sandbox(tmp_path):
    return open_platform("sandbox", Settings(home=tmp_path / "home"))


@pytest.fixture
def begin(sandbox, clock, tmp_path):
    def make(words):
        url = sandbox.authorize_url(redirect_uri="http://localhost/back", state="s", verifier="v")
        tokens = sandbox.exchange_code(
            code=url.split("code=")[1].split("&")[0], redirect_uri="", verifier="v", now=clock
        )
        (profile,) = sandbox.profiles(tokens, now=clock)
        content = PostContent(title="t", caption=words)
        return Driver(
            sandbox,
            SimpleNamespace(clock=clock),
            tokens,
            content,
            make_video(tmp_path, 9_000_000),
            account_id=profile.remote_id,
        )

    return make


def call_of(driver, clock):
    return Call(tokens=driver.tokens, account_id=driver.call_facts["account_id"], now=clock)


@pytest.mark.parametrize("death", ["die_before", "die_after"])
def test_dying_around_every_call_publishes_once(begin, sandbox, clock, death):
    whole = begin("the count")
    whole.run()
    for number in range(1, whole.calls + 1):
        driver = begin(f"{death} {number}")
        setattr(driver, death, number)
        driver.run()
        assert driver.state == "published"
        assert len(sandbox.recent(call_of(driver, clock)).posts) == 1


def test_a_lost_session_begins_again(begin, sandbox, tmp_path):
    driver = begin("lost")
    while msgspec.json.decode(driver.record.state, type=PublishState).offset == 0:
        driver.once()
    for part in tmp_path.rglob("*.part"):
        part.unlink()
    driver.run()
    assert driver.state == "published"
    assert "send:restart:session_lost" in driver.record.history


def test_a_post_can_be_edited_counted_and_deleted(begin, sandbox, clock):
    driver = begin("words")
    call, name = call_of(driver, clock), driver.run().published.remote_id
    sandbox.edit(name, PostContent(title="new", caption="newer"), call)
    assert sandbox.recent(call).posts[0].caption == "newer"
    clock.advance(3600)
    (early,) = sandbox.metrics([name, "gone"], call)
    clock.advance(48 * 3600)
    (late,) = sandbox.metrics([name], call)
    assert 0 < early.views < late.views
    assert late.likes < late.views
    sandbox.delete(name, call)
    sandbox.delete(name, call)
    assert sandbox.status(name, call).state == "removed"
    with pytest.raises(NotFound):
        sandbox.edit(name, PostContent(), call)


def test_what_it_would_not_take_is_said_before(begin, sandbox):
    driver = begin("x")
    content = PostContent(title="t" * 101, caption="c" * 2201, visibility="friends")
    video = msgspec.structs.replace(driver.video.facts, duration=0.2)
    problems = sandbox.validate(content, video, AccountLimits())
    assert [problem.field for problem in problems] == ["title", "caption", "video.duration", "visibility"]


def test_a_code_that_it_did_not_make_opens_nothing(sandbox, clock):
    with pytest.raises(PlatformTrouble, match="does not come from the sandbox"):
        sandbox.exchange_code(code="stolen", redirect_uri="", verifier="", now=clock)
