"""Writes down what became of runs: begun, done, failed, stopped, or gone without a word."""

from datetime import UTC, datetime

import dagster as dg

from cliply_assets.automation.outcomes import follow_runs
from cliply_assets.automation.pools import free_lost_slots
from cliply_assets.automation.waiting import while_rung
from cliply_assets.pipeline import Pipeline

__all__ = ["run_outcomes"]

BATCH = 500
EVERY_SECONDS = 1.0


@dg.sensor(minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def run_outcomes(context: dg.SensorEvaluationContext, pipeline: Pipeline) -> dg.SkipReason:
    """Compares every run that was asked for and has not ended with Dagster's records, and ends it where it has.

    Runbook: a row of upload_runs that stays `running` while its run has ended means that this sensor does not tick.
    """
    # What a killed run held is free for others at once; run monitoring would wait for minutes.
    free_lost_slots(context.instance)
    database, changed = pipeline.database(), 0
    for _ in while_rung(database, at_least_every=EVERY_SECONDS):
        changed += follow_runs(database, context.instance, now=datetime.now(UTC), most=BATCH)
    return dg.SkipReason(f"{changed} runs went on." if changed else "Nothing new.")
