"""Reads measurements of posts. Every statement runs in a session that is bound to the workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from cliply_api.analytics.rules import COUNTERS, Did, best_slots, counters_of, gains, sum_of
from cliply_api.analytics.schemas import BestTimes, Counters, Gains, Point, PostSeries, Totals, TotalsOf
from cliply_api.posts.service import post_of
from cliply_api.posts.views import zone_of
from cliply_resources.database import AccountRow, PostMeasure, PostMetrics, PostRow
from cliply_resources.errors import CallerError

__all__ = ["PostChoice", "best_times", "series", "totals"]

MOST_POINTS = 2000
USUAL_SPAN = timedelta(days=28)
LONGEST_SPAN = timedelta(days=366)
FIRST_WEEK = timedelta(days=7)
YOUNGEST = timedelta(days=1)
MOST_POSTS = 5000
ENOUGH_POSTS = 10


@dataclass(frozen=True, kw_only=True)
class PostChoice:
    """Which posts are counted."""

    account_id: UUID | None = None
    platform: str | None = None

    def narrow(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """The query, of these posts only."""
        query = query.where(PostRow.state == "published")
        if self.account_id is not None:
            query = query.where(PostRow.account_id == self.account_id)
        return query if self.platform is None else query.where(PostRow.platform == self.platform)


def series(session: Session, post_id: UUID, *, since: datetime | None, until: datetime | None) -> PostSeries:
    """The post's measurements within a span of time, each with what came since the one before it."""
    post = post_of(session, post_id)
    query = sa.select(PostMetrics).where(PostMetrics.post_id == post_id)
    within = query if since is None else query.where(PostMetrics.at >= since)
    within = within if until is None else within.where(PostMetrics.at < until)
    rows = list(reversed(session.scalars(within.order_by(PostMetrics.at.desc()).limit(MOST_POINTS)).all()))
    earlier = None
    if rows:
        newest_before = query.where(PostMetrics.at < rows[0].at).order_by(PostMetrics.at.desc()).limit(1)
        earlier = session.scalars(newest_before).one_or_none()
    measure = session.scalars(sa.select(PostMeasure).where(PostMeasure.post_id == post_id)).one_or_none()
    return PostSeries(
        post_id=post_id,
        published_at=post.published_at,
        points=_points(rows, None if earlier is None else counters_of(earlier)),
        next_at=measure.next_at if measure else None,
        reason=measure.reason if measure else None,
    )


def totals(
    session: Session, choice: PostChoice, now: datetime, *, since: datetime | None, until: datetime | None
) -> Totals:
    """Each account's posts together: their counters at the end of the span, and what came within it. Two statements.

    Raises:
        CallerError: the span is none, or too long.
    """
    until = until or now
    since = since or until - USUAL_SPAN
    if not since < until <= since + LONGEST_SPAN:
        raise CallerError(f"A span begins before it ends and lasts at most {LONGEST_SPAN.days} days.")
    at_end, at_start = _newest(until, "at_end"), _newest(since, "at_start")
    within = sa.and_(PostRow.published_at >= since, PostRow.published_at < until)
    columns: list[Any] = []
    for name in COUNTERS:
        last, first = getattr(at_end.c, name), getattr(at_start.c, name)
        columns += [sa.func.sum(last).label(name), sa.func.sum(last - _before(first, at_start)).label(f"gained_{name}")]
    query = sa.select(
        PostRow.account_id,
        PostRow.platform,
        sa.func.count().label("posts"),
        sa.func.count().filter(within).label("published"),
        *columns,
    ).where(PostRow.published_at < until)
    query = choice.narrow(query).join(at_end, sa.true(), isouter=True).join(at_start, sa.true(), isouter=True)
    rows = session.execute(query.group_by(PostRow.account_id, PostRow.platform)).all()
    found = session.execute(sa.select(AccountRow.id, AccountRow.name))
    names = {account_id: name for account_id, name in found}
    accounts = [_of_account(row, names.get(row.account_id, "")) for row in rows]
    accounts.sort(key=lambda one: (one.platform, one.account_name, one.account_id))
    return Totals(
        since=since,
        until=until,
        posts=sum(one.posts for one in accounts),
        published=sum(one.published for one in accounts),
        totals=Counters(**sum_of(one.totals for one in accounts)),
        gained=Gains(**sum_of(one.gained for one in accounts)),
        accounts=accounts,
    )


def best_times(session: Session, choice: PostChoice, now: datetime) -> BestTimes:
    """By the newest 5,000 posts that are a day old. Two statements."""
    newest = (
        sa.select(PostMetrics.views)
        .where(
            PostMetrics.workspace_id == PostRow.workspace_id,
            PostMetrics.post_id == PostRow.id,
            PostMetrics.at < PostRow.published_at + FIRST_WEEK,
            PostMetrics.views.is_not(None),
        )
        .order_by(PostMetrics.at.desc())
        .limit(1)
        .correlate(PostRow)
        .lateral("newest")
    )
    query = sa.select(PostRow.account_id, PostRow.published_at, newest.c.views).join(newest, sa.true())
    query = choice.narrow(query).where(PostRow.published_at < now - YOUNGEST)
    rows = session.execute(query.order_by(PostRow.published_at.desc()).limit(MOST_POSTS))
    posts = [Did(account_id=row[0], published_at=row[1], views=row[2]) for row in rows]
    zone = zone_of(session)
    slots, best = best_slots(posts, zone)
    note = None
    if len(posts) < ENOUGH_POSTS:
        note = f"These are {len(posts)} posts, which is too few to tell; publish {ENOUGH_POSTS} at different times."
    return BestTimes(time_zone=zone.key, posts=len(posts), slots=slots, best=best, note=note)


def _points(rows: Sequence[PostMetrics], before: Counters | None) -> list[Point]:
    points: list[Point] = []
    for row in rows:
        now = counters_of(row)
        points.append(Point(at=row.at, totals=now, since_last=gains(before, now)))
        before = now
    return points


def _newest(moment: datetime, name: str) -> Any:
    """The last measurement of the post in the query before that moment."""
    measured = aliased(PostMetrics)
    return (
        sa.select(measured)
        .where(measured.workspace_id == PostRow.workspace_id, measured.post_id == PostRow.id, measured.at < moment)
        .order_by(measured.at.desc())
        .limit(1)
        .correlate(PostRow)
        .lateral(name)
    )


def _before(first: Any, at_start: Any) -> Any:
    """What a post had at the start; nothing, where it was not measured by then."""
    return sa.case((at_start.c.post_id.is_(None), 0), else_=first)


def _of_account(row: Any, name: str) -> TotalsOf:
    def told(counter: str) -> Any:
        value = getattr(row, counter)
        return None if value is None else float(value) if counter.endswith("seconds") else int(value)

    return TotalsOf(
        account_id=row.account_id,
        account_name=name,
        platform=row.platform,
        posts=row.posts,
        published=row.published,
        totals=Counters(**{counter: told(counter) for counter in COUNTERS}),
        gained=Gains(**{counter: told(f"gained_{counter}") for counter in COUNTERS}),
    )
