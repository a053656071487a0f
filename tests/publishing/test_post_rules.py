"""People who edit, move and cancel race a publisher that prepares, commits, dies and comes back: a state machine over one database.

The platform is a list in memory; what people were told is compared with what it holds.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cliply_assets.posts.records import PostRecords
from cliply_assets.posts.taking import Taker
from cliply_resources.accounts import connect_account
from cliply_resources.database import PostRow
from cliply_resources.errors import Conflict
from cliply_resources.platforms.contract import BasePlatform
from cliply_resources.platforms.documents import (
    Capabilities,
    Limits,
    PostContent,
    Profile,
    Published,
    PublishState,
    Reconciled,
    Step,
    StepKind,
    StepResult,
    Tokens,
    Verdict,
    VideoFacts,
)
from cliply_resources.platforms.outcomes import OutcomeClass, trouble
from cliply_resources.posts.machine import CHANGEABLE, spread
from cliply_resources.posts.wishes import PostWish, cancel, change, create_post
from cliply_resources.storage import open_storage
from cliply_resources.vault import Vault


class Killed(BaseException):
    """The process is gone; nothing of it catches this."""


class Memory(BasePlatform):
    """Publishes into a list; `mood` decides how the next commit goes."""

    name = title = "memory"
    capabilities = Capabilities(scopes=(), scopes_to_publish=(), refresh="none", settle=0.0)
    limits = Limits()

    def __init__(self):
        self.posts = []
        self.mood = "well"

    def plan(self, intent, state):
        match state.step:
            case "":
                return Step("prepare", StepKind.PREPARE)
            case "prepared":
                return Step("publish", StepKind.COMMIT)
        return None

    def take(self, step, intent, state, call):
        if step.name == "prepare":
            return StepResult(state=PublishState(step="prepared", facts={"caption": intent.content.caption}))
        mood, self.mood = self.mood, "well"
        if mood == "die before":
            raise Killed
        if mood == "busy":
            raise trouble(OutcomeClass.RETRY, "Busy.", retry_after=1.0)
        self.posts.append((intent.post_id, state.facts["caption"], call.now()))
        if mood == "die after":
            raise Killed
        if mood == "no answer":
            raise trouble(OutcomeClass.UNKNOWN, "No answer.")
        return StepResult(
            state=PublishState(step="over"), committed=True, published=Published(remote_id=intent.post_id)
        )

    def reconcile(self, intent, state, call):
        if any(post == intent.post_id for post, _, _ in self.posts):
            return Reconciled(
                verdict=Verdict.FOUND,
                evidence="There.",
                state=PublishState(step="over"),
                published=Published(remote_id="1"),
            )
        return Reconciled(verdict=Verdict.NOT_FOUND, evidence="Not there.", state=state)


class Race(RuleBasedStateMachine):
    """Everything happens at moments of one clock, on one post at a time."""

    world = None

    @initialize()
    def begin(self):
        self.database, self.settings, self.workspace = self.world
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)
        self.platform = Memory()
        self.storage = open_storage(self.settings)
        self.told = {"caption": "first", "cancelled": False, "due": self.now + timedelta(seconds=60)}
        self.born()
        tokens = Tokens(access_token="t")
        with self.database.pipeline(self.workspace) as session:
            account = connect_account(
                session, Vault(self.settings), self.platform, Profile(remote_id=uuid4().hex, name="a"), tokens,
                workspace_id=self.workspace, user_id=None, now=self.now,
            )  # fmt: skip
            wish = PostWish(
                account_id=account.id, platform="memory", upload_id=None, clip_id=None, object_key="k",
                video=VideoFacts(size=0, sha256="0" * 64, duration=20.0, width=9, height=16),
                content=PostContent(caption="first"), due_at=self.told["due"], tolerance_seconds=600,
            )  # fmt: skip
            self.post = create_post(session, wish, prepare_seconds=30).id

    def born(self):
        """Another publisher; the one before is dead."""
        self.records = PostRecords(
            self.database, Vault(self.settings), lambda _: self.platform,
            worker=uuid4(), lease_seconds=900, takeover_seconds=0.001,
        )  # fmt: skip
        self.taker = Taker(
            records=self.records, storage=self.storage, platform_named=lambda _: self.platform, clock=lambda: self.now
        )

    @rule(seconds=st.sampled_from([-3600, -40, 1, 10, 35, 70, 700]))
    def time_passes_or_jumps(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(mood=st.sampled_from(["well", "busy", "no answer", "die before", "die after"]))
    def the_publisher_looks(self, mood):
        self.platform.mood = mood
        if (self.workspace, self.post) not in self.records.to_wake(self.now, 1000):
            return
        try:
            work = self.records.claim(self.workspace, self.post, self.now)
            if work is not None:
                self.taker.take(work)
        except Killed:
            self.born()
        self.platform.mood = "well"

    @rule(between=st.sampled_from(["cancel", "edit", "move"]))
    def somebody_changes_it_while_it_is_held(self, between):
        work = self.records.claim(self.workspace, self.post, self.now)
        if work is None or work.standing.state not in CHANGEABLE:
            if work is not None:
                self.taker.take(work)
            return
        {"cancel": self.cancelled, "edit": self.edited, "move": self.moved}[between]()
        assert self.taker.take(work) is None

    @rule()
    def cancelled(self):
        try:
            with self.database.api(self.workspace) as session:
                cancel(session, self.post)
            self.told["cancelled"] = True
        except Conflict:
            assert self.row().state not in CHANGEABLE

    @rule()
    def edited(self):
        words = uuid4().hex
        try:
            with self.database.api(self.workspace) as session:
                change(session, self.post, content=PostContent(caption=words), prepare_seconds=30)
            self.told["caption"] = words
        except Conflict:
            assert self.row().state not in CHANGEABLE

    @rule(ahead=st.integers(10, 300))
    def moved(self, ahead=60):
        due = self.now + timedelta(seconds=ahead)
        try:
            with self.database.api(self.workspace) as session:
                change(session, self.post, due_at=due, prepare_seconds=30)
            self.told["due"] = due
        except Conflict:
            assert self.row().state not in CHANGEABLE

    def row(self):
        with self.database.api(self.workspace) as session:
            return session.get_one(PostRow, (self.workspace, self.post))

    @invariant()
    def it_is_published_once_as_people_were_told_and_in_time(self):
        if not hasattr(self, "post"):
            return
        assert len(self.platform.posts) <= 1
        for _, caption, at in self.platform.posts:
            assert not self.told["cancelled"]
            assert caption == self.told["caption"]
            assert self.told["due"] <= at <= self.told["due"] + timedelta(seconds=600)

    @invariant()
    def what_the_row_says_is_so(self):
        if not hasattr(self, "post"):
            return
        row = self.row()
        if row.state == "published":
            assert len(self.platform.posts) == 1
        elif row.state not in {"committing", "unknown", "confirming"}:
            assert self.platform.posts == [], row.state
        if row.state in {"missed", "rejected", "asking"}:
            assert row.reason


def test_no_order_of_changes_and_deaths_publishes_twice_or_what_was_taken_back(settings_and_database):
    class Here(Race):
        world = settings_and_database

    Here.TestCase.settings = settings(
        max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Here.TestCase("runTest").runTest()


@pytest.fixture
def settings_and_database(request):
    made = uuid4()
    given = request.getfixturevalue("settings")
    with psycopg.connect(given.database_url.get_secret_value()) as connection:
        connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w')", [made])
    return request.getfixturevalue("database"), given, made


MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_posts_that_are_scheduled_together_are_spread_and_none_is_moved_forward():
    taken = []
    for _ in range(5):
        taken.append(spread(MOMENT, taken, 300.0))
    assert taken == [MOMENT + timedelta(minutes=5 * number) for number in range(5)]
    assert spread(MOMENT, [MOMENT - timedelta(hours=1)], 300.0) == MOMENT
