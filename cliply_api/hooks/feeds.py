"""Feeds that were subscribed to: the hub's confirmation, and what it tells, each at an address that only the hub was told."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk
from cliply_api.hooks.service import apply, keep
from cliply_resources.database import AccountReading, AccountRow, FeedSubscription
from cliply_resources.errors import NotFound
from cliply_resources.platforms.documents import FeedAnswer
from cliply_resources.platforms.outcomes import WebhookRefused
from cliply_resources.posts.places import feed_place

__all__ = ["confirm", "take"]

RENEWED_AT = 0.8
"""Of a lease's life."""
MOST_REASON = 500

log = structlog.get_logger("cliply_api.hooks")


def confirm(desk: Desk, subscription_id: UUID, query: Mapping[str, str]) -> str:
    """The hub's challenge, where it is about what we asked for; the lease is stored.

    Raises:
        NotFound: nobody here asked for it.
    """
    unasked = NotFound("Nobody here asked for that.")
    workspace_id, account_id = _place(desk, subscription_id)
    with desk.database.api(workspace_id) as session:
        account = session.get_one(AccountRow, (workspace_id, account_id))
        row = _locked(session, subscription_id)
        answer = desk.platform(account.platform).feed_answer(account.remote_id, query)
        if row is None or answer is None:
            raise unasked
        if answer.mode == "denied":
            row.reason = f"The hub refused: {answer.reason or 'it gave no reason'}"[:MOST_REASON]
            return ""
        leaving = row.state == "leaving"
        if not answer.challenge or leaving != (answer.mode == "unsubscribe"):
            raise unasked
        if leaving:
            session.delete(row)
        else:
            _renewed(desk, row, answer)
        return answer.challenge


def take(desk: Desk, subscription_id: UUID, headers: Mapping[str, str], body: bytes) -> int:
    """Keeps what the feed tells of its account, each event once; how many were new. What is not signed as agreed is ignored.

    Raises:
        NotFound: there is no such subscription.
    """
    workspace_id, account_id = _place(desk, subscription_id)
    with desk.database.api(workspace_id) as session:
        account = session.get_one(AccountRow, (workspace_id, account_id))
        row = session.scalars(sa.select(FeedSubscription).where(FeedSubscription.id == subscription_id)).one_or_none()
        if row is None or row.state == "leaving":
            return 0
        secret = desk.vault.open(row.secret, feed_place(workspace_id, subscription_id)).decode()
        platform, remote_id = desk.platform(account.platform), account.remote_id
    try:
        events = platform.parse_feed(headers, body, secret=secret)
    except WebhookRefused as error:
        # The hub is answered all the same: it could not tell a wrong signature from a broken subscriber.
        log.warning("a feed is ignored", subscription=str(subscription_id), reason=str(error))
        return 0
    # A tombstone may name no channel; the address has told whose it is.
    ours = [event for event in events if event.account_remote_id in {remote_id, ""}]
    new = [made for event in ours if (made := keep(desk, workspace_id, account_id, event)) is not None]
    apply(desk, [(workspace_id, event_id) for event_id in new])
    if new:
        _look_soon(desk, workspace_id, account_id)
    return len(new)


def _place(desk: Desk, subscription_id: UUID) -> tuple[UUID, UUID]:
    with desk.database.across() as session:
        whose = sa.text("SELECT * FROM app.account_of_feed(:subscription)")
        found = session.execute(whose, {"subscription": subscription_id}).one_or_none()
    if found is None:
        raise NotFound("Nobody here asked for that.")
    return found[0], found[1]


def _locked(session: Session, subscription_id: UUID) -> FeedSubscription | None:
    mine = sa.select(FeedSubscription).where(FeedSubscription.id == subscription_id)
    return session.scalars(mine.with_for_update()).one_or_none()


def _renewed(desk: Desk, row: FeedSubscription, answer: FeedAnswer) -> None:
    now = desk.now()
    row.state, row.reason, row.failures, row.confirmed_at = "active", None, 0, now
    row.lease_until = now + timedelta(seconds=answer.lease_seconds)
    row.next_at = now + timedelta(seconds=answer.lease_seconds * RENEWED_AT)


def _look_soon(desk: Desk, workspace_id: UUID, account_id: UUID) -> None:
    """Where the account's own posts are imported, the new one is at the next look."""
    with desk.database.api(workspace_id) as session:
        session.execute(
            sa.update(AccountReading)
            .where(AccountReading.account_id == account_id, AccountReading.import_next_at > desk.now())
            .values(import_next_at=desk.now())
        )
