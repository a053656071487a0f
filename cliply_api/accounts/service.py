"""Accounts as people look after them. Every statement runs in a session that is bound to the workspace."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk, switched_off
from cliply_api.accounts.schemas import (
    AccountCaps,
    AccountLimitsView,
    AccountList,
    AccountView,
    Disconnected,
    PlatformList,
)
from cliply_api.accounts.views import account_view, platform_view
from cliply_api.auth.principal import Principal
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_resources.accounts import disconnect_account, tokens_place
from cliply_resources.database import AccountRow, PostRow
from cliply_resources.errors import CallerError, Conflict, NotFound, UpstreamError
from cliply_resources.platforms.documents import AccountLimits, Tokens
from cliply_resources.platforms.outcomes import PlatformTrouble
from cliply_resources.platforms.registry import PLATFORM_NAMES
from cliply_resources.vault import SealBroken

__all__ = [
    "account_of",
    "accounts_of",
    "change_caps",
    "disconnect",
    "freshen_limits",
    "get_account",
    "limits_of",
    "list_accounts",
    "list_platforms",
    "stored_limits",
]

FRESHEN_SECONDS = 15.0
FRESH = timedelta(minutes=5)


def list_platforms(session: Session, desk: Desk) -> PlatformList:
    """Every platform that this version knows, in its order."""
    stopped = switched_off(session)
    return PlatformList(data=[platform_view(desk.platform(name), stopped.get(name)) for name in PLATFORM_NAMES])


def list_accounts(session: Session, desk: Desk, platform: str | None) -> AccountList:
    """By platform and name; disconnected ones come last."""
    query = sa.select(AccountRow).order_by(
        AccountRow.state == "disconnected", AccountRow.platform, AccountRow.name, AccountRow.id
    )
    if platform is not None:
        query = query.where(AccountRow.platform == platform)
    now = desk.now()
    return AccountList(
        data=[account_view(row, desk.platform(row.platform), now) for row in session.scalars(query.limit(1000))]
    )


def get_account(session: Session, desk: Desk, account_id: UUID) -> AccountView:
    """One account."""
    row = account_of(session, account_id)
    return account_view(row, desk.platform(row.platform), desk.now())


def change_caps(
    session: Session, desk: Desk, principal: Principal, facts: RequestFacts, account_id: UUID, data: AccountCaps
) -> AccountView:
    """The publisher goes by it from its next post on."""
    row = account_of(session, account_id, lock=True)
    if data.posts_per_day is not UNSET:
        row.posts_per_day = data.posts_per_day
    if data.min_gap_seconds is not UNSET:
        row.min_gap_seconds = data.min_gap_seconds
    audit(
        session,
        principal,
        facts,
        "account.changed",
        subject=str(account_id),
        posts_per_day=row.posts_per_day,
        min_gap_seconds=row.min_gap_seconds,
    )
    session.flush()
    return account_view(row, desk.platform(row.platform), desk.now())


def disconnect(desk: Desk, principal: Principal, facts: RequestFacts, account_id: UUID) -> Disconnected:
    """Forgets the sign-in, holds what waits, and only then gives the access back: a platform that is away keeps nobody here."""
    with desk.database.api(principal.workspace) as session:
        row = account_of(session, account_id, lock=True)
        platform = desk.platform(row.platform)
        tokens = _only_here(session, desk, row)
        was = row.state
        if was != "disconnected":
            disconnect_account(session, row)
            audit(
                session, principal, facts, "account.disconnected",
                subject=str(account_id), platform=row.platform, name=row.name,
            )  # fmt: skip
        session.flush()
        held = session.scalar(
            sa.select(sa.func.count()).where(PostRow.account_id == account_id, PostRow.state == "held")
        )
        view = account_view(row, platform, desk.now())
    revoked = False
    if tokens is not None:
        try:
            platform.revoke(tokens)
            revoked = True
        except PlatformTrouble:
            revoked = False
    return Disconnected(account=view, revoked=revoked, held_posts=held or 0)


def _only_here(session: Session, desk: Desk, row: AccountRow) -> Tokens | None:
    """The account's tokens, unless another account of the workspace came by the same sign-in and would lose it, too."""
    mine = _opened(desk, row)
    others = sa.select(AccountRow).where(
        AccountRow.platform == row.platform, AccountRow.id != row.id, AccountRow.state == "ok"
    )
    if mine is None or any(
        theirs.secrets and set(theirs.secrets) & set(mine.secrets)
        for other in session.scalars(others)
        if (theirs := _opened(desk, other)) is not None
    ):
        return None
    return mine


def _opened(desk: Desk, row: AccountRow) -> Tokens | None:
    if row.tokens is None:
        return None
    try:
        return desk.vault.open_document(row.tokens, tokens_place(row.workspace_id, row.id), Tokens)
    except SealBroken:
        # Whoever lost the key still wants to be rid of the account.
        return None


def limits_of(desk: Desk, principal: Principal, account_id: UUID) -> AccountLimitsView:
    """What the platform says that the account may do, at most five minutes old."""
    with desk.database.api(principal.workspace) as session:
        row = account_of(session, account_id)
        if row.state != "ok":
            raise Conflict(row.reason or f"{row.name} is not connected.")
        known = stored_limits(row, desk.now(), FRESH)
    if known is not None:
        return AccountLimitsView(limits=known, cached=True)
    asked = desk.ask(principal.workspace, account_id, lambda platform, call: platform.account_limits(call))
    asked = msgspec.structs.replace(asked, asked_at=desk.now())
    with desk.database.api(principal.workspace) as session:
        session.execute(
            sa.update(AccountRow).where(AccountRow.id == account_id).values(limits=msgspec.to_builtins(asked))
        )
    return AccountLimitsView(limits=asked, cached=False)


def freshen_limits(desk: Desk, principal: Principal, account_ids: Sequence[UUID]) -> None:
    """Asks the platforms anew what these accounts may do; one that has no time leaves what it said before.

    Begins no further question after 15 s: whoever plans posts waits for this.
    """
    end = time.monotonic() + FRESHEN_SECONDS
    for account_id in dict.fromkeys(account_ids):
        if time.monotonic() > end:
            return
        try:
            limits_of(desk, principal, account_id)
        except (CallerError, UpstreamError):
            # What is wrong with the account is said where it is needed.
            continue


def stored_limits(row: AccountRow, now: datetime, at_most: timedelta) -> AccountLimits | None:
    """What the platform said lately; `None` where that was too long ago."""
    if not row.limits:
        return None
    known = msgspec.convert(row.limits, AccountLimits)
    return known if known.asked_at is not None and now - known.asked_at < at_most else None


def accounts_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, AccountRow]:
    """Those of the accounts that exist."""
    return {row.id: row for row in session.scalars(sa.select(AccountRow).where(AccountRow.id.in_(ids)))}


def account_of(session: Session, account_id: UUID, *, lock: bool = False) -> AccountRow:
    """The account.

    Raises:
        NotFound: there is none of that id in this workspace.
    """
    query = sa.select(AccountRow).where(AccountRow.id == account_id)
    found = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise NotFound("There is no such account.")
    return found
