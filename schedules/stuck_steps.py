"""Every two minutes: a step that looks running, but has neither a process nor a run, is ended with a reason."""

from datetime import UTC, datetime

import dagster as dg

from cliply_assets.housekeeping.watchdog import end_stuck_steps, is_stuck, run_facts
from cliply_assets.pipeline import Pipeline

__all__ = ["is_stuck", "stuck_steps", "stuck_steps_often"]

BATCH = 200
"""Uploads looked at by one tick at most, those with the longest running steps first."""


@dg.op(description="Ends steps whose process and run are gone.")
def end_stuck(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many."""
    instance = context.instance
    found = end_stuck_steps(
        pipeline.database(), lambda run_id: run_facts(instance, run_id), now=datetime.now(UTC), most=BATCH
    )
    for stuck in found:
        context.log.warning(f"{stuck.upload_id}: the step {stuck.step} {stuck.part} was stuck and is failed now.")
    return len(found)


@dg.job(
    description=(
        "Ends steps that nobody works on any more, so that no upload looks busy for ever.\n\n"
        "Runbook: docs/operations.md, “CliplyStuckSteps”; `cliply sweep stuck --dry-run` shows them."
    ),
    executor_def=dg.in_process_executor,
)
def stuck_steps() -> None:
    """One op."""
    end_stuck()


@dg.schedule(job=stuck_steps, cron_schedule="*/2 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def stuck_steps_often(context: dg.ScheduleEvaluationContext, pipeline: Pipeline) -> dg.RunRequest | dg.SkipReason:
    """Looks, and asks for a run only where there is something to end."""
    instance = context.instance
    found = end_stuck_steps(
        pipeline.database(),
        lambda run_id: run_facts(instance, run_id),
        now=datetime.now(UTC),
        most=BATCH,
        dry_run=True,
    )
    return dg.RunRequest() if found else dg.SkipReason("No step is stuck.")
