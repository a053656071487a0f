"""What every platform's adapter promises, against its own simulator: one post, whatever goes wrong, exactly once.

Every `tests/simulators/*_simulator.py` with a `Harness` in it is held to this.
"""

import importlib
from pathlib import Path

import msgspec
import pytest
from publishing_driver import Driver, make_video
from simulator_base import FaultKind, Harness, running

from cliply_resources.platforms.documents import AccountLimits, PublishState
from cliply_resources.platforms.registry import open_platform
from cliply_resources.settings import Settings

ROOM = Path(__file__).parents[1] / "simulators"
HARNESSES = [
    found
    for module in sorted(ROOM.glob("*_simulator.py"))
    for found in vars(importlib.import_module(module.stem)).values()
    if isinstance(found, Harness)
]
WIRE_FAULTS = [
    FaultKind.DROP_BEFORE,
    FaultKind.DROP_AFTER,
    FaultKind.DROP_BODY,
    FaultKind.ERROR_BEFORE,
    FaultKind.ERROR_AFTER,
    FaultKind.RATE_LIMIT,
]
MOODS = [
    FaultKind.EXPIRE_TOKEN,
    FaultKind.LOSE_SESSION,
    FaultKind.REJECT,
    FaultKind.LATE_ID,
    FaultKind.PARTIAL,
    FaultKind.STUCK,
]
ENDS = {"published", "rejected", "asking"}


@pytest.fixture(scope="module", params=HARNESSES, ids=lambda harness: harness.name)
def harness(request):
    return request.param


@pytest.fixture
def simulator(harness):
    with running(harness) as opened:
        yield opened


@pytest.fixture
def begin(harness, simulator, tmp_path):
    """A post that nobody has begun to publish: `begin(text, size)`."""
    settings = Settings(**harness.settings(simulator))
    platform = harness.platform(settings) if harness.platform else open_platform(harness.name, settings)
    tokens = harness.connect(simulator)

    def make(text="One of a kind", size=harness.sizes[0]):
        profile = platform.profiles(tokens, now=simulator.clock)[0]
        video = make_video(tmp_path, size)
        if getattr(simulator, "link_for", None) is not None:
            video = simulator.link_for(video)
        content = harness.content(text)
        return Driver(
            platform,
            simulator,
            profile.tokens or tokens,
            content,
            video,
            account_id=profile.remote_id,
            username=profile.username,
            facts=profile.facts,
        )

    return make


def check(driver, simulator, text="One of a kind"):
    """Once, or not at all and said so; never twice."""
    assert simulator.ledger.doubles() == {}
    there = len(simulator.ledger.of(text))
    assert there <= 1
    assert driver.state in ENDS, (driver.state, driver.record.reason, driver.record.history)
    if driver.state == "published":
        assert there == 1, driver.record.history
    elif driver.state == "rejected":
        assert driver.record.reason
    else:
        assert "not certain" in driver.record.reason


@pytest.mark.parametrize("which", [0, -1])
def test_a_post_is_published_once_and_named(harness, simulator, begin, which):
    driver = begin(size=harness.sizes[which])
    driver.run()
    check(driver, simulator)
    assert driver.state == "published", driver.record.history
    assert driver.record.published is not None
    assert driver.record.published.remote_id in {None, simulator.ledger.entries[0].remote_id}
    assert driver.commits == 1


def test_a_valid_post_has_no_problem_and_validating_sends_nothing(simulator, begin):
    driver = begin()
    before = len(simulator.log)
    assert driver.platform.validate(driver.intent.content, driver.video.facts, AccountLimits()) == ()
    assert len(simulator.log) == before


def test_a_caption_that_is_far_too_long_is_refused_before_anything_is_sent(begin):
    driver = begin()
    long = msgspec.structs.replace(driver.intent.content, title="x" * 9000, caption="x" * 9000)
    problems = driver.platform.validate(long, driver.video.facts, AccountLimits())
    assert problems
    assert all(problem.message.endswith((".", "!")) and problem.code for problem in problems)


def test_the_empty_state_is_the_beginning_and_the_state_survives_storage(begin):
    driver = begin()
    assert driver.platform.plan(driver.intent, PublishState()) is not None
    while driver.state not in {"committing", "confirming", "published", "unknown"} and driver.calls < 50:
        state = msgspec.json.decode(driver.record.state, type=PublishState)
        assert "://" not in repr(state)
        if driver.record.next_at is not None:
            driver.simulator.clock.advance(max((driver.record.next_at - driver.simulator.clock()).total_seconds(), 0))
        driver.once()


@pytest.mark.parametrize("kind", WIRE_FAULTS)
def test_a_fault_of_the_commit_call_never_makes_two(harness, simulator, begin, kind):
    driver = begin(size=harness.sizes[-1])
    simulator.faults.add(kind, path=harness.commit_path, method=harness.commit_method)
    driver.run()
    check(driver, simulator)


@pytest.mark.parametrize("kind", [FaultKind.DROP_AFTER, FaultKind.ERROR_AFTER, FaultKind.RATE_LIMIT])
def test_a_fault_that_happens_three_times_never_makes_two(harness, simulator, begin, kind):
    driver = begin()
    simulator.faults.add(kind, path=harness.commit_path, method=harness.commit_method, times=3)
    driver.run()
    check(driver, simulator)


@pytest.mark.parametrize("skip", range(6))
@pytest.mark.parametrize(
    "kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.ERROR_BEFORE, FaultKind.ERROR_AFTER]
)
def test_a_fault_of_any_call_never_makes_two(harness, simulator, begin, kind, skip):
    driver = begin(size=harness.sizes[-1])
    simulator.faults.add(kind, skip=skip)
    driver.run()
    check(driver, simulator)
    assert driver.state == "published", (driver.record.reason, driver.record.history)


@pytest.mark.parametrize("kind", MOODS)
def test_a_mood_of_the_platform_ends_in_words_or_in_one_post(harness, simulator, begin, kind):
    if kind not in harness.faults:
        pytest.skip("this simulator does not know it")
    driver = begin(size=harness.sizes[-1])
    simulator.faults.add(kind)
    driver.run()
    assert len(simulator.ledger.entries) <= 1
    if driver.state == "held":
        assert driver.record.reason
        assert simulator.ledger.entries == []
    else:
        check(driver, simulator)


@pytest.mark.parametrize("death", ["die_before", "die_after"])
def test_dying_around_every_call_never_makes_two(harness, simulator, begin, death):
    whole = begin("the count")
    whole.run()
    for number in range(1, whole.calls + 1):
        text = f"{death} {number}"
        driver = begin(text)
        setattr(driver, death, number)
        driver.run()
        check(driver, simulator, text)
        assert driver.state in {"published", "asking"}, (number, driver.record.reason, driver.record.history)


def test_a_dead_token_parks_the_post_and_publishes_nothing(simulator, begin):
    driver = begin()
    driver.tokens = msgspec.structs.replace(driver.tokens, access_token="dead", refresh_token="dead")
    driver.run()
    assert driver.state == "held"
    assert simulator.ledger.entries == []
    assert driver.record.reason


def test_no_secret_is_ever_shown(harness, simulator, begin):
    driver = begin()
    for kind in (FaultKind.ERROR_BEFORE, FaultKind.DROP_BEFORE, FaultKind.RATE_LIMIT):
        simulator.faults.add(kind, skip=1)
    driver.run()
    shown = f"{driver.record.history} {driver.record.reason} {driver.tokens!r} {driver.tokens}"
    for secret in driver.tokens.secrets:
        assert secret not in shown
