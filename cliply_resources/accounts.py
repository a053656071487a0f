"""Connected accounts: their sealed sign-ins, renewed by one at a time, and what happens when one is dead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_resources.database import AccountRow, Database, PostRow
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.platforms.contract import Clock, Platform
from cliply_resources.platforms.documents import Capabilities, Profile, Tokens
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, trouble
from cliply_resources.vault import Place, Vault

__all__ = [
    "AccountAccess",
    "accounts_to_refresh",
    "connect_account",
    "disconnect_account",
    "park_account",
    "read_access",
    "refresh_time",
    "renew",
    "tokens_place",
]

RENEW_WAIT_SECONDS = 90.0
"""Longer than a platform may take to answer whoever is renewing now."""
AFTER_FAILURE_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class AccountAccess:
    """An account and the way in."""

    workspace_id: UUID
    account_id: UUID
    platform: str
    remote_id: str
    username: str
    tokens: Tokens = field(repr=False)
    facts: Mapping[str, str] = field(default_factory=dict)


def tokens_place(workspace_id: UUID, account_id: UUID) -> Place:
    """Where an account's tokens are sealed to."""
    return Place(workspace_id, account_id, "accounts.tokens")


def refresh_time(tokens: Tokens, capabilities: Capabilities, now: datetime) -> datetime | None:
    """When the schedule renews this sign-in: ahead of its end, but not before half of its life is over; `None`: never."""
    if capabilities.refresh == "none" or tokens.expires_at is None:
        return None
    left = (tokens.expires_at - now).total_seconds()
    return tokens.expires_at - timedelta(seconds=min(capabilities.refresh_ahead, max(left, 0.0) / 2))


