"""Carries out what people ask of work that is going on: cancelled uploads stop, paused ones do not begin.

Resuming and trying again are wishes for another run, which `new_uploads` starts when the one before has ended.
"""

import dagster as dg

from cliply_assets.automation.control import stop_unwanted
from cliply_assets.automation.waiting import while_rung
from cliply_assets.pipeline import Pipeline

__all__ = ["control"]

BATCH = 500
EVERY_SECONDS = 2.0
"""Also without a ring: a run that was asked for a moment ago may only now be there to be stopped."""


@dg.sensor(minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def control(context: dg.SensorEvaluationContext, pipeline: Pipeline) -> dg.SkipReason:
    """Ends the runs of uploads that were cancelled or deleted, and takes those that were paused out of the queue.

    Runbook: a run that stays CANCELING is ended by run monitoring a minute later; its step has seen the cancellation by then.
    """
    database, stopped = pipeline.database(), list[str]()
    for _ in while_rung(database, at_least_every=EVERY_SECONDS):
        stopped += stop_unwanted(database, context.instance, most=BATCH)
    return dg.SkipReason(f"Stopped: {', '.join(stopped)}." if stopped else "Nobody wants anything stopped.")
