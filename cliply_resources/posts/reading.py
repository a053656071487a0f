"""When published posts are measured, and when an account's own posts are looked at: pure rules, in seconds and aware moments."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

__all__ = [
    "CALLS_PER_DAY",
    "MEASURED_DAYS",
    "measured_every",
    "next_import_after",
    "next_measure",
    "tomorrow",
]

HOUR = 3600.0
DAY = 86400.0
MEASURED_DAYS = 90
"""Afterwards a post is not measured any more."""
_EVERY = ((3 * HOUR, 900.0), (DAY, HOUR), (7 * DAY, 6 * HOUR), (MEASURED_DAYS * DAY, DAY))
"""Up to which age, and how often."""
GRID_SECONDS = 300.0
"""Moments are multiples of this, so that posts of one account are asked about together."""

CALLS_PER_DAY: dict[str, int] = {
    "youtube": 4000,  # one unit each of the project's 10,000, of which publishing and editing need the rest
    "x": 2000,  # each post that is read costs money
    "linkedin": 2000,
    "instagram": 20_000,
    "tiktok": 50_000,
    "sandbox": 1_000_000,
}
"""Calls for reading that the whole installation makes to a platform in a day, unless the settings say otherwise."""

SHORTEST_IMPORT = 900.0
LONGEST_IMPORT = DAY
USUAL_IMPORT = 6 * HOUR
"""Seconds between two looks at an account of which too little is known."""
MOST_DOUBLINGS = 5


def measured_every(age: float) -> float | None:
    """Seconds between two measures of a post of this age (seconds): minutes at first, a day in the end, then `None`."""
    return next((every for up_to, every in _EVERY if age < up_to), None)


def next_measure(published_at: datetime, now: datetime) -> datetime | None:
    """When a post that was measured now is measured next, on the grid; `None` when it is old enough to be left alone."""
    every = measured_every(max((now - published_at).total_seconds(), 0.0))
    if every is None:
        return None
    wanted = now.timestamp() + every
    # Rounded to the nearest, so that a run that began late does not put every later measure off.
    return datetime.fromtimestamp(round(wanted / GRID_SECONDS) * GRID_SECONDS, UTC)


def next_import_after(newest: Sequence[datetime], *, quiet: int, chosen: float | None = None) -> float:
    """Seconds until an account's own posts are looked at again.

    A quarter of the usual time between its `newest` posts (any order), twice as long for every look in a row (`quiet`) that found
    nothing; between 15 minutes and a day. `chosen`: what its people asked for, which counts alone.
    """
    if chosen is not None:
        return chosen
    moments = sorted(newest)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    usual = median(gaps) / 4 if gaps else USUAL_IMPORT
    bounded = min(max(usual, SHORTEST_IMPORT), LONGEST_IMPORT)
    return min(bounded * 2.0 ** min(max(quiet, 0), MOST_DOUBLINGS), LONGEST_IMPORT)


def tomorrow(now: datetime) -> datetime:
    """Midnight (UTC), when a day's budget begins anew."""
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
