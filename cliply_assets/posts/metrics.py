"""Measures published posts: the counters of an account's posts, in batches, each at its time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from cliply_assets.housekeeping.across import every_workspace
from cliply_assets.posts.reading import PutOff, Reader
from cliply_resources.database import Database, PostMeasure, PostMetrics, PostRow
from cliply_resources.platforms.contract import Call, Platform
from cliply_resources.platforms.documents import Metrics
from cliply_resources.posts.reading import next_measure

__all__ = ["accounts_to_measure", "measure_account", "measure_due", "thin_out"]

TOGETHER = timedelta(seconds=60)
"""A post that is due so soon is asked about together with those that are due now."""
MOST_BATCHES = 40
"""Of one account in one run; the next run takes the rest."""
MOST_MISSES = 5
"""A post that the platform did not know so often in a row is gone."""
AFTER_MISS = timedelta(hours=1)
THIN_BATCH = 20_000

_COUNTERS = (
    "views",
    "likes",
    "comments",
    "shares",
    "saves",
    "reach",
    "watch_seconds",
    "average_watch_seconds",
    "extra",
)


def accounts_to_measure(database: Database, moment: datetime, at_most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and account ids with posts to be measured by then, the longest waiting first."""
    with database.across() as session:
        found = session.execute(
            sa.text("SELECT * FROM app.accounts_to_measure(:moment, :most)"), {"moment": moment, "most": at_most}
        )
        return [(row[0], row[1]) for row in found]


def measure_due(reader: Reader, *, at_most: int = 500) -> dict[str, str]:
    """Measures what is due of so many accounts; account ids to what came of it."""
    said: dict[str, str] = {}
    for workspace_id, account_id in accounts_to_measure(reader.database, reader.clock(), at_most):
        try:
            count = measure_account(reader, workspace_id, account_id)
            said[str(account_id)] = f"{count} posts"
        except PutOff as error:
            said[str(account_id)] = str(error)
    return said


def measure_account(reader: Reader, workspace_id: UUID, account_id: UUID) -> int:
    """Measures the account's due posts, batch by batch; returns how many the platform told of.

    Raises:
        PutOff: the platform did not answer; the posts that are left say when they are measured instead.
    """
    count = 0
    for _ in range(MOST_BATCHES):
        due, batch = _due(reader, workspace_id, account_id)
        if not due:
            break
        try:
            found = reader.ask(workspace_id, account_id, _Numbers(tuple(due)))
        except PutOff as error:
            _put_off(reader, workspace_id, account_id, error)
            raise
        count += _record(reader, workspace_id, due, {each.remote_id: each for each in found})
        if len(due) < batch:
            break
    return count


class _Numbers(msgspec.Struct, frozen=True):
    """The question for the counters of these posts."""

    remote_ids: tuple[str, ...]

    def __call__(self, platform: Platform, call: Call) -> tuple[Metrics, ...]:
        return platform.metrics(self.remote_ids, call)


def _due(reader: Reader, workspace_id: UUID, account_id: UUID) -> tuple[dict[str, tuple[UUID, datetime]], int]:
    """Remote ids to post and time of publishing, of one batch; and how many a batch may hold."""
    with reader.database.pipeline(workspace_id) as session:
        query = (
            sa.select(PostRow.remote_id, PostRow.id, PostRow.published_at, PostRow.platform)
            .join(
                PostMeasure,
                sa.and_(PostMeasure.workspace_id == PostRow.workspace_id, PostMeasure.post_id == PostRow.id),
            )
            .where(
                PostMeasure.account_id == account_id,
                PostMeasure.next_at <= reader.clock() + TOGETHER,
                PostRow.remote_id.is_not(None),
            )
            .order_by(PostMeasure.next_at, PostRow.id)
        )
        first = session.execute(query.limit(1)).one_or_none()
        if first is None:
            return {}, 0
        batch = reader.platform_named(first.platform).capabilities.metrics_batch
        if batch == 0:
            mine = sa.update(PostMeasure).where(PostMeasure.account_id == account_id)
            session.execute(mine.values(next_at=None, reason=f"{first.platform} tells no numbers."))
            return {}, 0
        rows = session.execute(query.limit(batch)).all()
        return {row.remote_id: (row.id, row.published_at) for row in rows}, batch


