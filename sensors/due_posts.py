"""Starts a publisher when a post is to be prepared or published soon, and none is at work."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg
from sqlalchemy import text

from cliply_assets.automation.waiting import until_found
from cliply_assets.pipeline import Pipeline
from cliply_assets.posts.assets import IDLE_SECONDS, publish
from cliply_resources.database import Database

__all__ = ["due_posts", "posts_due_soon"]

AHEAD = timedelta(seconds=IDLE_SECONDS / 2)
"""So long before there is something to do a publisher is started, so that it is there when there is."""
AT_WORK = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def posts_due_soon(database: Database, moment: datetime) -> list[tuple[UUID, UUID]]:
    """A post that a publisher has to look at by then, if there is one."""
    with database.across() as session:
        found = session.execute(text("SELECT * FROM app.posts_to_wake(:moment, 1)"), {"moment": moment})
        return [(row[0], row[1]) for row in found]


@dg.sensor(job=publish, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def due_posts(context: dg.SensorEvaluationContext, pipeline: Pipeline) -> dg.RunRequest | dg.SkipReason:
    """Looks for posts that are due soon; the publisher finds out by itself which they are.

    Runbook: a post that is due while this sensor ticks, and for which no run of the job publish appears, waits in the run queue.
    """
    filters = dg.RunsFilter(job_name=publish.name, statuses=AT_WORK)
    if context.instance.get_runs_count(filters) > 0:
        return dg.SkipReason("A publisher is at work.")
    database = pipeline.database()
    if not until_found(database, lambda: posts_due_soon(database, datetime.now(UTC) + AHEAD)):
        return dg.SkipReason("No post is due soon.")
    # No run key: keys are remembered for ever, and the database decides who holds a post.
    return dg.RunRequest()
