"""Work that failed and that nobody will try again by itself: listed, tried again, put away.

The view `dead_letters` says what is one; everything here goes by it, so that what is counted is what is listed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_resources.database import Database, Upload, UploadStep

__all__ = [
    "DEAD_LETTERS",
    "count_dead_letters",
    "discard_letters",
    "letters_of",
    "retry_uploads",
    "uploads_with_dead_letters",
]

DEAD_LETTERS = sa.table(
    "dead_letters",
    sa.column("workspace_id", sa.Uuid),
    sa.column("upload_id", sa.Uuid),
    sa.column("step", sa.Text),
    sa.column("part", sa.Text),
    sa.column("title", sa.Text),
    sa.column("reason", sa.Text),
    sa.column("raw_error", sa.Text),
    sa.column("attempt", sa.Integer),
    sa.column("max_attempts", sa.Integer),
    sa.column("run_id", sa.Text),
    sa.column("started_at", sa.DateTime(timezone=True)),
    sa.column("ended_at", sa.DateTime(timezone=True)),
)
"""The view, as the bound workspace sees it."""


def count_dead_letters(database: Database) -> int:
    """How many there are, over all workspaces; an alert watches whether it grows."""
    with database.across() as session:
        return int(session.scalar(sa.text("SELECT app.count_dead_letters()")) or 0)


def uploads_with_dead_letters(
    database: Database, *, since: datetime | None = None, step: str | None = None, most: int = 1000
) -> list[tuple[UUID, UUID]]:
    """Workspace and upload ids, the newest failure first, over all workspaces."""
    query = sa.text("SELECT * FROM app.uploads_with_dead_letters(:since, :step, :most)")
    with database.across() as session:
        rows = session.execute(query, {"since": since, "step": step, "most": most}).all()
    return [(row[0], row[1]) for row in rows]


def letters_of(workspace_id: UUID, *, uploads: Sequence[UUID] | None = None, step: str | None = None) -> sa.Select[Any]:
    """A query over the workspace's dead letters, the newest first; of these uploads, and of this step, where they are named."""
    of = DEAD_LETTERS.c
    query = sa.select(DEAD_LETTERS).where(of.workspace_id == workspace_id)
    if uploads is not None:
        query = query.where(of.upload_id.in_(uploads))
    if step is not None:
        query = query.where(of.step == step)
    return query.order_by(of.ended_at.desc().nulls_last(), of.upload_id, of.step, of.part)


def retry_uploads(session: Session, workspace_id: UUID, uploads: Sequence[UUID]) -> list[UUID]:
    """Asks for those of the uploads that have dead letters to be worked on again; twice is once. Returns which."""
    dead = sa.select(DEAD_LETTERS.c.upload_id).where(DEAD_LETTERS.c.workspace_id == workspace_id)
    statement = (
        sa.update(Upload)
        .where(Upload.workspace_id == workspace_id, Upload.id.in_(uploads), Upload.id.in_(dead))
        .values(attempt=Upload.attempt + 1, retry_at=sa.func.now())
        .returning(Upload.id)
    )
    return list(session.scalars(statement))


def discard_letters(session: Session, workspace_id: UUID, uploads: Sequence[UUID]) -> list[UUID]:
    """Puts the dead letters of these uploads away: nobody is told of them any more. Returns whose there were."""
    dead = sa.select(DEAD_LETTERS.c.upload_id).where(DEAD_LETTERS.c.workspace_id == workspace_id)
    statement = (
        sa.update(UploadStep)
        .where(
            UploadStep.workspace_id == workspace_id,
            UploadStep.upload_id.in_(uploads),
            UploadStep.upload_id.in_(dead),
            UploadStep.state == "failed",
            UploadStep.discarded_at.is_(None),
        )
        .values(discarded_at=sa.func.now())
        .returning(UploadStep.upload_id)
    )
    return sorted(set(session.scalars(statement)))
