"""What people do with posts: ask for one, move it, edit it, cancel it, decide about it. Every function works in the caller's transaction.

Each change is one statement under the row's lock and for certain states only. The publisher records its intent to publish under the
same lock, for the revision that it has prepared. So a change is either there before the publishing call, and honoured, or it comes
after it, and is refused.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cliply_resources.database import PostAttempt, PostRow
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.platforms.documents import PostContent, VideoFacts
from cliply_resources.posts.machine import CHANGEABLE, PostState

__all__ = ["PostWish", "approve", "cancel", "change", "create_post", "decline", "resolve", "try_again"]

RETRIABLE: frozenset[PostState] = frozenset({"rejected", "missed"})

_SPOKEN: dict[str, str] = {
    "declined": "was declined",
    "committing": "is being published at this moment",
    "confirming": "has been sent to the platform already",
    "unknown": "may have been published, which is being checked",
    "asking": "may have been published; first say whether it was",
    "published": "has been published",
    "rejected": "was refused by the platform",
    "missed": "was missed",
    "cancelled": "was cancelled",
    "requested": "waits for approval",
    "held": "is held until its account is connected again",
    "due": "is waiting for its time",
    "claimed": "is being prepared",
    "prepared": "is prepared",
}


class PostWish(msgspec.Struct, frozen=True, kw_only=True):
    """One post as somebody asks for it."""

    account_id: UUID
    platform: str
    upload_id: UUID | None
    clip_id: UUID | None
    object_key: str
    video: VideoFacts
    content: PostContent
    due_at: datetime
    tolerance_seconds: int
    needs_approval: bool = False
    user_id: UUID | None = None


def create_post(session: Session, wish: PostWish, *, prepare_seconds: float) -> PostRow:
    """The post, or the one that is there already for this clip, account and moment."""
    values: dict[str, Any] = {
        "account_id": wish.account_id,
        "platform": wish.platform,
        "upload_id": wish.upload_id,
        "clip_id": wish.clip_id,
        "object_key": wish.object_key,
        "video": msgspec.to_builtins(wish.video),
        "content": msgspec.to_builtins(wish.content),
        "due_at": wish.due_at,
        "tolerance_seconds": wish.tolerance_seconds,
        "created_by": wish.user_id,
        "state": "requested" if wish.needs_approval else "due",
        "wake_at": _wake(wish.due_at, wish.tolerance_seconds, prepare_seconds, requested=wish.needs_approval),
    }
    made = session.execute(
        insert(PostRow).values(values).on_conflict_do_nothing().returning(PostRow.id)
    ).scalar_one_or_none()
    same = (
        (PostRow.id == made,)
        if made is not None
        else (
            PostRow.account_id == wish.account_id,
            PostRow.clip_id == wish.clip_id,
            PostRow.due_at == wish.due_at,
            PostRow.state.not_in(("cancelled", "declined", "rejected", "missed")),
        )
    )
    return session.scalars(sa.select(PostRow).where(*same)).one()


def change(
    session: Session,
    post_id: UUID,
    *,
    prepare_seconds: float,
    content: PostContent | None = None,
    due_at: datetime | None = None,
    video: tuple[str, VideoFacts] | None = None,
) -> PostRow:
    """Edits and moves the post; whatever was prepared of it is prepared anew.

    Raises:
        NotFound: there is no such post in this workspace.
        Conflict: it is too late for that; the message says what the post is doing.
    """
    row = _locked(session, post_id)
    if row.state not in CHANGEABLE:
        raise Conflict(f"This post {_SPOKEN[row.state]}, so it cannot be changed any more.")
    if content is not None:
        row.content = msgspec.to_builtins(content)
    if due_at is not None:
        row.due_at = due_at
    if video is not None:
        row.object_key, row.video = video[0], msgspec.to_builtins(video[1])
    _anew(row, row.state if row.state in {"requested", "held"} else "due")
    waits = row.state in {"requested", "held"}
    row.wake_at = _wake(row.due_at, row.tolerance_seconds, prepare_seconds, requested=waits)
    session.flush()
    return row


def cancel(session: Session, post_id: UUID) -> PostRow:
    """The post will not be published. Cancelling twice is cancelling once.

    Raises:
        NotFound: there is no such post in this workspace.
        Conflict: the publishing call has been made.
    """
    row = _locked(session, post_id)
    if row.state == "cancelled":
        return row
    if row.state not in CHANGEABLE:
        raise Conflict(f"This post {_SPOKEN[row.state]}, so it cannot be cancelled any more.")
    _anew(row, "cancelled")
    row.reason = None
    session.flush()
    return row


def approve(session: Session, post_id: UUID, user_id: UUID, *, prepare_seconds: float) -> PostRow:
    """A requested post becomes due.

    Raises:
        NotFound: there is no such post in this workspace.
        Conflict: nobody has to approve it.
    """
    row = _locked(session, post_id)
    if row.state != "requested":
        raise Conflict(f"This post {_SPOKEN[row.state]}; there is nothing to approve.")
    _anew(row, "due")
    row.approved_by = user_id
    row.wake_at = _wake(row.due_at, row.tolerance_seconds, prepare_seconds, requested=False)
    session.flush()
    return row


def decline(session: Session, post_id: UUID, reason: str) -> PostRow:
    """A requested post will not be published.

    Raises:
        NotFound: there is no such post in this workspace.
        Conflict: nobody has to approve it.
    """
    row = _locked(session, post_id)
    if row.state != "requested":
        raise Conflict(f"This post {_SPOKEN[row.state]}; there is nothing to decline.")
    _anew(row, "declined")
    row.reason = reason
    session.flush()
    return row


def try_again(session: Session, post_id: UUID, *, due_at: datetime) -> PostRow:
    """A post that certainly was not published is due again at `due_at`.

    Raises:
        NotFound: there is no such post in this workspace.
        Conflict: it is not over, or may have been published.
    """
    row = _locked(session, post_id)
    if row.state not in RETRIABLE:
        raise Conflict(f"This post {_SPOKEN[row.state]}, so there is nothing to try again.")
    if _intents(session, post_id, ("applied", None)):
        raise Conflict("The platform had taken this post and refused it afterwards; make a new post for it.")
    _anew(row, "due")
    row.due_at = row.wake_at = due_at
    row.attempts, row.restarts, row.reason, row.code = 0, 0, None, ""
    session.flush()
    return row


def resolve(
    session: Session,
    post_id: UUID,
    *,
    published: bool,
    url: str | None,
    again: bool,
    user_id: UUID | None,
    now: datetime,
) -> PostRow:
    """A person has looked at the account and says whether the post is there; `again` publishes one that is not.

    Raises:
        NotFound: there is no such post in this workspace.
        Conflict: nobody was asked.
    """
    row = _locked(session, post_id)
    if row.state != "asking":
        raise Conflict(f"This post {_SPOKEN[row.state]}; there is nothing to decide.")
    session.execute(
        sa.update(PostAttempt)
        .where(PostAttempt.post_id == post_id, PostAttempt.kind == "commit", PostAttempt.resolution.is_(None))
        .values(resolution="applied" if published else "not_applied")
    )
    said = "A person says that it was published." if published else "A person says that it was not published."
    session.add(
        PostAttempt(
            post_id=post_id, lease=row.lease, revision=row.revision, step="decide", kind="person", outcome="ok",
            reason=said, raw=str(user_id or ""), started_at=now, ended_at=now,
        )
    )  # fmt: skip
    if published:
        row.state, row.published_at, row.url, row.wake_at, row.reason = (
            "published",
            row.committed_at or now,
            url,
            None,
            None,
        )
    else:
        _anew(row, "due" if again else "cancelled")
        row.due_at, row.wake_at = (now, now) if again else (row.due_at, None)
        row.attempts, row.reason = 0, None
    session.flush()
    return row


def _intents(session: Session, post_id: UUID, resolutions: Sequence[str | None]) -> bool:
    wanted = [PostAttempt.resolution == one if one else PostAttempt.resolution.is_(None) for one in resolutions]
    found = sa.select(PostAttempt.id).where(
        PostAttempt.post_id == post_id, PostAttempt.kind == "commit", sa.or_(*wanted)
    )
    return session.scalars(found.limit(1)).one_or_none() is not None


def _anew(row: PostRow, state: PostState) -> None:
    """Nothing of what was prepared counts, and whoever is preparing has lost it."""
    row.state, row.wake_at = state, None
    row.revision, row.lease = row.revision + 1, row.lease + 1
    row.worker = row.lease_until = row.progress = row.handle = row.committed_at = None
    row.reauthorized = False


def _wake(due_at: datetime, tolerance: int, prepare_seconds: float, *, requested: bool) -> datetime:
    """When the publisher looks at it; at one that nobody has let go, when it is too late, to say so."""
    return due_at + timedelta(seconds=tolerance) if requested else due_at - timedelta(seconds=prepare_seconds)


def _locked(session: Session, post_id: UUID) -> PostRow:
    found = session.scalars(sa.select(PostRow).where(PostRow.id == post_id).with_for_update()).one_or_none()
    if found is None:
        raise NotFound("There is no such post in this workspace.")
    return found
