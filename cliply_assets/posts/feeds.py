"""Feeds by which platforms tell of accounts' new posts: asked for, renewed before their lease ends, and left with the account.

The hub confirms what was asked for at an address of its own (`cliply_api/hooks/feeds.py`), usually within seconds. What nobody confirms is
asked for again, ever more rarely. A feed is best effort: what is missed is found by looking for an account's posts now and then.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import sqlalchemy as sa

from cliply_resources.database import AccountRow, Database, FeedSubscription
from cliply_resources.platforms.contract import Clock, Platform
from cliply_resources.platforms.outcomes import PlatformTrouble
from cliply_resources.platforms.registry import PLATFORM_NAMES, open_platform
from cliply_resources.posts.places import feed_place
from cliply_resources.settings import Settings
from cliply_resources.vault import Vault

__all__ = ["FeedKeeper", "unreachable"]

FIRST_WAIT = timedelta(minutes=10)
LONGEST_WAIT = timedelta(hours=6)
SECRET_BYTES = 32
LOCAL = {"127.0.0.1", "::1", "localhost"}


def unreachable(settings: Settings) -> str | None:
    """Why no hub can call this installation; `None` where one can."""
    ours, hub = (urlsplit(url).hostname or "" for url in (settings.public_url, settings.youtube_websub_hub_url))
    if ours in LOCAL and hub not in LOCAL:
        return (
            "Nobody outside can reach this installation; set CLIPLY_PUBLIC_URL for platforms to tell it of new posts."
        )
    return None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    subscription_id: UUID
    platform: str
    remote_id: str
    secret: str
    wanted: bool
    at: datetime


@dataclass(frozen=True, kw_only=True)
class FeedKeeper:
    """Asks hubs for what is due."""

    database: Database
    vault: Vault
    platform_named: Callable[[str], Platform]
    callback: str
    """The address that a subscription's id is put behind."""
    clock: Clock = _now

    @classmethod
    def open(cls, database: Database, settings: Settings) -> "FeedKeeper":
        """As the settings say."""
        return cls(
            database=database,
            vault=Vault(settings),
            platform_named=cache(lambda name: open_platform(name, settings)),
            callback=f"{settings.public_url.rstrip('/')}/api/hooks/feeds/",
        )

    def due(self, at_most: int = 100) -> list[tuple[UUID, UUID]]:
        """Workspace and account ids whose feed is to be asked for, renewed or left."""
        platforms = [self.platform_named(name) for name in PLATFORM_NAMES]
        told = [one.name for one in platforms if one.capabilities.feeds and one.configured() is None]
        if not told:
            return []
        with self.database.across() as session:
            found = session.execute(
                sa.text("SELECT * FROM app.accounts_to_subscribe(:platforms, :now, :most)"),
                {"platforms": told, "now": self.clock(), "most": at_most},
            )
            return [(row[0], row[1]) for row in found]

    def keep(self) -> dict[str, str]:
        """Asks for all that is due; account ids to what came of it."""
        return {str(account_id): self._keep(workspace_id, account_id) for workspace_id, account_id in self.due()}

    def _keep(self, workspace_id: UUID, account_id: UUID) -> str:
        # Written down first: the hub may confirm before it has answered.
        asked = self._noted(workspace_id, account_id)
        if asked is None:
            return "over"
        platform = self.platform_named(asked.platform)
        try:
            platform.subscribe(
                asked.remote_id,
                callback=f"{self.callback}{asked.subscription_id}",
                secret=asked.secret,
                wanted=asked.wanted,
            )
        except PlatformTrouble as error:
            reason = error.outcome.reason
            with self.database.pipeline(workspace_id) as session:
                mine = sa.update(FeedSubscription).where(
                    FeedSubscription.id == asked.subscription_id, FeedSubscription.asked_at == asked.at
                )
                session.execute(mine.values(reason=reason))
            return reason
        return "asked for" if asked.wanted else "left"

    def _noted(self, workspace_id: UUID, account_id: UUID) -> _Asked | None:
        """What is asked now; `None` where nothing is to be asked any more."""
        now = self.clock()
        with self.database.pipeline(workspace_id) as session:
            account = session.get_one(AccountRow, (workspace_id, account_id))
            mine = sa.select(FeedSubscription).where(FeedSubscription.account_id == account_id)
            row = session.scalars(mine.with_for_update()).one_or_none()
            wanted = account.state != "disconnected"
            lasts = row is not None and row.lease_until is not None and row.lease_until > now
            if not wanted and not lasts:
                if row is not None:
                    session.delete(row)
                return None
            if row is None:
                row = FeedSubscription(id=uuid4(), account_id=account_id, failures=0)
                secret = secrets.token_urlsafe(SECRET_BYTES)
                row.secret = self.vault.seal(secret.encode(), feed_place(workspace_id, row.id))
                session.add(row)
            row.state = "leaving" if not wanted else "active" if lasts else "asked"
            row.failures, row.asked_at, row.reason = row.failures + 1, now, None
            row.next_at = now + min(FIRST_WAIT * 2 ** min(row.failures - 1, 10), LONGEST_WAIT)
            return _Asked(
                subscription_id=row.id,
                platform=account.platform,
                remote_id=account.remote_id,
                secret=self.vault.open(row.secret, feed_place(workspace_id, row.id)).decode(),
                wanted=wanted,
                at=now,
            )
