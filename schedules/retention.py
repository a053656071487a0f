"""Every hour: sources, intermediate objects and old steps go, and with them the partitions of their uploads."""

from datetime import UTC, datetime

import dagster as dg

from cliply_assets.housekeeping.partitions import retire_partitions
from cliply_assets.housekeeping.retention import expired_keys, sweep_deliveries, sweep_events, sweep_uploads
from cliply_assets.pipeline import Pipeline
from cliply_resources.settings import get_settings

__all__ = ["expired_keys", "retention", "retention_hourly"]

BATCH = 500
"""Uploads swept by one tick at most; the next one takes the rest."""


@dg.op(
    description="Deletes what has expired: objects after CLIPLY_KEEP_OBJECT_DAYS, steps after CLIPLY_KEEP_STEP_DAYS."
)
def sweep(context: dg.OpExecutionContext, pipeline: Pipeline) -> None:
    """Says in the log what went."""
    now, settings, database = datetime.now(UTC), get_settings(), pipeline.database()
    swept = sweep_uploads(database, pipeline.storage(), settings, now=now, most=BATCH)
    events = sweep_events(database, settings, now=now)
    deliveries = sweep_deliveries(database, settings, now=now)
    retired = retire_partitions(context.instance, database)
    context.log.info(
        f"{len(swept.expired)} uploads expired and {len(swept.forgotten)} were forgotten: {swept.objects} objects with "
        f"{swept.bytes / 1e9:.2f} GB went, {events} events, {deliveries} webhooks, and {len(retired)} partitions."
    )


@dg.job(
    description=(
        "Keeps storage, steps and partitions to what is still needed.\n\n"
        "Runbook: docs/operations.md, “Retention”; `cliply sweep retention --dry-run` shows what would go."
    ),
    executor_def=dg.in_process_executor,
)
def retention() -> None:
    """One op."""
    sweep()


retention_hourly = dg.ScheduleDefinition(
    name="retention_hourly",
    job=retention,
    cron_schedule="23 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
