"""What people say about a clip. A remark is anchored to a moment of the source, so that cutting anew does not move it."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.clips.schemas import ChangeComment, CommentView, NewComment
from cliply_api.clips.service import clip_of
from cliply_api.errors import Forbidden
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.database import Clip, ClipComment
from cliply_resources.errors import CallerError, Conflict, NotFound

__all__ = ["add", "change", "delete", "list_comments"]

MOST_COMMENTS = 1000
"""On one clip; a discussion that long is a program run wild."""


def list_comments(session: Session, page: PageRequest, clip_id: UUID) -> Page[CommentView]:
    """Those on the whole clip first, then along the clip."""
    clip = clip_of(session, clip_id)
    query = sa.select(ClipComment).where(ClipComment.clip_id == clip_id)
    query = query.order_by(ClipComment.source_s.asc().nulls_first(), ClipComment.id)
    return page.of(session, query, lambda row: _view(clip, row))


def add(session: Session, principal: Principal, facts: RequestFacts, clip_id: UUID, wanted: NewComment) -> CommentView:
    """A new remark by the caller.

    Raises:
        CallerError: the moment lies behind the clip's end.
        Conflict: the clip has too many.
    """
    clip = clip_of(session, clip_id, lock=True)
    length = clip.span.duration
    if wanted.at_s is not None and wanted.at_s > length:
        raise CallerError(f"{wanted.at_s:g} s lies behind the end of this clip, which is {length:.3g} s long.")
    count = session.scalar(sa.select(sa.func.count()).where(ClipComment.clip_id == clip_id)) or 0
    if count >= MOST_COMMENTS:
        raise Conflict(f"This clip has {count} comments, which is as many as it may have; delete some first.")
    made = ClipComment(
        clip_id=clip_id,
        source_s=None if wanted.at_s is None else clip.span.start + wanted.at_s,
        body=wanted.text,
        author_id=principal.user_id,
        author_name=principal.name or principal.email,
    )
    session.add(made)
    session.flush()
    audit(session, principal, facts, "comment.added", subject=str(made.id), clip=str(clip_id))
    return _view(clip, made)


def change(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    clip_id: UUID,
    comment_id: UUID,
    wanted: ChangeComment,
) -> CommentView:
    """The remark in other words, by its author."""
    clip, row = _own(session, principal, clip_id, comment_id)
    if row.body != wanted.text:
        row.body = wanted.text
        row.edited_at = sa.func.now()
        session.flush()
        audit(session, principal, facts, "comment.edited", subject=str(comment_id), clip=str(clip_id))
    return _view(clip, row)


def delete(session: Session, principal: Principal, facts: RequestFacts, clip_id: UUID, comment_id: UUID) -> None:
    """The remark is gone, at the wish of its author."""
    _, row = _own(session, principal, clip_id, comment_id)
    session.delete(row)
    audit(session, principal, facts, "comment.deleted", subject=str(comment_id), clip=str(clip_id))


def _own(session: Session, principal: Principal, clip_id: UUID, comment_id: UUID) -> tuple[Clip, ClipComment]:
    clip = clip_of(session, clip_id)
    query = sa.select(ClipComment).where(ClipComment.clip_id == clip_id, ClipComment.id == comment_id)
    row = session.scalars(query.with_for_update()).one_or_none()
    if row is None:
        raise NotFound("There is no such comment.")
    if row.author_id != principal.user_id:
        raise Forbidden("Only its author may change or delete a comment.")
    return clip, row


def _view(clip: Clip, row: ClipComment) -> CommentView:
    span = clip.span
    inside = row.source_s is not None and span.start <= row.source_s <= span.end
    return CommentView(
        id=row.id,
        clip_id=row.clip_id,
        text=row.body,
        at_s=round(row.source_s - span.start, 3) if inside and row.source_s is not None else None,
        source_s=row.source_s,
        author_id=row.author_id,
        author_name=row.author_name,
        created_at=row.created_at,
        edited_at=row.edited_at,
    )
