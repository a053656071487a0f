"""Ends steps that look running although nobody works on them: their process died, and so did the run that would have said so."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import dagster as dg
import sqlalchemy as sa

from cliply_assets.housekeeping.across import uploads_with_running_steps
from cliply_assets.instance.owner import OWNER_TAG, is_alive
from cliply_assets.steps.rules import STEPS
from cliply_resources.database import Database, UploadStep

__all__ = ["RunFacts", "StuckStep", "end_stuck_steps", "is_stuck", "run_facts"]

YOUNG = timedelta(minutes=2)
"""A step that began since then is left alone: its run may just be starting."""
GRACE = timedelta(minutes=2)
"""After a run's end, for what tells of it in the ordinary way, and for its retry."""


class RunFacts(NamedTuple):
    """What Dagster knows of the run that a step was in."""

    known: bool
    ended_at: datetime | None
    """When it ended; nothing while it has not."""
    owner_alive: bool = True
    """Whether the process of a run that lives in a command still runs."""


class StuckStep(NamedTuple):
    """One that was ended, or with dry-run would have been."""

    workspace_id: UUID
    upload_id: UUID
    step: str
    part: str
    reason: str


def is_stuck(run: RunFacts, *, started_at: datetime, now: datetime) -> bool:
    """Whether a running step, whose lock is free, is in no run that could still go on with it."""
    if now - started_at < YOUNG:
        return False
    if not run.known or not run.owner_alive:
        return True
    return run.ended_at is not None and now - run.ended_at >= GRACE


def run_facts(instance: dg.DagsterInstance, run_id: str | None) -> RunFacts:
    """Asks Dagster's records."""
    record = instance.get_run_record_by_id(run_id) if run_id else None
    if record is None:
        return RunFacts(known=False, ended_at=None)
    owner = record.dagster_run.tags.get(OWNER_TAG)
    ended = record.dagster_run.is_finished
    return RunFacts(
        known=True,
        ended_at=record.update_timestamp if ended else None,
        owner_alive=owner is None or ended or is_alive(owner),
    )


def end_stuck_steps(
    database: Database, facts: Callable[[str | None], RunFacts], *, now: datetime, most: int, dry_run: bool = False
) -> list[StuckStep]:
    """Marks stuck steps as failed, each under its own lock; returns them."""
    found: list[StuckStep] = []
    for workspace_id, upload_id in uploads_with_running_steps(database, started_before=now - YOUNG, most=most):
        with database.pipeline(workspace_id) as session:
            running = session.execute(_running(workspace_id, upload_id)).all()
        for step, part in running:
            # Whoever works on it holds this lock until its row says how it ended.
            with database.advisory_lock(f"step:{upload_id}:{step}:{part}", wait_seconds=0) as free:
                if not free:
                    continue
                reason = _end(database, (workspace_id, upload_id, step, part), facts, now=now, dry_run=dry_run)
                if reason is not None:
                    found.append(StuckStep(workspace_id, upload_id, step, part, reason))
    return found


def _running(workspace_id: UUID, upload_id: UUID) -> sa.Select[str, str]:
    return sa.select(UploadStep.step, UploadStep.part).where(
        UploadStep.workspace_id == workspace_id, UploadStep.upload_id == upload_id, UploadStep.state == "running"
    )


def _end(
    database: Database,
    key: tuple[UUID, UUID, str, str],
    facts: Callable[[str | None], RunFacts],
    *,
    now: datetime,
    dry_run: bool,
) -> str | None:
    with database.pipeline(key[0]) as session:
        row = session.get(UploadStep, key, with_for_update=True)
        if row is None or row.state != "running" or row.started_at is None:
            return None
        run = facts(row.run_id)
        if not is_stuck(run, started_at=row.started_at, now=now):
            return None
        label = STEPS[row.step].label if row.step in STEPS else row.step
        reason = f"The process that worked on “{label}” ended without a word; “retry” goes on from what is finished."
        if not dry_run:
            row.state, row.ended_at, row.reason = "failed", now, reason
            row.raw_error = (
                f"Found by the watchdog: run {row.run_id or 'unknown'} on {row.worker or 'an unknown machine'} is "
                f"{'over' if run.known else 'not in the records'}, and nobody holds the step's lock."
            )
    return reason
