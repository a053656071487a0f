"""Starts the rendering that people asked for: a wish becomes a run of its own."""

from collections.abc import Sequence

import dagster as dg

from cliply_assets.partitions import REQUEST_TAG, UPLOAD_TAG, WORKSPACE_TAG, uploads
from cliply_assets.pipeline import Pipeline
from cliply_assets.renders.rerender import rerender
from cliply_assets.renders.wishes import ClaimedWish, WishRecords, wishes_to_start

__all__ = ["render_wishes", "wish_requests"]

BATCH = 25
"""Wishes taken up by one tick at most; the next tick takes the rest."""


def wish_requests(claimed: Sequence[ClaimedWish]) -> list[dg.RunRequest]:
    """One run for each claim. A claim that was lost is taken again under another number, which makes it another run."""
    return [
        dg.RunRequest(
            run_key=f"wish:{wish.wish_id}:{wish.attempt}",
            partition_key=str(wish.upload_id),
            run_config={"ops": {"render_wish": {"config": {"wish": str(wish.wish_id), "attempt": wish.attempt}}}},
            tags={
                UPLOAD_TAG: str(wish.upload_id),
                WORKSPACE_TAG: str(wish.workspace_id),
                **({REQUEST_TAG: wish.request_id} if wish.request_id else {}),
            },
        )
        for wish in claimed
    ]


@dg.sensor(job=rerender, minimum_interval_seconds=2, default_status=dg.DefaultSensorStatus.RUNNING)
def render_wishes(context: dg.SensorEvaluationContext, pipeline: Pipeline) -> dg.SensorResult | dg.SkipReason:
    """Looks for clips that are to be rendered again.

    Runbook: a wish that stays `claimed` while this sensor ticks waits in the run queue; after an hour it is asked for anew.
    """
    database = pipeline.database()
    found = [WishRecords(database, workspace).claim(wish) for workspace, wish in wishes_to_start(database, BATCH)]
    claimed = [wish for wish in found if wish is not None]
    if not claimed:
        return dg.SkipReason("Nobody waits for another version of a clip.")
    keys = sorted({str(wish.upload_id) for wish in claimed})
    return dg.SensorResult(
        run_requests=wish_requests(claimed), dynamic_partitions_requests=[uploads.build_add_request(keys)]
    )
