"""A video's numbers: counters that arrive as text, and watch time from Analytics."""

import re
from collections.abc import Mapping
from typing import Any

from cliply_resources.platforms.documents import Metrics

__all__ = ["duration_seconds", "metrics_of", "watch_times"]

_DURATION = re.compile(r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


def metrics_of(video: Mapping[str, Any], watched: Mapping[str, tuple[float, float, int]]) -> Metrics:
    """Public counters and, where Analytics tells it, how long people watched and how often they shared."""
    counted = video.get("statistics") or {}
    seconds, average, shares = watched.get(str(video["id"]), (None, None, None))

    def count(name: str) -> int | None:
        return int(counted[name]) if name in counted else None

    return Metrics(
        remote_id=str(video["id"]),
        views=count("viewCount"),
        likes=count("likeCount"),
        comments=count("commentCount"),
        shares=shares,
        watch_seconds=seconds,
        average_watch_seconds=average,
        extra={"dislikes": float(counted["dislikeCount"])} if "dislikeCount" in counted else {},
    )


def watch_times(table: Mapping[str, Any]) -> dict[str, tuple[float, float, int]]:
    """Of a report with the columns video, estimatedMinutesWatched, averageViewDuration and shares."""
    names = [str(each["name"]) for each in table.get("columnHeaders") or ()]
    found: dict[str, tuple[float, float, int]] = {}
    for row in table.get("rows") or ():
        told = dict(zip(names, row, strict=False))
        found[str(told["video"])] = (
            60.0 * float(told.get("estimatedMinutesWatched", 0)),
            float(told.get("averageViewDuration", 0)),
            int(told.get("shares", 0)),
        )
    return found


def duration_seconds(text: str) -> float | None:
    """Of an ISO 8601 duration such as `PT1M30S`."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
