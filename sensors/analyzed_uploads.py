"""Goes on with uploads that were analyzed: in a cluster, a run of its own renders them, on machines made for that."""

from collections.abc import Mapping

import dagster as dg

from cliply_assets.cluster.rules import NEXT_JOB_TAG
from cliply_assets.jobs import analyze, render
from cliply_assets.partitions import REQUEST_TAG, UPLOAD_TAG, WORKSPACE_TAG

__all__ = ["analyzed_uploads", "next_request"]

KEPT = (UPLOAD_TAG, WORKSPACE_TAG, REQUEST_TAG, "cliply/run", "dagster/priority")
"""Run tags that say whose work it is, and how urgent."""


def next_request(run_id: str, partition_key: str | None, tags: Mapping[str, str]) -> dg.RunRequest | None:
    """The run that follows one that has succeeded; nothing where none was asked for.

    Its key names the run before it, so that two ticks ask for one.
    """
    if tags.get(NEXT_JOB_TAG) != render.name or partition_key is None:
        return None
    return dg.RunRequest(
        run_key=f"after:{run_id}",
        partition_key=partition_key,
        tags={name: tags[name] for name in KEPT if name in tags},
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[analyze],
    request_job=render,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def analyzed_uploads(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
    """Asks for the render run of every upload whose analysis was asked for with the tag cliply/then.

    Runbook: an upload that stays `clips_generated` while this sensor ticks has its render run in the run queue.
    """
    run = context.dagster_run
    request = next_request(run.run_id, run.tags.get("dagster/partition"), run.tags)
    return request or dg.SkipReason("Nobody asked for more than the analysis.")
