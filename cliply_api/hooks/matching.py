"""What a platform's word changes: as little as can be, since it may be late, doubled, out of order or about something else.

A word about a post whose outcome is open only wakes the publisher, which asks the platform itself. A word about a published post
changes what is shown of it, unless the platform has said something newer. What is over stays over. What fits no post yet waits for an
hour: platforms are often faster than our own next line.
"""

from datetime import datetime, timedelta
from uuid import UUID

import anyio
import sqlalchemy as sa
import structlog
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk
from cliply_resources.accounts import park_account
from cliply_resources.database import AccountRow, PlatformEvent, PostAttempt, PostRow
from cliply_resources.errors import CliplyError

__all__ = ["PATIENCE", "keep_matching", "match", "match_waiting"]

PATIENCE = timedelta(hours=1)
LOOK_SECONDS = 10.0
AT_ONCE = 1000
OPEN = ("confirming", "unknown")
OF_POSTS = frozenset({"published", "failed", "public", "not_public", "new_post", "deleted_post"})

log = structlog.get_logger("cliply_api.hooks")


async def keep_matching(desk: Desk) -> None:
    """Tries again what waits, until it is cancelled. Every process does; none is in another's way."""
    while True:
        try:
            await to_thread.run_sync(match_waiting, desk)
        except (CliplyError, SQLAlchemyError) as failure:
            log.warning("platform events are put off", reason=str(failure))
        await anyio.sleep(LOOK_SECONDS)


def match_waiting(desk: Desk) -> int:
    """One round over everything that waits; how many were matched."""
    with desk.database.across() as session:
        found = session.execute(sa.text("SELECT * FROM app.platform_events_waiting(:most)"), {"most": AT_ONCE}).all()
    return sum(match(desk, workspace_id, event_id) for workspace_id, event_id in found)


def match(desk: Desk, workspace_id: UUID, event_id: UUID) -> bool:
    """Applies the event, or leaves it waiting; whether it is settled as matched."""
    with desk.database.api(workspace_id) as session:
        waiting = sa.select(PlatformEvent).where(PlatformEvent.id == event_id, PlatformEvent.state == "waiting")
        event = session.scalars(waiting.with_for_update(skip_locked=True)).one_or_none()
        if event is None:
            return False
        now = desk.now()
        settled = _applied(session, event, now)
        if settled:
            event.state = "matched"
        elif now - event.created_at > PATIENCE:
            event.state = "unmatched"
        return settled


def _applied(session: Session, event: PlatformEvent, now: datetime) -> bool:
    if event.kind == "disconnected":
        _disconnected(session, event)
        return True
    if event.kind not in OF_POSTS:
        return True
    post = _post_of(session, event)
    if post is None:
        if event.kind == "new_post":
            # It may be one whose own call was never answered; the publisher finds out.
            _wake_open(session, event.account_id, now)
        return False
    event.post_id = post.id
    if post.told_at is None or event.at >= post.told_at:
        _told(session, post, event, now)
    return True


def _post_of(session: Session, event: PlatformEvent) -> PostRow | None:
    names = []
    if event.handle is not None:
        names.append(PostRow.handle == event.handle)
    if event.remote_id is not None:
        names.append(PostRow.remote_id == event.remote_id)
    if not names:
        return None
    query = sa.select(PostRow).where(PostRow.account_id == event.account_id, sa.or_(*names))
    return session.scalars(query.order_by(PostRow.created_at.desc()).limit(1).with_for_update()).one_or_none()


def _told(session: Session, post: PostRow, event: PlatformEvent, now: datetime) -> None:
    if post.state == "asking":
        # Nobody has answered yet, and the platform can be asked again. What it had accepted is only confirmed: to look for it as for
        # one whose call was never answered might end with a second one.
        post.state = "confirming" if _accepted(session, post.id) else "unknown"
        post.wake_at = now
    elif post.state in OPEN or (post.state == "published" and post.wake_at is not None):
        post.wake_at = now
    if post.state != "published":
        return
    post.told_at = event.at
    if event.remote_id is not None and post.remote_id is None:
        post.remote_id = event.remote_id
    if event.kind == "public":
        post.visibility, post.reason = "public", None
    elif event.kind == "not_public":
        post.visibility = "private"
        post.reason = "The platform says that this post is not public any more."
    elif event.kind == "deleted_post":
        post.removed_at = post.removed_at or event.at


def _accepted(session: Session, post_id: UUID) -> bool:
    applied = sa.select(PostAttempt.id).where(
        PostAttempt.post_id == post_id, PostAttempt.kind == "commit", PostAttempt.resolution == "applied"
    )
    return session.scalars(applied.limit(1)).one_or_none() is not None


def _wake_open(session: Session, account_id: UUID, now: datetime) -> None:
    session.execute(
        sa.update(PostRow)
        .where(PostRow.account_id == account_id, PostRow.state.in_(OPEN), PostRow.wake_at > now)
        .values(wake_at=now)
    )


def _disconnected(session: Session, event: PlatformEvent) -> None:
    account = session.scalars(sa.select(AccountRow).where(AccountRow.id == event.account_id)).one()
    # Said of an earlier connection, it is no news; platforms count in whole seconds.
    if event.at + timedelta(seconds=1) >= account.connected_at:
        reason = f"Somebody took {account.name} away from Cliply in the platform's own settings."
        park_account(session, account.workspace_id, account.id, reason)
