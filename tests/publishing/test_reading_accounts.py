"""What posts reach is measured on time and within the budget, and an account's own earlier posts are found once."""

import io
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliply_assets.posts.imports import accounts_to_import, import_account, import_due
from cliply_assets.posts.metrics import accounts_to_measure, measure_account, measure_due, thin_out
from cliply_assets.posts.metrics_table import write_days
from cliply_assets.posts.reading import PutOff, Reader
from cliply_resources.database import AccountReading, AccountRow, ImportedPost, PostMeasure, PostMetrics, PostRow
from cliply_resources.platforms.contract import BasePlatform
from cliply_resources.platforms.documents import Capabilities, Limits, Metrics, RecentPage, RecentPost, Tokens
from cliply_resources.platforms.outcomes import OutcomeClass, trouble
from cliply_resources.posts.reading import MEASURED_DAYS, measured_every, next_import_after, next_measure
from cliply_resources.vault import Vault

BEGAN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class Shelf(BasePlatform):
    """A platform of one account whose posts stand on a shelf; `refusals` are raised first, one a question."""

    name = "shelf"
    title = "Shelf"
    limits = Limits()
    capabilities = Capabilities(
        scopes=("post",), scopes_to_publish=("post",), refresh="rotates", can_list=True, metrics_batch=3
    )

    def __init__(self):
        self.posts, self.refusals, self.asked, self.refreshed = [], [], [], 0

    def refresh(self, tokens, *, now):
        self.refreshed += 1
        return Tokens(access_token=f"next-{self.refreshed}", refresh_token="r", scopes=("post",))

    def _ask(self, what):
        self.asked.append(what)
        if self.refusals:
            raise self.refusals.pop(0)

    def metrics(self, remote_ids, call):
        self._ask(tuple(remote_ids))
        known = {post.remote_id for post in self.posts}
        return tuple(Metrics(remote_id=each, views=10, likes=1) for each in remote_ids if each in known)

    def recent(self, call, *, cursor=None, at_most=20):
        self._ask(cursor)
        first = int(cursor or 0)
        newest = sorted(self.posts, key=lambda post: post.published_at, reverse=True)
        following = str(first + 4) if first + 4 < len(newest) else None
        return RecentPage(posts=tuple(newest[first : first + 4]), cursor=following)


class Clock:
    def __init__(self):
        self.now = BEGAN

    def __call__(self):
        return self.now


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reader(plain_room, shelf, clock):
    room = plain_room
    return Reader(
        database=room.database,
        vault=Vault(room.settings),
        platform_named=lambda _: shelf,
        calls_per_day={"example": 100},
        clock=clock,
    )


@pytest.fixture
def account(plain_room, clock):
    found = plain_room.connect("ann")
    with plain_room.database.pipeline(plain_room.workspace) as session:
        session.query(AccountRow).update({"token_expires_at": None})
        session.query(AccountReading).update({"import_next_at": clock()})
    return found


def published(room, account, number, *, at=BEGAN, remote=True):
    post = room.post(f"post {number}", due=at)
    with room.database.pipeline(room.workspace) as session:
        row = session.get_one(PostRow, (room.workspace, post))
        row.committed_at, row.wake_at = at, None
        row.published_at, row.remote_id, row.state = at, f"r{number}" if remote else None, "published"
    return post


def stand(shelf, number, *, at=None, caption=""):
    moment = at or BEGAN - timedelta(hours=number)
    shelf.posts.append(RecentPost(remote_id=f"r{number}", published_at=moment, caption=caption or f"words {number}"))


def rows(room, kind):
    with room.database.pipeline(room.workspace) as session:
        return session.query(kind).all()


def test_a_post_is_measured_densely_at_first_and_then_ever_more_seldom():
    hour, day = 3600.0, 86400.0
    ages = [0, 2.9 * hour, 3 * hour, 23 * hour, 25 * hour, 6.9 * day, 8 * day, 89 * day, 91 * day]
    wanted = [900, 900, hour, hour, 6 * hour, 6 * hour, day, day, None]
    assert [measured_every(age) for age in ages] == wanted


@given(st.integers(0, MEASURED_DAYS * 86400 - 1), st.integers(0, 300))
def test_the_next_measure_is_always_ahead_and_on_the_grid(age, drift):
    now = BEGAN + timedelta(seconds=age + drift)
    found = next_measure(BEGAN, now)
    if found is not None:
        assert timedelta(minutes=10) < found - now < timedelta(days=1, minutes=10)
        assert found.timestamp() % 300 == 0


def test_the_whole_life_of_a_post_is_about_150_snapshots():
    now, count = BEGAN + timedelta(minutes=15), 1
    while (following := next_measure(BEGAN, now)) is not None:
        now, count = following, count + 1
    assert 120 < count < 180


