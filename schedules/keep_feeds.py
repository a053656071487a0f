"""Every five minutes: feeds of accounts' new posts are asked for, renewed before their lease ends, and left with the account."""

import dagster as dg

from cliply_assets.pipeline import Pipeline
from cliply_assets.posts.feeds import FeedKeeper, unreachable
from cliply_resources.settings import get_settings

__all__ = ["keep_feeds", "keep_feeds_often"]


@dg.op(description="Asks hubs for the feeds that are due.")
def ask_for_feeds(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many accounts that were."""
    said = FeedKeeper.open(pipeline.database(), get_settings()).keep()
    for account, outcome in said.items():
        context.log.info("%s: %s", account, outcome)
    return len(said)


@dg.job(
    description=(
        "Subscribes to feeds of connected accounts' new posts (WebSub).\n\n"
        "Runbook: feed_subscriptions says until when each feed is leased, when it is asked for next, and in reason what the hub said. "
        "A feed that stays in the state asked is never confirmed: look whether CLIPLY_PUBLIC_URL is reached from outside."
    ),
    executor_def=dg.in_process_executor,
)
def keep_feeds() -> None:
    """One op."""
    ask_for_feeds()


@dg.schedule(job=keep_feeds, cron_schedule="*/5 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def keep_feeds_often(pipeline: Pipeline) -> dg.RunRequest | dg.SkipReason:
    """Looks, and asks for a run only where a feed is due."""
    why = unreachable(get_settings())
    if why is not None:
        return dg.SkipReason(why)
    found = FeedKeeper.open(pipeline.database(), get_settings()).due(at_most=1)
    return dg.RunRequest() if found else dg.SkipReason("No feed is to be asked for now.")
