"""Deletes old runs: Dagster's event log grows by about 90 kB a run, and nothing else trims it.

What users see of an upload lies in Cliply's own tables and is not touched.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg

from cliply_resources.settings import get_settings

__all__ = ["purge_runs", "purge_runs_daily", "runs_to_purge"]

BATCH = 500
"""Runs deleted by one tick at most, so that it ends before the next is due even on a slow disk."""

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def runs_to_purge(
    runs: Iterable[tuple[str, datetime, dg.DagsterRunStatus]], *, now: datetime, keep: timedelta
) -> list[str]:
    """The ids of runs (id, created, status) that ended and were created longer ago than `keep`, the oldest first."""
    old = [(created, run_id) for run_id, created, status in runs if status in ENDED and now - created > keep]
    return [run_id for _, run_id in sorted(old)]


@dg.op(description="Deletes runs that ended and are older than CLIPLY_KEEP_RUN_DAYS.")
def delete_old_runs(context: dg.OpExecutionContext) -> int:
    """Returns how many were deleted."""
    keep = timedelta(days=get_settings().keep_run_days)
    now = datetime.now(UTC)
    records = context.instance.get_run_records(
        filters=dg.RunsFilter(statuses=list(ENDED), created_before=now - keep), limit=BATCH, ascending=True
    )
    found = [(record.dagster_run.run_id, record.create_timestamp, record.dagster_run.status) for record in records]
    due = runs_to_purge(found, now=now, keep=keep)
    for run_id in due:
        context.instance.delete_run(run_id)
    context.log.info(f"{len(due)} runs older than {keep.days} days were deleted.")
    return len(due)


@dg.job(description="Keeps Dagster's event log from growing for ever.", executor_def=dg.in_process_executor)
def purge_runs() -> None:
    """One op."""
    delete_old_runs()


purge_runs_daily = dg.ScheduleDefinition(
    name="purge_runs_daily",
    job=purge_runs,
    cron_schedule="17 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
