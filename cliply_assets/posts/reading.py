"""Reading from connected accounts besides publishing: within a day's budget, with a sign-in that is renewed once, and parked where refused.

What is read is never as urgent as what is published. A cap that is reached for reading parks the reading of the account and leaves its
posts alone; only a sign-in that is dead for good parks the account itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cliply_resources.accounts import AccountAccess, park_account, read_access, renew
from cliply_resources.database import AccountReading, Database, ReadingBudget
from cliply_resources.errors import NotFound
from cliply_resources.platforms.contract import Call, Clock, Platform
from cliply_resources.platforms.outcomes import NotSupported, Outcome, OutcomeClass, PlatformTrouble
from cliply_resources.platforms.registry import open_platform
from cliply_resources.posts.reading import CALLS_PER_DAY, tomorrow
from cliply_resources.settings import Settings
from cliply_resources.vault import Vault

__all__ = ["PutOff", "Reader"]

Answer = TypeVar("Answer")

RENEW_WITHIN = timedelta(seconds=60)
AFTER_TROUBLE = timedelta(minutes=5)
AFTER_REFUSAL = timedelta(hours=6)
"""After an answer that the same question will get again."""
WITHOUT_BUDGET = 2000
"""Calls a day for a platform that nobody has thought of."""


class PutOff(Exception):
    """Nothing was read; the account is looked at again at `until`, and `str()` says why. `for_good`: the platform does not offer it."""

    def __init__(self, reason: str, until: datetime, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.until = until
        self.for_good = for_good


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Asks platforms on behalf of accounts. Safe to share between threads."""

    database: Database
    vault: Vault
    platform_named: Callable[[str], Platform]
    calls_per_day: dict[str, int]
    clock: Clock = _now

    @classmethod
    def open(cls, database: Database, settings: Settings) -> "Reader":
        """As the settings say."""
        return cls(
            database=database,
            vault=Vault(settings),
            platform_named=cache(lambda name: open_platform(name, settings)),
            calls_per_day={**CALLS_PER_DAY, **settings.reading_calls_per_day},
        )

    def ask(
        self, workspace_id: UUID, account_id: UUID, question: Callable[[Platform, Call], Answer], *, calls: int = 1
    ) -> Answer:
        """What the platform answers to the account; `calls`: how many requests that takes of the day's budget.

        Raises:
            PutOff: it did not answer, and whatever has to be parked for that is parked.
        """
        try:
            with self.database.pipeline(workspace_id) as session:
                access = read_access(session, self.vault, account_id)
        except NotFound as error:
            raise PutOff("The account is gone.", self.clock() + AFTER_REFUSAL, for_good=True) from error
        except PlatformTrouble as error:
            raise PutOff(error.outcome.reason, self.clock() + AFTER_REFUSAL) from error
        platform = self.platform_named(access.platform)
        self._spend(access, calls)
        try:
            return self._answer(platform, access, question)
        except NotSupported as error:
            raise PutOff(str(error), self.clock() + AFTER_REFUSAL, for_good=True) from error
        except PlatformTrouble as error:
            raise self._refused(access, error.outcome) from error

    def _answer(
        self, platform: Platform, access: AccountAccess, question: Callable[[Platform, Call], Answer]
    ) -> Answer:
        """Renews the sign-in at most once."""
        ends = access.tokens.expires_at
        renewable = platform.capabilities.refresh != "none"
        if renewable and ends is not None and ends - self.clock() < RENEW_WITHIN:
            access, renewable = renew(self.database, self.vault, platform, access, now=self.clock), False
        try:
            return question(platform, self._call(access))
        except PlatformTrouble as error:
            if error.outcome.kind is not OutcomeClass.REAUTH or not renewable:
                raise
        fresh = renew(self.database, self.vault, platform, access, now=self.clock)
        return question(platform, self._call(fresh))

    def _call(self, access: AccountAccess) -> Call:
        return Call(
            tokens=access.tokens,
            account_id=access.remote_id,
            username=access.username,
            facts=access.facts,
            now=self.clock,
        )

    def _spend(self, access: AccountAccess, calls: int) -> None:
        """Takes the calls from the day's budget, in one statement, so that several readers share it."""
        now = self.clock()
        most = self.calls_per_day.get(access.platform, WITHOUT_BUDGET)
        today = now.astimezone(UTC).date()
        fresh = ReadingBudget.day < today
        spent = sa.case((fresh, calls), else_=ReadingBudget.calls + calls)
        statement = (
            insert(ReadingBudget)
            .values(platform=access.platform, day=today, calls=calls)
            .on_conflict_do_update(
                index_elements=["platform"],
                set_={"day": sa.func.greatest(ReadingBudget.day, today), "calls": spent},
                where=spent <= most,
            )
            .returning(ReadingBudget.calls)
        )
        with self.database.across() as session:
            found = session.execute(statement).scalar_one_or_none() if calls <= most else None
        if found is None:
            reason = f"Cliply has asked {access.platform} for as much as it may in one day ({most} calls)."
            raise PutOff(reason, tomorrow(now.astimezone(UTC)))

    def _refused(self, access: AccountAccess, outcome: Outcome) -> PutOff:
        now = self.clock()
        match outcome.kind:
            case OutcomeClass.QUOTA:
                until = outcome.until or now + timedelta(seconds=outcome.retry_after or 86400.0)
                self._park_reading(access, outcome.reason, until)
                return PutOff(outcome.reason, until)
            case OutcomeClass.RECONNECT | OutcomeClass.REAUTH:
                with self.database.pipeline(access.workspace_id) as session:
                    park_account(session, access.workspace_id, access.account_id, outcome.reason)
                return PutOff(outcome.reason, now + AFTER_REFUSAL)
            case OutcomeClass.PERMANENT:
                return PutOff(outcome.reason, now + AFTER_REFUSAL)
        wait = timedelta(seconds=outcome.retry_after or 0.0)
        return PutOff(outcome.reason, now + max(wait, AFTER_TROUBLE))

    def _park_reading(self, access: AccountAccess, reason: str, until: datetime) -> None:
        with self.database.pipeline(access.workspace_id) as session:
            session.execute(
                sa.update(AccountReading)
                .where(AccountReading.account_id == access.account_id)
                .values(parked_until=until, reason=reason)
            )
