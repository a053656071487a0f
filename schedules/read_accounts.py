"""Reads what connected accounts have: the numbers of posts as they fall due, earlier posts now and then, and every day a table of it."""

from datetime import UTC, datetime

import dagster as dg

from cliply_assets.pipeline import Pipeline
from cliply_assets.posts.imports import accounts_to_import, import_due
from cliply_assets.posts.metrics import accounts_to_measure, measure_due, thin_out
from cliply_assets.posts.metrics_table import CATCH_UP_DAYS, write_days
from cliply_assets.posts.reading import Reader
from cliply_resources.settings import get_settings

__all__ = [
    "import_posts",
    "import_posts_often",
    "measure_posts",
    "measure_posts_often",
    "post_metrics",
    "post_metrics_daily",
    "tabulate_metrics",
]


@dg.op(description="Measures the published posts whose turn it is, account by account.")
def measure(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many accounts were asked."""
    said = measure_due(Reader.open(pipeline.database(), get_settings()))
    for account, outcome in said.items():
        context.log.info("%s: %s", account, outcome)
    return len(said)


@dg.job(
    description=(
        "Takes snapshots of what published posts reach.\n\n"
        "Runbook: post_measures says when each post is measured next, and why not; account_readings which accounts wait for a cap."
    ),
    executor_def=dg.in_process_executor,
)
def measure_posts() -> None:
    """One op."""
    measure()


@dg.schedule(job=measure_posts, cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def measure_posts_often(pipeline: Pipeline) -> dg.RunRequest | dg.SkipReason:
    """Looks, and asks for a run only where there is something to measure."""
    found = accounts_to_measure(pipeline.database(), datetime.now(UTC), at_most=1)
    return dg.RunRequest() if found else dg.SkipReason("No post is to be measured now.")


@dg.op(description="Looks for earlier posts of the accounts whose turn it is.")
def look_for_posts(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many accounts were asked."""
    said = import_due(Reader.open(pipeline.database(), get_settings()))
    for account, outcome in said.items():
        context.log.info("%s: %s", account, outcome)
    return len(said)


@dg.job(
    description=(
        "Finds connected accounts' own earlier posts.\n\n"
        "Runbook: account_readings says when each account is looked at next, and in import_reason what stood in the way."
    ),
    executor_def=dg.in_process_executor,
)
def import_posts() -> None:
    """One op."""
    look_for_posts()


@dg.schedule(job=import_posts, cron_schedule="*/5 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def import_posts_often(pipeline: Pipeline) -> dg.RunRequest | dg.SkipReason:
    """Looks, and asks for a run only where there is an account to look at."""
    found = accounts_to_import(pipeline.database(), datetime.now(UTC), at_most=1)
    return dg.RunRequest() if found else dg.SkipReason("No account is to be looked at now.")


@dg.asset(
    group_name="posts",
    kinds={"parquet", "polars"},
    owners=["team:cliply"],
    code_version="1",
    deps=["published_posts"],
    retry_policy=dg.RetryPolicy(max_retries=2, delay=60),
    check_specs=[
        dg.AssetCheckSpec(
            "views_do_not_fall",
            asset="post_metrics",
            description="No post has fewer views than earlier in the same day.",
        )
    ],
    description=(
        "Snapshots of what published posts reach: one Parquet table a workspace and day, `metrics/DAY.parquet`.\n\n"
        f"Runbook: a missing table of the last {CATCH_UP_DAYS} days is written by the next run. Platforms do take views back; the check "
        "warns, because it may also be an adapter that reads another number than before."
    ),
)
def post_metrics(pipeline: Pipeline) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the annotation and takes the bare class only
    """Writes the days that are over, and thins out what is old."""
    now, settings, database = datetime.now(UTC), get_settings(), pipeline.database()
    written = write_days(database, pipeline.storage(), today=now.date())
    thinned = thin_out(database, now=now, detail_days=settings.metric_detail_days, keep_days=settings.keep_metric_days)
    fell = sum(table.fell for table in written)
    return dg.MaterializeResult(
        metadata={
            "tables": len(written),
            "snapshots": sum(table.rows for table in written),
            "posts": sum(table.posts for table in written),
            "thinned_out": thinned,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="views_do_not_fall",
                passed=fell == 0,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{fell} posts lost views within a day.",
            )
        ],
    )


tabulate_metrics = dg.define_asset_job(
    "tabulate_metrics",
    selection=dg.AssetSelection.assets("post_metrics")
    | dg.AssetSelection.checks_for_assets(dg.AssetKey("published_posts")),
    description="Writes yesterday's snapshots of posts as tables, and checks that what counts as published is.",
    executor_def=dg.in_process_executor,
)

post_metrics_daily = dg.ScheduleDefinition(
    name="post_metrics_daily",
    job=tabulate_metrics,
    cron_schedule="40 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
