"""Bodies of the analytics handlers. A counter that a platform does not tell is `null`, never 0."""

from datetime import datetime
from uuid import UUID

from cliply_api.web.fields import View

__all__ = ["BestTimes", "Counters", "Gains", "Point", "PostSeries", "Slot", "Totals", "TotalsOf"]


class Counters(View, kw_only=True):
    """Totals since publishing, at one moment."""

    views: int | None
    likes: int | None
    comments: int | None
    shares: int | None
    saves: int | None
    reach: int | None
    watch_seconds: float | None
    """All viewers together."""


class Gains(View, kw_only=True):
    """What came since the point before; `null` where one of both was not told. Platforms sometimes take counts back."""

    views: int | None
    likes: int | None
    comments: int | None
    shares: int | None
    saves: int | None
    reach: int | None
    watch_seconds: float | None


class Point(View, kw_only=True):
    """One measurement of a post."""

    at: datetime
    totals: Counters
    since_last: Gains


class PostSeries(View, kw_only=True):
    """A post's measurements, oldest first."""

    post_id: UUID
    published_at: datetime | None
    points: list[Point]
    next_at: datetime | None
    """When it is measured next."""
    reason: str | None
    """Why it is not measured any more, or could not be lately."""


class TotalsOf(View, kw_only=True):
    """One account."""

    account_id: UUID
    account_name: str
    platform: str
    posts: int
    """Published ones, removed ones included."""
    published: int
    """Of these, published within the span of time."""
    totals: Counters
    """At the end of it."""
    gained: Gains
    """Within it."""


class Totals(View, kw_only=True):
    """All accounts of the workspace, and their sum."""

    since: datetime
    until: datetime
    posts: int
    published: int
    totals: Counters
    gained: Gains
    accounts: list[TotalsOf]


class Slot(View, kw_only=True):
    """An hour of the week in which posts were published."""

    weekday: int
    """0 is Monday."""
    hour: int
    posts: int
    mean_views: float
    """In their first week."""
    score: float
    """1.0 is usual for the accounts that posted then; few posts pull it towards 1.0."""


class BestTimes(View, kw_only=True):
    """Hours of the week, in the workspace's time zone, by how posts published then did in their first week."""

    time_zone: str
    posts: int
    """That were counted: published more than a day ago, and measured."""
    slots: list[Slot]
    best: list[Slot]
    """At most five that are better than usual and rest on two posts or more; the best first."""
    note: str | None
    """Where there is too little to go by."""
