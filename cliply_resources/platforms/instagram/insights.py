"""A reel's numbers. One metric that Instagram no longer has fails the whole request, so then each is asked for alone."""

from collections.abc import Callable
from typing import Any

from cliply_resources.platforms.documents import Metrics
from cliply_resources.platforms.instagram.errors import graph_error
from cliply_resources.platforms.wire import Answer

__all__ = ["metrics_of"]

Ask = Callable[[str], Answer]

_NAMES = (
    "views",
    "reach",
    "likes",
    "comments",
    "shares",
    "saved",
    "total_interactions",
    "ig_reels_avg_watch_time",
    "ig_reels_video_view_total_time",
    "reels_skip_rate",
)
_GONE = 100
"""Also the code of a metric that does not exist."""


def metrics_of(media_id: str, ask: Ask) -> tuple[Metrics | None, Answer | None]:
    """The counters, or the answer that refused them; neither where the reel is gone."""
    answer = ask(_path(media_id, _NAMES))
    error = graph_error(answer)
    if error is None and answer.ok:
        return _metrics(media_id, _values(answer)), None
    if error is None or error.code != _GONE:
        return None, answer
    values: dict[str, float] = {}
    for name in _NAMES:
        alone = ask(_path(media_id, (name,)))
        if alone.ok:
            values.update(_values(alone))
        elif (refused := graph_error(alone)) is None or refused.code != _GONE:
            return None, alone
    return (_metrics(media_id, values) if values else None), None


def _path(media_id: str, names: tuple[str, ...]) -> str:
    return f"/{media_id}/insights?metric={','.join(names)}"


def _values(answer: Answer) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in answer.document().get("data") or ():
        values: list[dict[str, Any]] = each.get("values") or []
        if values and isinstance(values[0].get("value"), (int, float)):
            found[str(each["name"])] = values[0]["value"]
    return found


def _metrics(media_id: str, values: dict[str, float]) -> Metrics:
    def count(name: str) -> int | None:
        return int(values[name]) if name in values else None

    def seconds(name: str) -> float | None:
        return values[name] / 1000 if name in values else None

    return Metrics(
        remote_id=media_id,
        views=count("views"),
        reach=count("reach"),
        likes=count("likes"),
        comments=count("comments"),
        shares=count("shares"),
        saves=count("saved"),
        watch_seconds=seconds("ig_reels_video_view_total_time"),
        average_watch_seconds=seconds("ig_reels_avg_watch_time"),
        extra={name: float(values[name]) for name in ("total_interactions", "reels_skip_rate") if name in values},
    )
