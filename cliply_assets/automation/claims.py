"""Takes uploads for a run: the row says so before anybody starts anything, so that two who try get one."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_resources.database import Database, Upload, UploadRun

__all__ = ["RUN_TAG", "UNFINISHED", "Claim", "claim_start", "unfinished_runs"]

RUN_TAG = "cliply/run"
"""Run tag: `upload:number`. A retry that Dagster makes of a run carries it, too, so that both are found by it."""

UNFINISHED = ("asked", "running")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A run that is to be started for an upload."""

    workspace_id: UUID
    upload_id: UUID
    number: int
    priority: int = 0
    request_id: str | None = None
    """Of the web request that asked for it, where one did."""

    @property
    def tag(self) -> str:
        """The value of its run's `RUN_TAG`."""
        return f"{self.upload_id}:{self.number}"


def claim_start(database: Database, workspace_id: UUID, upload_id: UUID, *, priority: int = 0) -> Claim | None:
    """Takes the upload for a new run; nothing where another was quicker, or where it does not wait any more."""
    waiting = (
        sa.select(Upload)
        .where(
            Upload.workspace_id == workspace_id,
            Upload.id == upload_id,
            Upload.started_attempt < Upload.attempt,
            Upload.confirmed_at.is_not(None),
            Upload.cancelled_at.is_(None),
            Upload.paused_at.is_(None),
            Upload.deleted_at.is_(None),
        )
        .with_for_update(skip_locked=True)
    )
    with database.pipeline(workspace_id) as session:
        row = session.scalars(waiting).one_or_none()
        if row is None or _has_unfinished(session, workspace_id, upload_id):
            return None
        number = 1 + (session.scalar(_highest(workspace_id, upload_id)) or 0)
        session.add(UploadRun(upload_id=upload_id, number=number, attempt=row.attempt))
        row.started_attempt = row.attempt
        request_id = row.request_id
    return Claim(
        workspace_id=workspace_id, upload_id=upload_id, number=number, priority=priority, request_id=request_id
    )


def unfinished_runs(database: Database, most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and upload ids whose run has not ended, the longest first, over all workspaces."""
    with database.across() as session:
        rows = session.execute(sa.text("SELECT * FROM app.unfinished_runs(:most)"), {"most": most}).all()
    return [(row[0], row[1]) for row in rows]


def _has_unfinished(session: Session, workspace_id: UUID, upload_id: UUID) -> bool:
    query = sa.select(UploadRun.number).where(
        UploadRun.workspace_id == workspace_id, UploadRun.upload_id == upload_id, UploadRun.state.in_(UNFINISHED)
    )
    return session.scalar(query) is not None


def _highest(workspace_id: UUID, upload_id: UUID) -> sa.Select[int | None]:
    return sa.select(sa.func.max(UploadRun.number)).where(
        UploadRun.workspace_id == workspace_id, UploadRun.upload_id == upload_id
    )
