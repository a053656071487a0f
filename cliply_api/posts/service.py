"""Posts as people plan and follow them. Every statement runs in a session that is bound to the workspace."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk
from cliply_api.accounts.service import account_of
from cliply_api.auth.principal import Principal
from cliply_api.errors import Forbidden
from cliply_api.posts.planning import content_with, make_bulk, make_posts, moment_for, problems_with, refuse
from cliply_api.posts.schemas import (
    Answer,
    Approval,
    BulkPosts,
    ChangePost,
    NewPosts,
    PostDetail,
    PostsMade,
    PostView,
    TryAgain,
    When,
)
from cliply_api.posts.views import attempt_view, candidates_of, facts_of_post, post_views, zone_of
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest, count_of
from cliply_resources.database import PostAttempt, PostRow
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.platforms.documents import PostContent, VideoFacts
from cliply_resources.platforms.registry import PLATFORM_NAMES
from cliply_resources.posts import wishes
from cliply_resources.posts.machine import PostState
from cliply_resources.storage import Storage

__all__ = [
    "PostFilter",
    "answer",
    "approve",
    "bulk",
    "cancel",
    "change",
    "create",
    "decline",
    "detail_of",
    "get_post",
    "list_posts",
    "post_of",
    "retry",
]


@dataclass(frozen=True, kw_only=True)
class PostFilter:
    """Which posts are wanted."""

    since: datetime | None = None
    until: datetime | None = None
    account_id: UUID | None = None
    platform: str | None = None
    state: PostState | None = None
    upload_id: UUID | None = None
    clip_id: UUID | None = None


def create(
    session: Session, desk: Desk, storage: Storage, principal: Principal, facts: RequestFacts, data: NewPosts
) -> PostsMade:
    """One clip's posts, all of them or none."""
    return _made(session, desk, principal, facts, make_posts(session, desk, storage, principal, data))


def bulk(
    session: Session, desk: Desk, storage: Storage, principal: Principal, facts: RequestFacts, data: BulkPosts
) -> PostsMade:
    """Several clips' posts, all of them or none."""
    return _made(session, desk, principal, facts, make_bulk(session, desk, storage, principal, data))