@given(st.lists(st.integers(0, 10**7), max_size=30), st.integers(0, 50))
def test_an_account_is_looked_at_between_every_quarter_of_an_hour_and_every_day(seconds, quiet):
    moments = [BEGAN + timedelta(seconds=each) for each in seconds]
    found = next_import_after(moments, quiet=quiet)
    assert 900 <= found <= 86400
    assert next_import_after(moments, quiet=quiet + 1) >= found
    assert next_import_after(moments, quiet=quiet, chosen=60) == 60


def test_due_posts_are_measured_in_batches_and_get_their_next_time(plain_room, shelf, reader, clock, account):
    for number in range(7):
        published(plain_room, account, number)
        stand(shelf, number)
    assert accounts_to_measure(plain_room.database, clock(), 9) == []
    clock.now += timedelta(minutes=15)
    assert measure_due(reader) == {str(account): "7 posts"}
    assert sorted(len(asked) for asked in shelf.asked) == [1, 3, 3]
    found = rows(plain_room, PostMetrics)
    assert {(row.views, row.likes, row.saves) for row in found} == {(10, 1, None)}
    assert len(found) == 7
    assert {row.next_at for row in rows(plain_room, PostMeasure)} == {BEGAN + timedelta(minutes=30)}
    assert measure_due(reader) == {}


def test_a_post_that_the_platform_does_not_know_is_given_up_after_some_time(plain_room, shelf, reader, clock, account):
    published(plain_room, account, 1)
    for _ in range(5):
        clock.now += timedelta(hours=1)
        assert measure_account(reader, plain_room.workspace, account) == 0
    (measure,) = rows(plain_room, PostMeasure)
    assert measure.next_at is None
    assert "does not know" in measure.reason


def test_a_post_that_was_removed_is_not_measured_again(plain_room, reader, clock, account):
    post = published(plain_room, account, 1)
    with plain_room.database.pipeline(plain_room.workspace) as session:
        session.get_one(PostRow, (plain_room.workspace, post)).removed_at = clock()
    (measure,) = rows(plain_room, PostMeasure)
    assert (measure.next_at, measure.reason) == (None, "The post was removed.")


def test_an_old_sign_in_is_renewed_once_and_the_question_asked_again(plain_room, shelf, reader, clock, account):
    published(plain_room, account, 1)
    stand(shelf, 1)
    clock.now += timedelta(hours=1)
    shelf.refusals = [trouble(OutcomeClass.REAUTH, "Expired.")]
    assert measure_account(reader, plain_room.workspace, account) == 1
    assert shelf.refreshed == 1


def test_a_sign_in_that_is_dead_parks_the_account(plain_room, shelf, reader, clock, account):
    published(plain_room, account, 1)
    clock.now += timedelta(hours=1)
    shelf.refusals = [trouble(OutcomeClass.REAUTH, "Expired."), trouble(OutcomeClass.REAUTH, "Not taken any more.")]
    with pytest.raises(PutOff, match="Not taken any more"):
        measure_account(reader, plain_room.workspace, account)
    assert [(row.state, row.reason) for row in rows(plain_room, AccountRow)] == [("reconnect", "Not taken any more.")]
    assert measure_due(reader) == {}


def test_a_cap_parks_the_reading_and_leaves_publishing_alone(plain_room, shelf, reader, clock, account):
    published(plain_room, account, 1)
    clock.now += timedelta(hours=1)
    until = clock() + timedelta(hours=5)
    shelf.refusals = [trouble(OutcomeClass.QUOTA, "Enough for today.", until=until)]
    assert measure_due(reader) == {str(account): "Enough for today."}
    (row,) = rows(plain_room, AccountRow)
    assert (row.state, row.parked_until) == ("ok", None)
    assert [reading.parked_until for reading in rows(plain_room, AccountReading)] == [until]
    assert accounts_to_measure(plain_room.database, until - timedelta(seconds=1), 9) == []
    assert accounts_to_measure(plain_room.database, until, 9) == [(plain_room.workspace, account)]


def test_the_days_budget_is_not_exceeded_and_begins_anew_at_midnight(plain_room, shelf, reader, clock, account):
    for number in range(7):
        published(plain_room, account, number)
        stand(shelf, number)
    clock.now += timedelta(hours=1)
    reader.calls_per_day["example"] = 2
    with pytest.raises(PutOff, match="as much as it may in one day") as put_off:
        measure_account(reader, plain_room.workspace, account)
    assert (len(shelf.asked), put_off.value.until) == (2, datetime(2026, 11, 2, tzinfo=UTC))
    clock.now = put_off.value.until
    reader.calls_per_day["example"] = 3
    assert measure_account(reader, plain_room.workspace, account) == 7
    assert len(shelf.asked) == 5


