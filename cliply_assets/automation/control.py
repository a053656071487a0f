"""Stops runs that nobody wants any more: what the rows say people want is carried out on Dagster's runs."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import dagster as dg
import sqlalchemy as sa

from cliply_assets.automation.claims import UNFINISHED, unfinished_runs
from cliply_assets.automation.judging import RunFact
from cliply_assets.automation.outcomes import facts_of
from cliply_resources.database import Database, Upload, UploadRun

__all__ = ["is_to_stop", "stop_unwanted"]

WAITING = frozenset({"QUEUED", "NOT_STARTED"})
STOPPABLE = frozenset({"QUEUED", "NOT_STARTED", "STARTING", "STARTED"})


def is_to_stop(run: RunFact, *, cancelled: bool, paused: bool) -> bool:
    """Whether the run is to be ended from outside.

    A cancelled or deleted upload's always, even in the middle of a step that says nothing for minutes. A paused one's only while it
    has not begun: after that, the step that it is at is finished, and the next one does not begin.
    """
    if run.status not in STOPPABLE:
        return False
    return cancelled or (paused and run.status in WAITING)


def stop_unwanted(database: Database, instance: dg.DagsterInstance, *, most: int) -> list[str]:
    """Ends the runs that nobody wants; the ids of those that it reached. Asking twice is asking once."""
    wanted = _halted_runs(database, unfinished_runs(database, most))
    facts = facts_of(instance, [tag for tag, _, _ in wanted])
    unwanted = [
        run.run_id
        for tag, cancelled, paused in wanted
        for run in facts.get(tag, [])
        if is_to_stop(run, cancelled=cancelled, paused=paused)
    ]
    return [run_id for run_id in unwanted if instance.run_coordinator.cancel_run(run_id)]


def _halted_runs(database: Database, ids: Iterable[tuple[UUID, UUID]]) -> list[tuple[str, bool, bool]]:
    """Tag of the run, whether its upload is cancelled, and whether it is paused."""
    found: list[tuple[str, bool, bool]] = []
    by_workspace: dict[UUID, list[UUID]] = {}
    for workspace_id, upload_id in ids:
        by_workspace.setdefault(workspace_id, []).append(upload_id)
    for workspace_id, uploads in by_workspace.items():
        with database.pipeline(workspace_id) as session:
            rows = session.execute(_halted(workspace_id, uploads)).all()
        found += [(f"{row.upload_id}:{row.number}", _is_cancelled(row), row.paused_at is not None) for row in rows]
    return found


def _is_cancelled(row: sa.Row[UUID, int, datetime | None, datetime | None, datetime | None]) -> bool:
    return row.cancelled_at is not None or row.deleted_at is not None


def _halted(
    workspace_id: UUID, uploads: list[UUID]
) -> sa.Select[UUID, int, datetime | None, datetime | None, datetime | None]:
    return (
        sa.select(UploadRun.upload_id, UploadRun.number, Upload.cancelled_at, Upload.deleted_at, Upload.paused_at)
        .join(Upload, sa.and_(Upload.workspace_id == UploadRun.workspace_id, Upload.id == UploadRun.upload_id))
        .where(
            UploadRun.workspace_id == workspace_id,
            UploadRun.upload_id.in_(uploads),
            UploadRun.state.in_(UNFINISHED),
            sa.or_(Upload.cancelled_at.is_not(None), Upload.deleted_at.is_not(None), Upload.paused_at.is_not(None)),
        )
    )