def list_posts(session: Session, desk: Desk, page: PageRequest, wanted: PostFilter) -> Page[PostView]:
    """In the order of their times. Four statements."""
    query = sa.select(PostRow)
    for column, value in (
        (PostRow.account_id, wanted.account_id),
        (PostRow.platform, wanted.platform),
        (PostRow.state, wanted.state),
        (PostRow.upload_id, wanted.upload_id),
        (PostRow.clip_id, wanted.clip_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(PostRow.due_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(PostRow.due_at < wanted.until)
    total = count_of(session, query)
    after = page.after(datetime, UUID)
    query = query.order_by(PostRow.due_at, PostRow.id).limit(page.limit)
    if after is None:
        query = query.offset((page.page - 1) * page.limit)
    else:
        query = query.where(sa.tuple_(PostRow.due_at, PostRow.id) > sa.tuple_(*after))
    rows = session.scalars(query).all()
    views = {view.id: view for view in _views(session, desk, list(rows))}
    return page.page_of_rows(rows, lambda row: views[row.id], total, lambda row: (row.due_at, row.id))


def get_post(session: Session, desk: Desk, post_id: UUID) -> PostDetail:
    """The post and every call that was made for it."""
    return detail_of(session, desk, post_of(session, post_id))


def change(
    session: Session, desk: Desk, principal: Principal, facts: RequestFacts, post_id: UUID, data: ChangePost
) -> PostDetail:
    """Moves and edits; honoured until the publishing call is made, refused afterwards."""
    row = post_of(session, post_id, lock=True)
    _may_touch(principal, row)
    _seen(row, data.revision if data.revision is not UNSET else None)
    content = None
    if data.content is not UNSET:
        content = content_with(msgspec.convert(row.content, PostContent), data.content)
        account = account_of(session, row.account_id)
        video = msgspec.convert(row.video, VideoFacts)
        refuse(problems_with(desk.platform(row.platform), account, content, video, desk.now()))
    due_at = _moment(session, data, desk) if _names_time(data) else None
    row = wishes.change(
        session, post_id, prepare_seconds=desk.settings.publish_prepare_seconds, content=content, due_at=due_at
    )
    _note(session, principal, facts, "post.changed", row)
    return detail_of(session, desk, row)


def cancel(session: Session, desk: Desk, principal: Principal, facts: RequestFacts, post_id: UUID) -> PostDetail:
    """It is not published; refused once the publishing call has been made."""
    row = post_of(session, post_id, lock=True)
    _may_touch(principal, row)
    if row.state != "cancelled":
        row = wishes.cancel(session, post_id)
        _note(session, principal, facts, "post.cancelled", row)
    return detail_of(session, desk, row)


def approve(
    session: Session, desk: Desk, principal: Principal, facts: RequestFacts, post_id: UUID, data: Approval
) -> PostDetail:
    """What an editor asked for is due."""
    row = post_of(session, post_id, lock=True)
    _seen(row, data.revision if data.revision is not UNSET else None)
    if row.state == "requested" and desk.now() > row.due_at + timedelta(seconds=row.tolerance_seconds):
        raise Conflict("The time of this post has passed; move it to a new one, and approve it then.")
    row = wishes.approve(session, post_id, principal.user_id, prepare_seconds=desk.settings.publish_prepare_seconds)
    _note(session, principal, facts, "post.approved", row)
    return detail_of(session, desk, row)


def decline(
    session: Session, desk: Desk, principal: Principal, facts: RequestFacts, post_id: UUID, reason: str
) -> PostDetail:
    """What an editor asked for will not be."""
    row = wishes.decline(session, post_id, reason)
    _note(session, principal, facts, "post.declined", row)
    return detail_of(session, desk, row)


def retry(
    session: Session, desk: Desk, principal: Principal, facts: RequestFacts, post_id: UUID, data: TryAgain
) -> PostDetail:
    """A post that certainly is not there is due again."""
    post_of(session, post_id)
    row = wishes.try_again(session, post_id, due_at=_moment(session, data, desk))
    _note(session, principal, facts, "post.retried", row)
    return detail_of(session, desk, row)


def answer(
    session: Session, desk: Desk, principal: Principal, facts: RequestFacts, post_id: UUID, data: Answer
) -> PostDetail:
    """A person has looked, and says what they saw."""
    row = wishes.resolve(
        session,
        post_id,
        published=data.answer == "published",
        url=data.url,
        again=data.answer == "publish_again",
        user_id=principal.user_id,
        now=desk.now(),
    )
    _note(session, principal, facts, "post.answered", row, answer=data.answer)
    return detail_of(session, desk, row)


def detail_of(session: Session, desk: Desk, row: PostRow) -> PostDetail:
    """Everything that is known of the row."""
    session.flush()
    session.refresh(row)
    account = account_of(session, row.account_id)
    query = sa.select(PostAttempt).where(PostAttempt.post_id == row.id)
    attempts = session.scalars(query.order_by(PostAttempt.started_at, PostAttempt.id).limit(500)).all()
    return PostDetail(
        **facts_of_post(row, account.name, zone_of(session), desk.platform(row.platform)),
        attempts=[attempt_view(one) for one in attempts],
        candidates=candidates_of(row, attempts),
    )


def post_of(session: Session, post_id: UUID, *, lock: bool = False) -> PostRow:
    """The post.

    Raises:
        NotFound: there is none of that id in this workspace.
    """
    query = sa.select(PostRow).where(PostRow.id == post_id)
    found = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise NotFound("There is no such post in this workspace.")
    return found


def _made(session: Session, desk: Desk, principal: Principal, facts: RequestFacts, rows: list[PostRow]) -> PostsMade:
    for row in rows:
        _note(session, principal, facts, "post.requested" if row.state == "requested" else "post.created", row)
    return PostsMade(posts=_views(session, desk, rows))


def _views(session: Session, desk: Desk, rows: list[PostRow]) -> list[PostView]:
    return post_views(session, rows, {name: desk.platform(name) for name in PLATFORM_NAMES})


def _moment(session: Session, when: When, desk: Desk) -> datetime:
    return moment_for(when, zone_of(session).key, desk.now())


def _names_time(when: When) -> bool:
    return when.due_at is not UNSET or when.local_time is not UNSET


def _may_touch(principal: Principal, row: PostRow) -> None:
    """Whoever may not publish changes only what they asked for themselves, and only until somebody has approved it."""
    if "post.publish" in principal.permissions:
        return
    if row.state not in {"requested", "cancelled"} or row.created_by != principal.user_id:
        raise Forbidden("This post is approved, or somebody else's. Ask an admin of the workspace to change it.")


def _seen(row: PostRow, revision: int | None) -> None:
    if revision is not None and revision != row.revision:
        raise Conflict(f"This post was changed since you saw it: it is at revision {row.revision}. Look at it again.")


def _note(
    session: Session, principal: Principal, facts: RequestFacts, action: str, row: PostRow, **details: str
) -> None:
    audit(session, principal, facts, action, subject=str(row.id), platform=row.platform, **details)  # type: ignore[arg-type]
