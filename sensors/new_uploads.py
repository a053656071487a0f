"""Starts the pipeline for uploads that are ready: a row becomes a partition and a run."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import dagster as dg

from cliply_assets.jobs import make_clips
from cliply_assets.partitions import UPLOAD_TAG, WORKSPACE_TAG, uploads
from cliply_assets.pipeline import Pipeline
from cliply_resources.uploads import attempt_of, uploads_to_start

__all__ = ["ReadyUpload", "new_uploads", "start_requests"]

BATCH = 25
"""Uploads started by one tick at most; the next tick takes the rest."""


class ReadyUpload(NamedTuple):
    """An upload that nobody has started, or that is to go on."""

    workspace_id: UUID
    upload_id: UUID
    attempt: int = 1


def start_requests(ready: Sequence[ReadyUpload]) -> list[dg.RunRequest]:
    """One run for each upload and attempt.

    The run key is a courtesy; that nothing is at work on it is what the database decides by. Keys are remembered for ever, so a
    retry needs one of its own.
    """
    return [
        dg.RunRequest(
            run_key=f"start:{upload.upload_id}" + (f":{upload.attempt}" if upload.attempt > 1 else ""),
            partition_key=str(upload.upload_id),
            tags={UPLOAD_TAG: str(upload.upload_id), WORKSPACE_TAG: str(upload.workspace_id)},
        )
        for upload in ready
    ]


@dg.sensor(job=make_clips, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def new_uploads(context: dg.SensorEvaluationContext, pipeline: Pipeline) -> dg.SensorResult | dg.SkipReason:
    """Looks for uploads that are ready and not started.

    Runbook: an upload that stays `created` while this sensor ticks has no run yet; look at the run queue.
    """
    database = pipeline.database()
    ready = [ReadyUpload(*ids, attempt_of(database, *ids)) for ids in uploads_to_start(database, BATCH)]
    if not ready:
        return dg.SkipReason("No upload is waiting.")
    keys = [str(upload.upload_id) for upload in ready]
    return dg.SensorResult(
        run_requests=start_requests(ready), dynamic_partitions_requests=[uploads.build_add_request(keys)]
    )
