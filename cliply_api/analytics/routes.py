"""`/api/analytics`, and the measurements of one post."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk
from cliply_api.accounts.schemas import PlatformName
from cliply_api.analytics import service
from cliply_api.analytics.schemas import BestTimes, PostSeries, Totals
from cliply_api.auth.guards import may
from cliply_api.web.fields import MOMENT, moment

__all__ = ["post_metrics_routes", "routes"]

Since = Annotated[str | None, QueryParameter(name="from", pattern=MOMENT, max_length=40)]
Until = Annotated[str | None, QueryParameter(name="to", pattern=MOMENT, max_length=40)]

COUNTERS: dict[str, Any] = {
    "views": 5120,
    "likes": 301,
    "comments": 25,
    "shares": 18,
    "saves": None,
    "reach": 4410,
    "watch_seconds": 81920.5,
}
POINT: dict[str, Any] = {"at": "2026-11-26T09:00:00Z", "totals": COUNTERS, "since_last": COUNTERS | {"views": 320}}
SLOT: dict[str, Any] = {"weekday": 2, "hour": 18, "posts": 4, "mean_views": 5300.0, "score": 1.31}
OF_ACCOUNT: dict[str, Any] = {
    "account_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e40",
    "account_name": "Ada's studio",
    "platform": "youtube",
    "posts": 12,
    "published": 4,
    "totals": COUNTERS,
    "gained": COUNTERS | {"views": 1980},
}


@get(
    "/posts/{post_id:uuid}/metrics",
    guards=[may("post.read")],
    opt={
        "examples": {
            200: {
                "post_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e50",
                "published_at": "2026-11-25T17:30:01Z",
                "points": [POINT],
                "next_at": "2026-11-26T12:00:00Z",
                "reason": None,
            }
        }
    },
    operation_id="GetPostMetrics",
    summary="Get how a post does over time",
    sync_to_thread=True,
)
def post_metrics(
    session: NamedDependency[Session], post_id: FromPath[UUID], since: Since = None, until: Until = None
) -> PostSeries:
    """Totals at each measurement and what came since the one before: densely at first, later once a day."""
    return service.series(session, post_id, since=moment(since, "from"), until=moment(until, "to"))


@get(
    "/totals",
    guards=[may("post.read")],
    opt={
        "examples": {
            200: {
                "since": "2026-10-29T00:00:00Z",
                "until": "2026-11-26T00:00:00Z",
                "posts": 12,
                "published": 4,
                "totals": COUNTERS,
                "gained": COUNTERS | {"views": 1980},
                "accounts": [OF_ACCOUNT],
            }
        }
    },
    operation_id="GetTotals",
    summary="Get how all posts do together",
    sync_to_thread=True,
)
def totals(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    since: Since = None,
    until: Until = None,
    account_id: FromQuery[UUID | None] = None,
    platform: FromQuery[PlatformName | None] = None,
) -> Totals:
    """Over all platforms and for each account: the counters at the end of the span, and what came within it (the last 28 days)."""
    choice = service.PostChoice(account_id=account_id, platform=platform)
    return service.totals(session, choice, desk.now(), since=moment(since, "from"), until=moment(until, "to"))


@get(
    "/best-times",
    guards=[may("post.read")],
    opt={
        "examples": {
            200: {"time_zone": "Europe/Berlin", "posts": 40, "slots": [SLOT], "best": [SLOT], "note": None},
        }
    },
    operation_id="GetBestTimes",
    summary="Get when posts do best",
    sync_to_thread=True,
)
def best_times(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    account_id: FromQuery[UUID | None] = None,
    platform: FromQuery[PlatformName | None] = None,
) -> BestTimes:
    """Hours of the week in the workspace's time zone, each post judged against what is usual for its account."""
    choice = service.PostChoice(account_id=account_id, platform=platform)
    return service.best_times(session, choice, desk.now())


routes = Router("/api/analytics", route_handlers=[totals, best_times], tags=["Analytics"])
post_metrics_routes = Router("/api", route_handlers=[post_metrics], tags=["Analytics"])
