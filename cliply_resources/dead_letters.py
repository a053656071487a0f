"""Work that failed and that nobody will try again by itself: listed, tried again, put away.

The view `dead_letters` says what is one; everything here goes by it, so that what is counted is what is listed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_resources.database import Database, RenderWish, Upload, UploadStep

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
RERENDER = "rerender"
"""The step of a rendering on request; its part is the wish's id."""
_HAS_FILM = sa.or_(Upload.expired_at.is_(None), Upload.source_kind != "stored")


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


def retry_uploads(
    session: Session, workspace_id: UUID, uploads: Sequence[UUID], *, request_id: str | None = None
) -> list[UUID]:
    """Asks for what failed of these uploads to be tried again; twice is once. Returns of which uploads something is.

    A rendering on request that failed is wished for anew; anything else lets the upload's own run go on from what is finished.
    Uploads whose film was sent to us and has been deleted since are passed over.
    """
    of = DEAD_LETTERS.c
    dead = sa.select(of.upload_id).where(of.workspace_id == workspace_id, of.step != RERENDER)
    again = _wish_again(session, workspace_id, uploads, request_id)
    values: dict[str, Any] = {"attempt": Upload.attempt + 1, "retry_at": sa.func.now()}
    statement = (
        sa.update(Upload)
        .where(Upload.workspace_id == workspace_id, Upload.id.in_(uploads), Upload.id.in_(dead), _HAS_FILM)
        .values(values if request_id is None else values | {"request_id": request_id})
        .returning(Upload.id)
    )
    return sorted({*again, *session.scalars(statement)})


def _wish_again(session: Session, workspace_id: UUID, uploads: Sequence[UUID], request_id: str | None) -> list[UUID]:
    """Opens failed wishes again; their letters are put away until the new run begins, or fails as well."""
    of = DEAD_LETTERS.c
    letters = session.execute(
        sa.select(of.upload_id, of.part)
        .join(Upload, sa.and_(Upload.workspace_id == of.workspace_id, Upload.id == of.upload_id))
        # A rendering takes what an earlier run has fetched, and fetches nothing itself.
        .where(
            of.workspace_id == workspace_id, of.step == RERENDER, of.upload_id.in_(uploads), Upload.expired_at.is_(None)
        )
    ).all()
    done = []
    for upload_id, part in letters:
        mine = (RenderWish.workspace_id == workspace_id, RenderWish.id == UUID(part))
        wish = session.scalars(sa.select(RenderWish).where(*mine).with_for_update()).one_or_none()
        if wish is None or wish.state not in {"failed", "open"}:
            continue
        if wish.state == "failed" and not _wished_meanwhile(session, wish):
            wish.state, wish.attempt, wish.reason, wish.ended_at, wish.deadline_at = "open", 0, None, None, None
            wish.request_id = request_id or wish.request_id
        letter = (UploadStep.workspace_id == workspace_id, UploadStep.upload_id == upload_id)
        step = (UploadStep.step == RERENDER, UploadStep.part == part)
        session.execute(sa.update(UploadStep).where(*letter, *step).values(discarded_at=sa.func.now()))
        done.append(upload_id)
    session.flush()
    return done


def _wished_meanwhile(session: Session, wish: RenderWish) -> bool:
    """Whether somebody asked for the very same since, which is waiting or at work."""
    same = (
        RenderWish.workspace_id == wish.workspace_id,
        RenderWish.clip_id == wish.clip_id,
        RenderWish.settings_digest == wish.settings_digest,
        RenderWish.state.in_(("open", "claimed", "running")),
    )
    return bool(session.scalar(sa.select(sa.exists().where(*same))))


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