def _record(
    reader: Reader, workspace_id: UUID, due: Mapping[str, tuple[UUID, datetime]], found: Mapping[str, Metrics]
) -> int:
    now = reader.clock()
    known = {remote_id: found[remote_id] for remote_id in due if remote_id in found}
    with reader.database.pipeline(workspace_id) as session:
        if known:
            rows = [
                {"post_id": due[remote_id][0], "at": now, **{name: getattr(told, name) for name in _COUNTERS}}
                for remote_id, told in known.items()
            ]
            # Two runs that asked in the same microsecond have the same to say.
            session.execute(insert(PostMetrics).values(rows).on_conflict_do_nothing())
        for remote_id, (post_id, published_at) in due.items():
            if remote_id in known:
                _measured(session, post_id, next_measure(published_at, now), now)
            else:
                _missed(session, post_id, now)
    return len(known)


def _measured(session: Session, post_id: UUID, next_at: datetime | None, now: datetime) -> None:
    reason = None if next_at is not None else "The post is old enough to be left alone."
    session.execute(
        sa.update(PostMeasure)
        .where(PostMeasure.post_id == post_id, PostMeasure.next_at.is_not(None))
        .values(next_at=next_at, measured_at=now, misses=0, reason=reason)
    )


def _missed(session: Session, post_id: UUID, now: datetime) -> None:
    gone = PostMeasure.misses + 1 >= MOST_MISSES
    session.execute(
        sa.update(PostMeasure)
        .where(PostMeasure.post_id == post_id, PostMeasure.next_at.is_not(None))
        .values(
            misses=PostMeasure.misses + 1,
            next_at=sa.case((gone, sa.null()), else_=now + AFTER_MISS),
            reason=sa.case(
                (gone, "The platform does not know this post any more."),
                else_="The platform did not tell of this post.",
            ),
        )
    )


def _put_off(reader: Reader, workspace_id: UUID, account_id: UUID, error: PutOff) -> None:
    """All of the account's posts that are due wait; where the platform does not offer numbers, for good."""
    with reader.database.pipeline(workspace_id) as session:
        session.execute(
            sa.update(PostMeasure)
            .where(PostMeasure.account_id == account_id, PostMeasure.next_at <= reader.clock() + TOGETHER)
            .values(next_at=None if error.for_good else error.until, reason=str(error))
        )


def thin_out(database: Database, *, now: datetime, detail_days: int, keep_days: int) -> int:
    """Keeps of every post the last snapshot of each day after `detail_days`, and none after `keep_days`; returns how many went."""
    gone = 0
    for workspace_id in every_workspace(database):
        with database.pipeline(workspace_id) as session:
            later = aliased(PostMetrics)
            day = sa.func.date_trunc("day", sa.func.timezone("UTC", PostMetrics.at))
            superseded = sa.exists().where(
                later.workspace_id == PostMetrics.workspace_id,
                later.post_id == PostMetrics.post_id,
                later.at > PostMetrics.at,
                later.at < sa.func.timezone("UTC", day + timedelta(days=1)),
            )
            over = PostMetrics.at < now - timedelta(days=keep_days)
            thinned = sa.and_(PostMetrics.at < now - timedelta(days=detail_days), superseded)
            for which in (over, thinned):
                ctid: sa.ColumnElement[str] = sa.literal_column("post_metrics.ctid")
                some = sa.select(ctid).select_from(PostMetrics).where(which).limit(THIN_BATCH)
                deleted = session.execute(sa.delete(PostMetrics).where(ctid.in_(some)).returning(PostMetrics.at)).all()
                gone += len(deleted)
    return gone
