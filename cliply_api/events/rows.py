"""What a stream reads: events by their number, percentages by their step, and whether the reader may still read."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from cliply_api.auth.permissions import permissions_of
from cliply_api.events.hub import Part
from cliply_resources.database import Database, Event, EventHead, UploadStep

__all__ = ["BATCH", "Happened", "Moved", "Reader", "bounds", "events_after", "may_still_read", "percentages"]

BATCH = 200
"""Events that are read at once."""

STILL = sa.text(
    """
    SELECT m.role FROM members m JOIN users u ON u.id = m.user_id JOIN workspaces w ON w.id = m.workspace_id
    WHERE m.workspace_id = :workspace AND m.user_id = :user AND u.suspended_at IS NULL AND w.suspended_at IS NULL
      AND (CAST(:session AS uuid) IS NULL OR EXISTS (
          SELECT FROM sessions s WHERE s.id = :session AND s.revoked_at IS NULL AND s.expires_at > now()))
      AND (CAST(:token AS uuid) IS NULL OR EXISTS (
          SELECT FROM api_tokens t WHERE t.id = :token AND t.revoked_at IS NULL AND t.expires_at > now()))
    """
)


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads, where, and by what proof."""

    workspace_id: UUID
    user_id: UUID
    session_id: UUID | None
    token_id: UUID | None


class Happened(msgspec.Struct, kw_only=True):
    """An event, as it is told."""

    seq: int
    """Its place in the workspace: without gaps, in the order of the commits."""
    id: UUID
    kind: str
    upload_id: UUID | None
    at: datetime
    data: dict[str, Any]


class Moved(msgspec.Struct, kw_only=True):
    """How far a step has come; told, but not kept."""

    upload_id: UUID
    step: str
    part: str
    state: str
    percent: float
    doing: str


def bounds(database: Database, workspace_id: UUID) -> tuple[int, int]:
    """The numbers of the newest event, and of the oldest that is still kept (one more than the newest if there is none)."""
    with database.api(workspace_id) as session:
        newest = session.scalar(sa.select(EventHead.last_seq)) or 0
        oldest = session.scalar(sa.select(Event.seq).order_by(Event.seq).limit(1))
    return newest, newest + 1 if oldest is None else oldest


def events_after(database: Database, workspace_id: UUID, seq: int, upload_id: UUID | None) -> list[Happened]:
    """The next events, at most `BATCH`, of the upload if one is named."""
    query = sa.select(Event).where(Event.workspace_id == workspace_id, Event.seq > seq).order_by(Event.seq).limit(BATCH)
    if upload_id is not None:
        query = query.where(Event.upload_id == upload_id)
    with database.api(workspace_id) as session:
        return [
            Happened(
                seq=row.seq, id=row.id, kind=row.kind, upload_id=row.upload_id, at=row.created_at, data=row.payload
            )
            for row in session.scalars(query)
        ]


def percentages(database: Database, workspace_id: UUID, parts: Collection[Part]) -> list[Moved]:
    """How far these steps are now."""
    query = sa.select(UploadStep).where(UploadStep.upload_id.in_({upload for upload, _, _ in parts}))
    with database.api(workspace_id) as session:
        return [
            Moved(
                upload_id=row.upload_id,
                step=row.step,
                part=row.part,
                state=row.state,
                percent=row.percent,
                doing=row.doing,
            )
            for row in session.scalars(query)
            if (row.upload_id, row.step, row.part) in parts
        ]


def may_still_read(database: Database, reader: Reader) -> bool:
    """Whether the sign-in or token is in force, and its owner a member."""
    values = {
        "workspace": reader.workspace_id,
        "user": reader.user_id,
        "session": reader.session_id,
        "token": reader.token_id,
    }
    with database.identity() as session:
        role = session.scalar(STILL, values)
    return "event.read" in permissions_of(role)