def connect_account(
    session: Session,
    vault: Vault,
    platform: Platform,
    profile: Profile,
    tokens: Tokens,
    *,
    workspace_id: UUID,
    user_id: UUID | None,
    now: datetime,
) -> AccountRow:
    """The account with this sign-in, new or connected anew; posts that were held for it are due again.

    Raises:
        Conflict: a scope without which nothing can be posted was not granted.
    """
    own = profile.tokens or tokens
    missing = sorted(set(platform.capabilities.scopes_to_publish) - set(own.scopes))
    if missing:
        raise Conflict(
            f"{platform.title} did not grant {', '.join(missing)}, without which nothing can be posted. "
            "Connect again and leave every box ticked."
        )
    row = session.scalars(
        sa.select(AccountRow)
        .where(
            AccountRow.workspace_id == workspace_id,
            AccountRow.platform == platform.name,
            AccountRow.remote_id == profile.remote_id,
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        row = AccountRow(platform=platform.name, remote_id=profile.remote_id, name=profile.name)
        session.add(row)
        session.flush()
    row.name, row.username, row.avatar_url = profile.name, profile.username, profile.avatar_url
    row.url, row.kind, row.facts = profile.url, profile.kind, dict(profile.facts)
    row.connected_by, row.connected_at = user_id, now
    _store(row, vault, own, platform.capabilities, now)
    _release(session, row, now)
    return row


def disconnect_account(session: Session, row: AccountRow) -> None:
    """Forgets the sign-in; posts that nothing has been published of are held."""
    row.state, row.reason, row.tokens = "disconnected", "Somebody disconnected this account.", None
    row.refresh_at = row.token_expires_at = row.refresh_expires_at = None
    _hold(session, row.workspace_id, row.id, f"{row.name} was disconnected. Connect it again to publish this post.")


def read_access(session: Session, vault: Vault, account_id: UUID) -> AccountAccess:
    """The account of the bound workspace.

    Raises:
        NotFound: there is none.
        PlatformTrouble: RECONNECT where it has no sign-in that works.
    """
    row = session.scalars(sa.select(AccountRow).where(AccountRow.id == account_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such account in this workspace.")
    if row.tokens is None or row.state != "ok":
        raise trouble(OutcomeClass.RECONNECT, row.reason or f"{row.name} is not connected.", code="not_connected")
    return AccountAccess(
        workspace_id=row.workspace_id,
        account_id=row.id,
        platform=row.platform,
        remote_id=row.remote_id,
        username=row.username,
        facts={name: str(value) for name, value in row.facts.items()},
        tokens=vault.open_document(row.tokens, tokens_place(row.workspace_id, row.id), Tokens),
    )


def renew(database: Database, vault: Vault, platform: Platform, access: AccountAccess, *, now: Clock) -> AccountAccess:
    """The account with the next sign-in, which is stored before it is returned.

    One at a time: whoever comes second gets what the first one fetched. `access` is the one that is no longer taken.

    Raises:
        PlatformTrouble: RECONNECT, and the account is parked; or RETRY, and it stays as it is.
    """
    with database.advisory_lock(f"sign-in of {access.account_id}", wait_seconds=RENEW_WAIT_SECONDS) as ours:
        if not ours:
            raise trouble(
                OutcomeClass.RETRY, "Somebody else is renewing this sign-in.", code="renewing", retry_after=5.0
            )
        with database.pipeline(access.workspace_id) as session:
            current = read_access(session, vault, access.account_id)
        if current.tokens.access_token != access.tokens.access_token:
            return current
        try:
            fetched = platform.refresh(current.tokens, now=now)
        except PlatformTrouble as error:
            _failed(database, access, error, now())
            raise
        with database.pipeline(access.workspace_id) as session:
            row = session.get_one(AccountRow, (access.workspace_id, access.account_id), with_for_update=True)
            if row.state == "disconnected":
                raise trouble(OutcomeClass.RECONNECT, f"{row.name} was disconnected.", code="not_connected")
            _store(row, vault, fetched, platform.capabilities, now())
        return AccountAccess(
            workspace_id=access.workspace_id,
            account_id=access.account_id,
            platform=access.platform,
            remote_id=access.remote_id,
            username=access.username,
            facts=access.facts,
            tokens=fetched,
        )


def park_account(session: Session, workspace_id: UUID, account_id: UUID, reason: str) -> None:
    """The account has to be connected anew: its people are told by an event, and its posts are held, with the reason."""
    changed = session.execute(
        sa.update(AccountRow)
        .where(AccountRow.workspace_id == workspace_id, AccountRow.id == account_id, AccountRow.state == "ok")
        .values(state="reconnect", reason=reason, refresh_at=None)
        .returning(AccountRow.id)
    ).one_or_none()
    if changed is not None:
        _hold(session, workspace_id, account_id, f"{reason} Connect the account again to publish this post.")


def accounts_to_refresh(database: Database, now: datetime, at_most: int = 100) -> list[tuple[UUID, UUID]]:
    """Workspace and account ids whose sign-in is to be renewed by now."""
    with database.across() as session:
        found = session.execute(
            sa.text("SELECT * FROM app.accounts_to_refresh(:now, :most)"), {"now": now, "most": at_most}
        )
        return [(row[0], row[1]) for row in found]


def _failed(database: Database, access: AccountAccess, error: PlatformTrouble, now: datetime) -> None:
    dead = error.outcome.kind in {OutcomeClass.RECONNECT, OutcomeClass.REAUTH, OutcomeClass.PERMANENT}
    with database.pipeline(access.workspace_id) as session:
        row = session.get_one(AccountRow, (access.workspace_id, access.account_id), with_for_update=True)
        row.refresh_failures += 1
        row.refresh_at = None if dead else now + timedelta(seconds=AFTER_FAILURE_SECONDS)
        session.flush()
        if dead:
            park_account(session, access.workspace_id, access.account_id, error.outcome.reason)
    if dead and error.outcome.kind is not OutcomeClass.RECONNECT:
        changed = msgspec.structs.replace(error.outcome, kind=OutcomeClass.RECONNECT)
        raise PlatformTrouble(changed) from error


def _store(row: AccountRow, vault: Vault, tokens: Tokens, capabilities: Capabilities, now: datetime) -> None:
    row.tokens = vault.seal_document(tokens, tokens_place(row.workspace_id, row.id))
    row.scopes = list(tokens.scopes)
    row.token_expires_at, row.refresh_expires_at = tokens.expires_at, tokens.refresh_expires_at
    row.refreshed_at, row.refresh_failures = now, 0
    row.refresh_at = refresh_time(tokens, capabilities, now)
    row.state, row.reason = "ok", None


def _hold(session: Session, workspace_id: UUID, account_id: UUID, reason: str) -> None:
    """Holds what waits; it is looked at once more when it is too late, to say so."""
    too_late = PostRow.due_at + sa.func.make_interval(0, 0, 0, 0, 0, 0, PostRow.tolerance_seconds)
    session.execute(
        sa.update(PostRow)
        .where(
            PostRow.workspace_id == workspace_id,
            PostRow.account_id == account_id,
            PostRow.state.in_(("due", "claimed", "prepared")),
        )
        .values(
            state="held", reason=reason, wake_at=too_late, lease=PostRow.lease + 1, worker=None, lease_until=None,
            progress=None, handle=None,
        )
    )  # fmt: skip


def _release(session: Session, row: AccountRow, now: datetime) -> None:
    """Held posts are due again, and what waits for an answer is asked about at once."""
    mine = (PostRow.workspace_id == row.workspace_id, PostRow.account_id == row.id)
    session.execute(
        sa.update(PostRow)
        .where(*mine, PostRow.state == "held")
        .values(state="due", reason=None, wake_at=now, attempts=0, reauthorized=False)
    )
    session.execute(sa.update(PostRow).where(*mine, PostRow.state.in_(("confirming", "unknown"))).values(wake_at=now))
