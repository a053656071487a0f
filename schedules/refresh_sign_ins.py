"""Every minute: the sign-ins of accounts that end soon are renewed, so that no post has to wait for it."""

from datetime import UTC, datetime
from functools import cache

import dagster as dg

from cliply_assets.pipeline import Pipeline
from cliply_resources.accounts import accounts_to_refresh, read_access, renew
from cliply_resources.database import Database
from cliply_resources.platforms.contract import Platform
from cliply_resources.platforms.outcomes import PlatformTrouble
from cliply_resources.platforms.registry import open_platform
from cliply_resources.settings import Settings, get_settings
from cliply_resources.vault import Vault

__all__ = ["refresh_sign_ins", "refresh_sign_ins_often", "renew_all"]


def renew_all(database: Database, settings: Settings, now: datetime) -> dict[str, str]:
    """Renews what is due; account ids to what came of it. An account that cannot be renewed is parked, and says why."""
    vault = Vault(settings)

    @cache
    def named(name: str) -> Platform:
        return open_platform(name, settings)

    said: dict[str, str] = {}
    for workspace_id, account_id in accounts_to_refresh(database, now):
        try:
            with database.pipeline(workspace_id) as session:
                access = read_access(session, vault, account_id)
            renew(database, vault, named(access.platform), access, now=lambda: datetime.now(UTC))
            said[str(account_id)] = "renewed"
        except PlatformTrouble as error:
            said[str(account_id)] = error.outcome.reason
    return said


@dg.op(description="Renews the sign-ins of accounts that end soon.")
def renew_sign_ins(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many accounts were looked at."""
    said = renew_all(pipeline.database(), get_settings(), datetime.now(UTC))
    for account, outcome in said.items():
        context.log.info("%s: %s", account, outcome)
    return len(said)


@dg.job(
    description=(
        "Renews the sign-ins of connected accounts ahead of their end.\n\n"
        "Runbook: an account whose sign-in cannot be renewed says so in its reason, and its posts are held."
    ),
    executor_def=dg.in_process_executor,
)
def refresh_sign_ins() -> None:
    """One op."""
    renew_sign_ins()


@dg.schedule(job=refresh_sign_ins, cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def refresh_sign_ins_often(pipeline: Pipeline) -> dg.RunRequest | dg.SkipReason:
    """Looks, and asks for a run only where there is something to renew."""
    found = accounts_to_refresh(pipeline.database(), datetime.now(UTC), at_most=1)
    return dg.RunRequest() if found else dg.SkipReason("No sign-in ends soon.")
