"""Questions over all workspaces, as ids: the functions of `sql/071` in Python's terms."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from cliply_resources.database import Database

__all__ = [
    "every_workspace",
    "uploads_to_backfill",
    "uploads_to_expire",
    "uploads_to_forget",
    "uploads_with_running_steps",
]

PAGE = 500

Found = list[tuple[UUID, UUID]]
"""Workspace and upload ids."""


def every_workspace(database: Database) -> Iterator[UUID]:
    """All workspaces, by id; one that is made meanwhile may be left out."""
    last: UUID | None = None
    while True:
        with database.across() as session:
            query = sa.text("SELECT workspace_id FROM app.workspaces_after(:last, :most)")
            page = list(session.scalars(query.bindparams(sa.bindparam("last", last, sa.Uuid()), most=PAGE)))
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]


def uploads_to_expire(database: Database, *, ended_before: datetime, most: int) -> Found:
    """Uploads whose last work ended before that moment, and whose source and intermediate objects are still kept."""
    return _found(database, "app.uploads_to_expire(:before, :most)", before=ended_before, most=most)


def uploads_to_forget(database: Database, *, expired_before: datetime, most: int) -> Found:
    """Uploads that expired before that moment and still have steps."""
    return _found(database, "app.uploads_to_forget(:before, :most)", before=expired_before, most=most)


def uploads_with_running_steps(database: Database, *, started_before: datetime, most: int) -> Found:
    """Uploads with a step that has been running since before that moment, the longest first."""
    return _found(database, "app.uploads_with_running_steps(:before, :most)", before=started_before, most=most)


def uploads_to_backfill(
    database: Database, *, since: datetime, workspace_id: UUID | None, after_step: str, most: int
) -> Found:
    """Uploads since that moment that nobody works on and that have finished `after_step`; the newest first."""
    call = "app.uploads_to_backfill(:since, CAST(:workspace AS uuid), :step, :most)"
    workspace = str(workspace_id) if workspace_id is not None else None
    return _found(database, call, since=since, workspace=workspace, step=after_step, most=most)


def _found(database: Database, call: str, **values: object) -> Found:
    # The calls are constants of this module; values are bound.
    with database.across() as session:
        rows = session.execute(sa.text(f"SELECT workspace_id, upload_id FROM {call}"), values).all()  # noqa: S608
    return [(row[0], row[1]) for row in rows]
