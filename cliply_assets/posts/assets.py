"""The published posts of an upload as an asset, and the run that publishes whatever is due."""

from typing import Any

import dagster as dg

from cliply_assets.partitions import uploads
from cliply_assets.pipeline import Pipeline
from cliply_assets.posts.publisher import PublishedPost, Publisher
from cliply_resources.settings import get_settings

__all__ = ["IDLE_SECONDS", "publish", "published_posts"]

IDLE_SECONDS = 60.0
"""A run ends when nothing is to be done within so long; the sensor starts the next one earlier than that."""

published_posts = dg.AssetSpec(
    "published_posts",
    deps=["renders"],
    group_name="posts",
    kinds={"postgres"},
    owners=["team:cliply"],
    partitions_def=uploads,
    description=(
        "Clips of an upload that were published, each once; materialized post by post by the job publish.\n\n"
        "Runbook: a post says in its row what it waits for, and in post_attempts every call that was made for it. One that is "
        "`asking` waits for a person to look at the account."
    ),
)


@dg.op(description="Publishes what is due, over all uploads, until nothing is due any more for a minute.")
def publish_due(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many posts were published.

    One run for many uploads: a thousand posts of the same second would otherwise wait for a thousand processes to start.
    It has no retry policy; what it was doing when it died is in the rows, and the next run goes on from there.
    """

    def tell(post: PublishedPost) -> None:
        metadata: dict[str, Any] = {"post": str(post.post_id), "platform": post.platform, "late_seconds": post.late}
        if post.url:
            metadata["url"] = dg.MetadataValue.url(post.url)
        partition = str(post.upload_id) if post.upload_id else None
        context.log_event(dg.AssetMaterialization("published_posts", partition=partition, metadata=metadata))

    publisher = Publisher(pipeline.database(), pipeline.storage(), get_settings())
    return publisher.run(idle_seconds=IDLE_SECONDS, tell=tell)


@dg.job(
    description=(
        "Takes due posts to their platforms; started by the sensor due_posts when something is due soon.\n\n"
        "Runbook: it may be ended at any moment. Started twice, the runs share the work and publish nothing twice."
    ),
    executor_def=dg.in_process_executor,
    tags={"dagster/priority": "100"},
)
def publish() -> None:
    """One op."""
    publish_due()
