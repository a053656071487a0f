"""Every night: objects that no row explains go, and renders whose files are gone say so."""

from datetime import UTC, datetime

import dagster as dg

from cliply_assets.housekeeping.across import every_workspace
from cliply_assets.housekeeping.orphans import clean_up, find_orphans, objects_without_rows
from cliply_assets.pipeline import Pipeline

__all__ = ["objects_without_rows", "orphans", "orphans_nightly"]


@dg.op(description="Compares every workspace's objects with its rows, and mends the differences.")
def mend_orphans(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many objects went."""
    database, storage, gone = pipeline.database(), pipeline.storage(), 0
    for workspace_id in every_workspace(database):
        found = find_orphans(database, storage, workspace_id, now=datetime.now(UTC))
        clean_up(database, storage, found)
        gone += len(found.objects)
        if found.objects or found.renders or found.steps:
            context.log.warning(
                f"Workspace {workspace_id}: {len(found.objects)} objects without rows were deleted ({found.bytes} bytes), "
                f"{len(found.renders)} renders had lost their files, {len(found.steps)} steps had lost theirs."
            )
    return gone


@dg.job(
    description=(
        "Deletes objects without rows, and marks rows without objects.\n\n"
        "Runbook: docs/operations.md, “Orphans”; `cliply sweep orphans --dry-run` shows what would go."
    ),
    executor_def=dg.in_process_executor,
)
def orphans() -> None:
    """One op."""
    mend_orphans()


orphans_nightly = dg.ScheduleDefinition(
    name="orphans_nightly",
    job=orphans,
    cron_schedule="37 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
