"""The web application's way to the platforms: adapters, the vault, and calls that are made for somebody who waits.

No transaction is open while a platform is being asked. A sign-in that is no longer taken is renewed once and the call repeated once;
one that is dead parks its account, as the publisher does it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from litestar import Request
from sqlalchemy.orm import Session

from cliply_resources.accounts import AccountAccess, park_account, read_access, renew
from cliply_resources.database import Database, PlatformSwitch
from cliply_resources.errors import Conflict, NotFound, Rejected, TryLater
from cliply_resources.platforms.contract import Call, Platform
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble
from cliply_resources.platforms.registry import PLATFORM_NAMES, open_platform
from cliply_resources.settings import Settings
from cliply_resources.vault import Vault

__all__ = ["Desk", "provide_desk", "said_plainly"]

Answer = TypeVar("Answer")

RENEW_WITHIN = timedelta(seconds=60)
PATIENCE_SECONDS = 15.0
"""For one request to a platform, as long as somebody waits for ours."""
NO_FILE = Path("/nonexistent")


class Desk:
    """What handlers need that talk to platforms. A plain class: what handlers are given is checked against its type."""

    def __init__(self, settings: Settings, database: Database, vault: Vault) -> None:
        quick = min(settings.platform_timeout_seconds, PATIENCE_SECONDS)
        self.settings = settings.model_copy(update={"platform_timeout_seconds": quick})
        self.database = database
        self.vault = vault

    def platform(self, name: str) -> Platform:
        """The adapter.

        Raises:
            NotFound: there is no such platform.
        """
        if name not in PLATFORM_NAMES:
            raise NotFound("There is no such platform.")
        return open_platform(name, self.settings)

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def ask(self, workspace_id: UUID, account_id: UUID, question: Callable[[Platform, Call], Answer]) -> Answer:
        """What the platform answers, asked with this account's sign-in.

        Raises:
            NotFound: there is no such account.
            Conflict: it has to be connected anew.
            TryLater: the platform has no time now.
            Rejected: it refused.
        """
        with said_plainly():
            with self.database.api(workspace_id) as session:
                access = read_access(session, self.vault, account_id)
            platform = self.platform(access.platform)
            return self._asked(platform, self._fresh(platform, access), question)

    def renewed(self, workspace_id: UUID, account_id: UUID) -> None:
        """Renews the account's sign-in now.

        Raises:
            as `ask`; NotSupported where the platform cannot.
        """
        with said_plainly():
            with self.database.api(workspace_id) as session:
                access = read_access(session, self.vault, account_id)
            renew(self.database, self.vault, self.platform(access.platform), access, now=self.now)

    def _fresh(self, platform: Platform, access: AccountAccess) -> AccountAccess:
        ends = access.tokens.expires_at
        if platform.capabilities.refresh == "none" or ends is None or ends - self.now() > RENEW_WITHIN:
            return access
        return renew(self.database, self.vault, platform, access, now=self.now)

    def _asked(self, platform: Platform, access: AccountAccess, question: Callable[[Platform, Call], Answer]) -> Answer:
        try:
            return question(platform, self._call(access))
        except PlatformTrouble as refused:
            if refused.outcome.kind is not OutcomeClass.REAUTH or platform.capabilities.refresh == "none":
                self._park_dead(access, refused)
                raise
        access = renew(self.database, self.vault, platform, access, now=self.now)
        try:
            return question(platform, self._call(access))
        except PlatformTrouble as refused:
            self._park_dead(access, refused)
            raise

    def _park_dead(self, access: AccountAccess, refused: PlatformTrouble) -> None:
        if refused.outcome.kind in {OutcomeClass.RECONNECT, OutcomeClass.REAUTH}:
            with self.database.api(access.workspace_id) as session:
                park_account(session, access.workspace_id, access.account_id, refused.outcome.reason)

    def _call(self, access: AccountAccess) -> Call:
        return Call(
            tokens=access.tokens,
            account_id=access.remote_id,
            username=access.username,
            facts=access.facts,
            now=self.now,
        )


class said_plainly:  # noqa: N801 - reads as what it does
    """A context in which a platform's refusal leaves as an error of the API, in the platform's sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, PlatformTrouble):
            raise _told(error) from error


def _told(error: PlatformTrouble) -> Exception:
    outcome = error.outcome
    if outcome.kind in {OutcomeClass.RECONNECT, OutcomeClass.REAUTH}:
        return Conflict(outcome.reason)
    if outcome.kind in {OutcomeClass.RETRY, OutcomeClass.PENDING, OutcomeClass.QUOTA}:
        wait = outcome.retry_after
        if wait is None and outcome.until is not None:
            wait = max((outcome.until - datetime.now(UTC)).total_seconds(), 1.0)
        return TryLater(outcome.reason, retry_after=wait)
    return Rejected(outcome.reason)


def switched_off(session: Session) -> dict[str, str]:
    """The platforms that nothing is published to now, and why."""
    return {row.platform: row.reason for row in session.query(PlatformSwitch)}


def provide_desk(request: Request[Any, Any, Any]) -> Desk:
    """The dependency `desk`."""
    found: Desk = request.app.state.desk
    return found