def test_snapshots_become_a_table_a_day_and_old_ones_are_thinned_out(plain_room, reader, clock, account):
    post = published(plain_room, account, 1)
    with plain_room.database.pipeline(plain_room.workspace) as session:
        for hour, views in ((0, 5), (1, 9), (2, 8), (30, 12)):
            session.add(PostMetrics(post_id=post, at=BEGAN + timedelta(hours=hour), views=views))
    written = write_days(plain_room.database, plain_room.storage, today=(BEGAN + timedelta(days=3)).date())
    mine = [table for table in written if str(plain_room.workspace) in table.key]
    assert [(table.rows, table.fell) for table in mine] == [(3, 1), (1, 0)]
    table = pl.read_parquet(io.BytesIO(plain_room.storage.get_bytes(mine[0].key)))
    assert table["views"].to_list() == [5, 9, 8]
    assert table["post_id"].unique().to_list() == [str(post)]
    assert write_days(plain_room.database, plain_room.storage, today=(BEGAN + timedelta(days=3)).date()) == []
    later = BEGAN + timedelta(days=61)
    thin_out(plain_room.database, now=later, detail_days=30, keep_days=90)
    assert sorted(row.views for row in rows(plain_room, PostMetrics)) == [8, 12]
    thin_out(plain_room.database, now=later, detail_days=30, keep_days=60)
    assert [row.views for row in rows(plain_room, PostMetrics)] == [12]


def test_earlier_posts_are_found_once_and_a_look_stops_at_known_ones(plain_room, shelf, reader, clock, account):
    for number in range(10):
        stand(shelf, number)
    assert import_due(reader) == {str(account): "10 new posts"}
    assert shelf.asked == [None, "4", "8"]
    stand(shelf, 99, at=BEGAN + timedelta(hours=1))
    clock.now += timedelta(days=1)
    shelf.asked.clear()
    assert import_due(reader) == {str(account): "1 new posts"}
    assert shelf.asked == [None]
    assert len({row.remote_id for row in rows(plain_room, ImportedPost)}) == 11
    (reading,) = rows(plain_room, AccountReading)
    assert reading.import_next_at - clock() == timedelta(minutes=15)


def test_a_long_past_is_imported_over_several_looks(plain_room, shelf, reader, clock, account):
    for number in range(40):
        stand(shelf, number)
    assert import_account(reader, plain_room.workspace, account) == 16
    stand(shelf, 99, at=BEGAN + timedelta(hours=1))  # everything moves on by one place meanwhile
    found = 16
    for _ in range(3):
        clock.now += timedelta(minutes=1)
        assert accounts_to_import(plain_room.database, clock(), 9) or found >= 40
        found += import_account(reader, plain_room.workspace, account)
    assert {row.remote_id for row in rows(plain_room, ImportedPost)} >= {f"r{number}" for number in range(40)}


def test_what_cliply_published_itself_is_not_imported(plain_room, shelf, reader, clock, account):
    published(plain_room, account, 1)
    nameless = published(plain_room, account, 2, remote=False)
    stand(shelf, 1)
    stand(shelf, 2, at=BEGAN + timedelta(minutes=1), caption="post 2")
    stand(shelf, 3, caption="post 2")
    assert import_account(reader, plain_room.workspace, account) == 1
    assert [row.remote_id for row in rows(plain_room, ImportedPost)] == ["r3"]
    with plain_room.database.pipeline(plain_room.workspace) as session:
        session.get_one(PostRow, (plain_room.workspace, nameless)).remote_id = "r3"
    import_account(reader, plain_room.workspace, account)
    assert "r3" not in [row.remote_id for row in rows(plain_room, ImportedPost)]


def test_a_platform_that_lists_nothing_is_not_asked_again(plain_room, shelf, reader, clock, account):
    shelf.capabilities = Capabilities(scopes=(), scopes_to_publish=())
    assert import_due(reader) == {str(account): "Shelf cannot list an account's posts."}
    assert [row.import_next_at for row in rows(plain_room, AccountReading)] == [None]
    assert import_due(reader) == {}


def test_a_refused_cursor_is_forgotten_and_the_look_begins_anew(plain_room, shelf, reader, clock, account):
    for number in range(40):
        stand(shelf, number)
    import_account(reader, plain_room.workspace, account)
    for _ in range(2):
        shelf.refusals = [trouble(OutcomeClass.PERMANENT, "Bad cursor.")]
        with pytest.raises(PutOff):
            import_account(reader, plain_room.workspace, account)
    (reading,) = rows(plain_room, AccountReading)
    assert (reading.import_cursor, reading.import_reason) == (None, "Bad cursor.")
    assert reading.import_next_at > clock() + timedelta(hours=6)
