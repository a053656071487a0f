"""Every minute: what is wrong is told, once."""

import dagster as dg

from cliply_assets.housekeeping.alerts import alerts_for, news
from cliply_assets.housekeeping.facts import find_facts
from cliply_assets.pipeline import Pipeline
from cliply_resources.notify import open_notifier
from cliply_resources.settings import get_settings

__all__ = ["alerts_every_minute", "alerts_for", "tell_alerts"]


@dg.op(description="Looks at rows, daemons, storage and disk, and tells what is wrong by Slack, mail or SMS.")
def look_and_tell(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many alerts there are."""
    settings = get_settings()
    facts = find_facts(settings, pipeline.database(), context.instance)
    found, notifier = alerts_for(facts), open_notifier(settings)
    for alert in news(found, notifier.firing(), facts):
        for told in notifier.notify(alert):
            if told.outcome != "known":
                context.log.info(f"{alert.key} by {told.channel}: {told.outcome} {told.says}")
    return len(found)


@dg.job(
    description=(
        "Tells operators what is wrong.\n\nRunbook: docs/operations.md has a section for each alert. A dead daemon cannot run this; "
        "deploy/systemd/cliply-alerts.timer and Prometheus look from outside."
    ),
    executor_def=dg.in_process_executor,
)
def tell_alerts() -> None:
    """One op."""
    look_and_tell()


@dg.schedule(job=tell_alerts, cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def alerts_every_minute(context: dg.ScheduleEvaluationContext, pipeline: Pipeline) -> dg.RunRequest | dg.SkipReason:
    """Looks, and asks for a run only where there is something to tell: a process a minute would be waste."""
    settings = get_settings()
    facts = find_facts(settings, pipeline.database(), context.instance)
    found, notifier = alerts_for(facts), open_notifier(settings)
    if any(notifier.would_tell(alert) for alert in news(found, notifier.firing(), facts)):
        return dg.RunRequest()
    return dg.SkipReason(f"{len(found)} alerts, all told." if found else "Nothing is wrong.")
