"""Every day: what each workspace stores is counted, and the tools that age are looked at. Both are assets, so that their health shows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from cliply_assets.housekeeping.facts import UNHEALTHY
from cliply_assets.housekeeping.tally import add_up, tally_storage
from cliply_assets.housekeeping.tools import examine_tools, version_date
from cliply_assets.pipeline import Pipeline
from cliply_resources.settings import get_settings

__all__ = ["add_up", "daily_look", "daily_look_daily", "storage_tally", "tool_health", "version_date"]

TOOLS = ("yt-dlp", "ffmpeg", "speech", "faces", "pictures")
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50), warn_window=timedelta(hours=26))
"""Made every day; the pipeline's own assets are made when somebody wants them, so that their age says nothing."""
RUNBOOK = "docs/operations.md"


@dg.asset(
    group_name="operations",
    kinds={"postgres"},
    owners=["team:operations"],
    code_version="1",
    freshness_policy=FRESH,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=60),
    metadata={"runbook": dg.MetadataValue.path(f"{RUNBOOK}#storage")},
    check_specs=[
        dg.AssetCheckSpec(
            "every_workspace_was_counted", asset="storage_tally", description="There is a row of today for each."
        )
    ],
    description=(
        "How many objects and bytes each workspace stores, one row of `storage_tallies` a day.\n\n"
        f"Runbook: {RUNBOOK}, “Storage”; `cliply sweep tally` counts now."
    ),
)
def storage_tally(pipeline: Pipeline) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the annotation and takes the bare class only
    """Counts."""
    found = tally_storage(pipeline.database(), pipeline.storage(), day=datetime.now(UTC).date())
    size = sum(tally.bytes for tally in found.values())
    return dg.MaterializeResult(
        metadata={"workspaces": len(found), "objects": sum(tally.objects for tally in found.values()), "bytes": size},
        check_results=[
            dg.AssetCheckResult(
                check_name="every_workspace_was_counted", passed=True, description=f"{len(found)} workspaces."
            )
        ],
    )


def _check_name(tool: str) -> str:
    return f"{tool.replace('-', '_')}_works"


@dg.asset(
    group_name="operations",
    kinds={"python"},
    owners=["team:operations"],
    code_version="1",
    freshness_policy=FRESH,
    metadata={"runbook": dg.MetadataValue.path(f"{RUNBOOK}#cliplytoolunhealthy")},
    check_specs=[
        dg.AssetCheckSpec(
            _check_name(tool), asset="tool_health", description=f"{tool} can be used, and is not too old."
        )
        for tool in TOOLS
    ],
    description=(
        "Whether yt-dlp is of this season, and the media tools and configured models can be loaded. Uses no network.\n\n"
        f"Runbook: {RUNBOOK}, “CliplyToolUnhealthy”; `cliply sweep tools` looks now."
    ),
)
def tool_health() -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:  # type: ignore[type-arg]  # see above
    """Looks."""
    found = list(examine_tools(get_settings()))
    yield dg.MaterializeResult(
        metadata={
            **{finding.name: finding.says for finding in found},
            UNHEALTHY: "\n".join(f"{finding.name}: {finding.says}" for finding in found if not finding.ok),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=_check_name(finding.name),
                passed=finding.ok,
                severity=dg.AssetCheckSeverity.ERROR if finding.name == "ffmpeg" else dg.AssetCheckSeverity.WARN,
                description=finding.says,
            )
            for finding in found
        ],
    )


daily_look = dg.define_asset_job(
    "daily_look",
    selection=dg.AssetSelection.assets("storage_tally", "tool_health"),
    description="Counts what is stored and looks at the tools.",
    executor_def=dg.in_process_executor,
)

daily_look_daily = dg.ScheduleDefinition(
    name="daily_look_daily",
    job=daily_look,
    cron_schedule="7 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
