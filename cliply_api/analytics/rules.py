"""What numbers of posts add up to. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, median
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from cliply_api.analytics.schemas import Counters, Gains, Slot

__all__ = ["COUNTERS", "Did", "best_slots", "counters_of", "gains", "sum_of"]

COUNTERS = ("views", "likes", "comments", "shares", "saves", "reach", "watch_seconds")
PRIOR_POSTS = 3.0
"""So many usual posts are added to every slot, so that a single lucky one does not make an hour the best."""
FEWEST = 2
MOST_BEST = 5


@dataclass(frozen=True, kw_only=True)
class Did:
    """How one post did."""

    account_id: UUID
    published_at: datetime
    views: int


def counters_of(row: Any) -> Counters:
    """The counters of a measurement; of none, nothing is known."""
    return Counters(**{name: getattr(row, name, None) for name in COUNTERS})


def gains(before: Counters | None, after: Counters) -> Gains:
    """What came in between; before the first measurement there was nothing."""

    def gained(name: str) -> Any:
        later = getattr(after, name)
        earlier = 0 if before is None else getattr(before, name)
        return None if later is None or earlier is None else later - earlier

    return Gains(**{name: gained(name) for name in COUNTERS})


def sum_of(parts: Iterable[Counters | Gains]) -> dict[str, Any]:
    """Each counter's sum over the parts that tell it; `None` where none does."""
    listed = list(parts)
    told = {name: [value for part in listed if (value := getattr(part, name)) is not None] for name in COUNTERS}
    return {name: sum(values) if values else None for name, values in told.items()}


def best_slots(posts: Sequence[Did], zone: ZoneInfo) -> tuple[list[Slot], list[Slot]]:
    """Every hour of the week with posts, in its order, and the best of them.

    A post counts by its views over its account's median, so that a large account does not decide for a small one. A slot's score is
    (sum of its posts' ratios + 3) / (their number + 3): the mean, with three usual posts added.
    """
    usual: dict[UUID, list[int]] = defaultdict(list)
    for post in posts:
        usual[post.account_id].append(post.views)
    medians = {account_id: max(median(views), 1.0) for account_id, views in usual.items()}
    slots: dict[tuple[int, int], list[Did]] = defaultdict(list)
    for post in posts:
        local = post.published_at.astimezone(zone)
        slots[local.weekday(), local.hour].append(post)
    found = [
        Slot(
            weekday=weekday,
            hour=hour,
            posts=len(there),
            mean_views=round(fmean(post.views for post in there), 1),
            score=round(
                (sum(post.views / medians[post.account_id] for post in there) + PRIOR_POSTS)
                / (len(there) + PRIOR_POSTS),
                3,
            ),
        )
        for (weekday, hour), there in sorted(slots.items())
    ]
    good = [slot for slot in found if slot.posts >= FEWEST and slot.score > 1.0]
    return found, sorted(good, key=lambda slot: -slot.score)[:MOST_BEST]
