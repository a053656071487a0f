"""Posts as people see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.posts.schemas import AttemptView, Can, PostView
from cliply_resources.database import AccountRow, PostAttempt, PostRow, Workspace
from cliply_resources.platforms.contract import Platform
from cliply_resources.platforms.documents import PostContent
from cliply_resources.posts.machine import CHANGEABLE

__all__ = ["attempt_view", "candidates_of", "facts_of_post", "possible", "post_views", "zone_of"]


def post_views(session: Session, rows: Sequence[PostRow], platforms: dict[str, Platform]) -> list[PostView]:
    """The rows, in their order; two statements more, however many they are."""
    if not rows:
        return []
    found = session.execute(
        sa.select(AccountRow.id, AccountRow.name).where(AccountRow.id.in_({row.account_id for row in rows}))
    )
    names = {account_id: name for account_id, name in found}
    zone = zone_of(session)
    return [
        PostView(**facts_of_post(row, names.get(row.account_id, ""), zone, platforms[row.platform])) for row in rows
    ]


def zone_of(session: Session) -> ZoneInfo:
    """The workspace's time zone."""
    return ZoneInfo(session.scalars(sa.select(Workspace.time_zone)).one())


def facts_of_post(row: PostRow, account_name: str, zone: ZoneInfo, platform: Platform) -> dict[str, Any]:
    """The fields of a `PostView`."""
    return {
        "id": row.id,
        "platform": row.platform,
        "account_id": row.account_id,
        "account_name": account_name,
        "upload_id": row.upload_id,
        "clip_id": row.clip_id,
        "content": msgspec.convert(row.content, PostContent),
        "due_at": row.due_at,
        "local_time": _local(row.due_at, zone),
        "tolerance_seconds": row.tolerance_seconds,
        "state": row.state,
        "reason": row.reason,
        "code": row.code,
        "revision": row.revision,
        "can": possible(row, platform),
        "remote_id": row.remote_id,
        "url": row.url,
        "visibility": row.visibility,
        "published_at": row.published_at,
        "removed_at": row.removed_at,
        "created_by": row.created_by,
        "approved_by": row.approved_by,
        "created_at": row.created_at,
    }


def possible(row: PostRow, platform: Platform) -> list[Can]:
    """What can be done with the post in its state."""
    found: list[Can] = []
    if row.state in CHANGEABLE:
        found += ["edit", "cancel"]
    if row.state == "requested":
        found += ["approve", "decline"]
    if row.state in {"rejected", "missed"}:
        found.append("retry")
    if row.state == "asking":
        found.append("answer")
    if row.state == "published" and row.remote_id is not None and row.removed_at is None:
        found.append("refresh")
        if platform.capabilities.editable:
            found.append("edit_published")
        if platform.capabilities.can_delete:
            found.append("delete_published")
    return found


def attempt_view(row: PostAttempt) -> AttemptView:
    """One call; what the platform said word by word is for operators, in the row."""
    return AttemptView(
        step=row.step,
        kind=row.kind,  # type: ignore[arg-type] # the database checks it
        outcome=row.outcome,
        resolution=row.resolution,  # type: ignore[arg-type] # likewise
        code=row.code,
        reason=row.reason,
        handle=row.handle,
        sent_bytes=row.sent_bytes,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def candidates_of(row: PostRow, attempts: Sequence[PostAttempt]) -> list[str]:
    """What the last reconciliation found that might be the post."""
    last = next((one for one in reversed(attempts) if one.kind == "reconcile"), None)
    if row.state != "asking" or last is None:
        return []
    return [word for word in last.raw.split() if word.startswith(("https://", "http://"))]


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="seconds")
