"""Accounts and platforms as people see them. Pure."""

from datetime import datetime, timedelta

from cliply_api.accounts.schemas import AccountView, CapabilitiesView, Health, PlatformView
from cliply_resources.database import AccountRow
from cliply_resources.platforms.contract import Platform

__all__ = ["account_view", "health_of", "platform_view"]

SOON = timedelta(days=7)
FAILURES = 3
"""Renewals in a row that did not work before people are told."""


def platform_view(platform: Platform, stopped: str | None) -> PlatformView:
    """What the platform can do, and whether accounts can be connected."""
    missing, can = platform.configured(), platform.capabilities
    return PlatformView(
        name=platform.name,
        title=platform.title,
        configured=missing is None,
        missing=missing,
        stopped=stopped,
        capabilities=CapabilitiesView(
            editable=list(can.editable),
            can_delete=can.can_delete,
            can_list=can.can_list,
            metrics=can.metrics_batch > 0,
            webhooks=can.webhooks or can.feeds,
            needs_link=can.needs_link,
            renews=can.refresh != "none",
        ),
        limits=platform.limits,
    )


def account_view(row: AccountRow, platform: Platform, now: datetime) -> AccountView:
    """The account, without its sign-in."""
    health, reason = health_of(row, platform, now)
    return AccountView(
        id=row.id,
        platform=row.platform,
        remote_id=row.remote_id,
        name=row.name,
        username=row.username,
        avatar_url=row.avatar_url,
        url=row.url,
        kind=row.kind,
        health=health,
        health_reason=reason,
        expires_at=row.token_expires_at,
        scopes=list(row.scopes),
        parked_until=row.parked_until if row.parked_until is not None and row.parked_until > now else None,
        posts_per_day=row.posts_per_day,
        min_gap_seconds=row.min_gap_seconds,
        connected_at=row.connected_at,
    )


def health_of(row: AccountRow, platform: Platform, now: datetime) -> tuple[Health, str | None]:
    """How the connection is, and why where it is not well."""
    if row.state == "disconnected":
        return "disconnected", row.reason
    if row.state == "reconnect":
        return "reconnect", row.reason or "The sign-in is no longer taken; connect the account again."
    renews = platform.capabilities.refresh != "none"
    ends = row.refresh_expires_at if renews else row.token_expires_at
    if ends is not None and ends <= now:
        return "reconnect", f"The sign-in ended on {ends:%Y-%m-%d}; connect the account again."
    if ends is not None and ends - now < SOON:
        return "expiring", f"The sign-in ends on {ends:%Y-%m-%d}; connect the account again before then."
    if row.refresh_failures >= FAILURES:
        return (
            "expiring",
            f"The sign-in could not be renewed {row.refresh_failures} times in a row; it is tried further.",
        )
    return "ok", None
