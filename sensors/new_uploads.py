"""Starts the pipeline for uploads that are ready: a row becomes a partition and a run."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from cliply_assets.automation.claims import RUN_TAG, Claim, claim_start, unfinished_runs
from cliply_assets.automation.pools import ensure_pools
from cliply_assets.automation.waiting import until_found
from cliply_assets.cluster.rules import NEXT_JOB_TAG
from cliply_assets.jobs import analyze, make_clips, render
from cliply_assets.partitions import REQUEST_TAG, UPLOAD_TAG, WORKSPACE_TAG, uploads
from cliply_assets.pipeline import Pipeline
from cliply_resources.database import Database
from cliply_resources.settings import get_settings
from cliply_resources.turns import fair_order, waiting_uploads

__all__ = ["claim_ready", "new_uploads", "start_requests"]

BATCH = 25
"""Uploads started by one tick at most; the next tick takes the rest."""

_clustered = get_settings().broker_url is not None
FIRST_JOB = analyze if _clustered else make_clips
"""In a cluster a run of its own renders, on other machines than those that analyze; the sensor analyzed_uploads asks for it."""
THEN = {NEXT_JOB_TAG: render.name} if _clustered else {}


_pools_have_sizes: list[bool] = []
"""Filled by the first tick of a process."""


def start_requests(claims: Sequence[Claim]) -> list[dg.RunRequest]:
    """One run for each claim.

    The run key is a courtesy; the claim's row is what the database decides by. Keys are remembered for ever, so a run that is
    asked for anew has a number, and with it a key, of its own.
    """
    return [
        dg.RunRequest(
            run_key=f"start:{claim.tag}",
            partition_key=str(claim.upload_id),
            tags={
                UPLOAD_TAG: str(claim.upload_id),
                WORKSPACE_TAG: str(claim.workspace_id),
                RUN_TAG: claim.tag,
                "dagster/priority": str(claim.priority),
                **THEN,
                **({REQUEST_TAG: claim.request_id} if claim.request_id else {}),
            },
        )
        for claim in claims
    ]


def claim_ready(database: Database, *, now: datetime, at_once: int, most: int = BATCH) -> list[Claim]:
    """Takes the uploads whose turn it is; with those that are at work, no more than `at_once`."""
    waiting = waiting_uploads(database)
    if not waiting:
        return []
    free = at_once - len(unfinished_runs(database, at_once))
    turns = fair_order(waiting, now=now, free=min(free, most))
    found = [claim_start(database, turn.workspace_id, turn.upload_id, priority=turn.priority) for turn in turns]
    return [claim for claim in found if claim is not None]


@dg.sensor(job=FIRST_JOB, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def new_uploads(context: dg.SensorEvaluationContext, pipeline: Pipeline) -> dg.SensorResult | dg.SkipReason:
    """Looks for uploads that are ready and not started; where there is none, waits for one until the next tick is due.

    Runbook: an upload that stays `created` while this sensor ticks waits for its turn, or has a run in the run queue: see its row in
    upload_runs. A run that was asked for and does not appear is asked for anew after 90 s.
    """
    if not _pools_have_sizes:
        ensure_pools(context.instance, get_settings())
        _pools_have_sizes.append(True)
    database, at_once = pipeline.database(), get_settings().uploads_at_once
    claims = until_found(database, lambda: claim_ready(database, now=datetime.now(UTC), at_once=at_once))
    if not claims:
        return dg.SkipReason("No upload is waiting, or none whose turn it is.")
    keys = [str(claim.upload_id) for claim in claims]
    return dg.SensorResult(
        run_requests=start_requests(claims), dynamic_partitions_requests=[uploads.build_add_request(keys)]
    )
