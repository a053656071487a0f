"""Workspaces deleted, had back, and purged when the grace is over. Runs in the request's `identity` transaction."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import anyio
import sqlalchemy as sa
import structlog
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.identity.schemas import WorkspaceView
from cliply_api.web.audit import audit, log_identity
from cliply_api.web.facts import RequestFacts
from cliply_api.workspaces.schemas import DeletedWorkspace
from cliply_resources.database import Database, Member, Workspace
from cliply_resources.database.models import Upload
from cliply_resources.errors import CliplyError, Conflict, NotFound
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage, workspace_prefix

__all__ = ["delete", "purge_due", "purging", "restore"]

PURGE_SECONDS = 3600.0
BATCH = 20
"""Workspaces purged by one round at most; the next one takes the rest."""

log = structlog.get_logger("cliply_api.workspaces")


def delete(
    session: Session, database: Database, principal: Principal, facts: RequestFacts, name: str, settings: Settings
) -> DeletedWorkspace:
    """Closes the workspace at once, and lets it go for good after the grace; `name` is its name, written out.

    Raises:
        Conflict: the name is another one.
    """
    # A lock that leaves room for those of what refers to the workspace, as the uploads below do.
    place = session.get_one(Workspace, principal.workspace, with_for_update={"key_share": True})
    if name != place.name:
        raise Conflict(f"The workspace is called “{place.name}”. Write its name out to delete it.")
    _stop_work(database, place.id)
    place.deleted_at = place.suspended_at = datetime.now(UTC)
    audit(session, principal, facts, "workspace.deleted", name=place.name)
    log_identity(session, facts, "workspace.deleted", user_id=principal.user_id, workspace=str(place.id))
    session.flush()
    grace = timedelta(days=settings.keep_deleted_workspace_days)
    return DeletedWorkspace(
        id=place.id, name=place.name, deleted_at=place.deleted_at, purged_after=place.deleted_at + grace
    )


def _stop_work(database: Database, workspace_id: UUID) -> None:
    """In a transaction of its own: the identity's one reaches no uploads."""
    open_ones = (Upload.cancelled_at.is_(None), Upload.completed_at.is_(None), Upload.deleted_at.is_(None))
    with database.api(workspace_id) as session:
        session.execute(
            sa.update(Upload).where(Upload.workspace_id == workspace_id, *open_ones).values(cancelled_at=sa.func.now())
        )


def restore(session: Session, principal: Principal, facts: RequestFacts, workspace_id: UUID) -> WorkspaceView:
    """Opens a deleted workspace again, for one of its owners; uploads that were being worked on stay cancelled.

    Raises:
        NotFound: the caller owns no deleted workspace of that id, or it was purged.
    """
    member = session.get(Member, (workspace_id, principal.user_id))
    place = session.get(Workspace, workspace_id, with_for_update=True) if member is not None else None
    if member is None or member.role != "owner" or place is None or place.deleted_at is None:
        raise NotFound("There is no deleted workspace of yours that could be had back.")
    if place.suspended_at == place.deleted_at:
        place.suspended_at = None
    place.deleted_at = None
    audit(session, principal, facts, "workspace.restored", workspace_id=place.id, name=place.name)
    session.flush()
    return WorkspaceView(
        id=place.id,
        name=place.name,
        role=member.role,
        created_at=place.created_at,
        suspended=place.suspended_at is not None,
        time_zone=place.time_zone,
    )


async def purging(database: Database, storage: Callable[[], Storage], settings: Settings) -> None:
    """Purges what is due, every hour, until it is cancelled."""
    while True:
        try:
            await to_thread.run_sync(lambda: purge_due(database, storage(), settings, now=datetime.now(UTC)))
        except (CliplyError, SQLAlchemyError, OSError) as failure:
            log.warning("purging deleted workspaces is put off", reason=str(failure))
        await anyio.sleep(PURGE_SECONDS)


def purge_due(database: Database, storage: Storage, settings: Settings, *, now: datetime) -> list[UUID]:
    """Lets go of the workspaces whose grace is over, objects first; returns them. Interrupted halfway, the next round goes on."""
    before = now - timedelta(days=settings.keep_deleted_workspace_days)
    due = sa.select(Workspace.id).where(Workspace.deleted_at < before).order_by(Workspace.deleted_at).limit(BATCH)
    with database.advisory_lock("purge workspaces", wait_seconds=0) as mine:
        if not mine:
            return []
        with database.identity() as session:
            found = list(session.scalars(due))
        return [place for place in found if _purge(database, storage, settings, place, before=before)]


def _purge(database: Database, storage: Storage, settings: Settings, workspace_id: UUID, *, before: datetime) -> bool:
    with database.identity() as session:
        # Locked to the end: it is had back before that, or not at all.
        place = session.get(Workspace, workspace_id, with_for_update=True)
        if place is None or place.deleted_at is None or place.deleted_at >= before:
            return False
        storage.delete_prefix(workspace_prefix(workspace_id))
        shutil.rmtree(settings.home / "search" / str(workspace_id), ignore_errors=True)
        session.execute(sa.delete(Workspace).where(Workspace.id == workspace_id))
    log.info("a deleted workspace was purged", workspace=str(workspace_id))
    return True
