"""Finds runs that were handed to the cluster and lie nowhere: the worker that fetched them died before it began."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from cliply_assets.cluster.launcher import ClusterRunLauncher
from cliply_assets.instance.owner import OWNER_TAG

__all__ = ["lost_runs", "twice_missing"]

YOUNG = timedelta(seconds=10)
"""A run that was handed over more recently is on its way."""

BETWEEN_LOOKS = 10.0
"""Seconds for which a run must be missing: a worker that fetches it holds it in its hands for milliseconds."""

BATCH = 200


def twice_missing(known: Mapping[str, float], missing: Iterable[str], now: float) -> tuple[list[str], dict[str, float]]:
    """Runs that have been missing for long enough, and since when the others have."""
    since = {run_id: known.get(run_id, now) for run_id in missing}
    lost = [run_id for run_id, first in since.items() if now - first >= BETWEEN_LOOKS]
    return lost, {run_id: first for run_id, first in since.items() if run_id not in lost}


@dg.sensor(minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Calls a run failed that no queue and no worker has, so that it is retried; run monitoring looks after those that have begun.

    Runbook: one that reports runs again and again means that workers die while they start; their logs say why.
    """
    launcher, now = context.instance.run_launcher, datetime.now(UTC)
    assert isinstance(launcher, ClusterRunLauncher)
    starting = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING], updated_before=now - YOUNG)
    runs = [
        run
        for run in context.instance.get_runs(filters=starting, limit=BATCH, ascending=True)
        if OWNER_TAG not in run.tags
    ]
    missing = launcher.nowhere([run.run_id for run in runs])
    lost, waiting = twice_missing(json.loads(context.cursor or "{}"), missing, now.timestamp())
    for run_id in lost:
        run = context.instance.get_run_by_id(run_id)
        if run is not None and run.status == dg.DagsterRunStatus.STARTING:
            context.instance.report_run_failed(
                run, "It lies in no queue, and no worker has it; whoever fetched it is gone."
            )
    context.update_cursor(json.dumps(waiting))
    return dg.SkipReason(f"{len(lost)} runs were lost.")
