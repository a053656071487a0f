"""Snapshots of posts' numbers as Parquet, one table a workspace and day (UTC)."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from cliply_assets.housekeeping.across import every_workspace
from cliply_resources.database import Database, PostMetrics, PostRow
from cliply_resources.storage import Storage
from cliply_resources.storage.keys import metrics_key

__all__ = ["CATCH_UP_DAYS", "DayWritten", "frame_of", "write_days"]

CATCH_UP_DAYS = 7
"""Days that are looked at again, should their table be missing."""

_COLUMNS = ("views", "likes", "comments", "shares", "saves", "reach", "watch_seconds", "average_watch_seconds")


class DayWritten(msgspec.Struct, frozen=True, kw_only=True):
    """One table."""

    key: str
    rows: int
    posts: int
    fell: int
    """Posts whose views were fewer than in an earlier snapshot of the day; platforms take views back that they hold for fraud."""


def write_days(database: Database, storage: Storage, *, today: date) -> list[DayWritten]:
    """Writes the days before `today` of which there are snapshots and no table yet."""
    written: list[DayWritten] = []
    for workspace_id in every_workspace(database):
        for back in range(CATCH_UP_DAYS, 0, -1):
            day = today - timedelta(days=back)
            key = metrics_key(workspace_id, day)
            if storage.exists(key):
                continue
            rows = _rows(database, workspace_id, day)
            if not rows:
                continue
            body, fell = frame_of(rows)
            storage.put_bytes(key, body)
            written.append(DayWritten(key=key, rows=len(rows), posts=len({row["post_id"] for row in rows}), fell=fell))
    return written


def frame_of(rows: list[dict[str, Any]]) -> tuple[bytes, int]:
    """The snapshots as Parquet (ids as text, counters as 64-bit numbers or null), and how many posts lost views."""
    import polars as pl

    texts = ("post_id", "account_id", "upload_id", "clip_id", "platform")
    whole = dict.fromkeys(_COLUMNS[:6], pl.Int64)
    schema: dict[str, Any] = {
        **dict.fromkeys(texts, pl.String),
        "published_at": pl.Datetime("us", "UTC"),
        "at": pl.Datetime("us", "UTC"),
        **whole,
        **dict.fromkeys(_COLUMNS[6:], pl.Float64),
    }
    frame = pl.DataFrame(rows, schema=schema).sort("post_id", "at")
    falls = frame.filter(pl.col("views").diff().over("post_id") < 0)["post_id"].n_unique()
    body = io.BytesIO()
    frame.write_parquet(body)
    return body.getvalue(), int(falls)


def _rows(database: Database, workspace_id: UUID, day: date) -> list[dict[str, Any]]:
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    numbers = [getattr(PostMetrics, name) for name in _COLUMNS]
    query = (
        sa.select(
            PostRow.id.label("post_id"),
            PostRow.account_id,
            PostRow.upload_id,
            PostRow.clip_id,
            PostRow.platform,
            PostRow.published_at,
            PostMetrics.at,
            *numbers,
        )
        .join(PostRow, sa.and_(PostRow.workspace_id == PostMetrics.workspace_id, PostRow.id == PostMetrics.post_id))
        .where(
            PostMetrics.workspace_id == workspace_id,
            PostMetrics.at >= begins,
            PostMetrics.at < begins + timedelta(days=1),
        )
    )
    with database.pipeline(workspace_id) as session:
        return [
            {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}
            for row in session.execute(query).mappings()
        ]
