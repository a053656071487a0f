"""What is done to a published post on its platform. No transaction is open while the platform is asked."""

from uuid import UUID

import msgspec

from cliply_api.accounts.desk import Desk
from cliply_api.accounts.service import account_of
from cliply_api.auth.principal import Principal
from cliply_api.posts.planning import content_with, problems_with, refuse
from cliply_api.posts.schemas import PostDetail, PublishedChange
from cliply_api.posts.service import detail_of, post_of
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_resources.database import PostRow
from cliply_resources.errors import CallerError, Conflict
from cliply_resources.platforms.documents import PostContent, VideoFacts

__all__ = ["delete_published", "edit_published", "refresh_status"]


def edit_published(
    desk: Desk, principal: Principal, facts: RequestFacts, post_id: UUID, data: PublishedChange
) -> PostDetail:
    """Changes the post there, and then here.

    Raises:
        Conflict: it is not published, or not there any more.
        CallerError: the platform cannot change one of these.
    """
    row, remote_id, content = _published(desk, principal, post_id)
    platform = desk.platform(row.platform)
    changed = content_with(content, data)
    names = [name for name in content.__struct_fields__ if getattr(changed, name) != getattr(content, name)]
    fixed = [name for name in names if name not in platform.capabilities.editable]
    if fixed:
        able = ", ".join(platform.capabilities.editable) or "nothing"
        raise CallerError(
            f"{platform.title} lets {able} of a published post be changed, and not {', '.join(fixed)}. Change it in its own app."
        )
    with desk.database.api(principal.workspace) as session:
        account = account_of(session, row.account_id)
        video = msgspec.convert(row.video, VideoFacts)
        refuse(problems_with(platform, account, changed, video, desk.now()))
    if names:
        desk.ask(principal.workspace, row.account_id, lambda there, call: there.edit(remote_id, changed, call))
    with desk.database.api(principal.workspace) as session:
        row = post_of(session, post_id, lock=True)
        row.content = msgspec.to_builtins(changed)
        audit(session, principal, facts, "post.edited", subject=str(post_id), fields=names)
        return detail_of(session, desk, row)


def delete_published(desk: Desk, principal: Principal, facts: RequestFacts, post_id: UUID) -> PostDetail:
    """Removes the post there; the row stays, and says so.

    Raises:
        Conflict: it is not published, or not there any more.
        NotSupported: the platform offers no way to.
    """
    row, remote_id, _ = _published(desk, principal, post_id)
    desk.ask(principal.workspace, row.account_id, lambda there, call: there.delete(remote_id, call))
    with desk.database.api(principal.workspace) as session:
        row = post_of(session, post_id, lock=True)
        row.removed_at = row.removed_at or desk.now()
        audit(session, principal, facts, "post.removed", subject=str(post_id), platform=row.platform)
        return detail_of(session, desk, row)


def refresh_status(desk: Desk, principal: Principal, post_id: UUID) -> PostDetail:
    """Asks the platform how the post is now.

    Raises:
        Conflict: it is not published, or not there any more.
    """
    row, remote_id, _ = _published(desk, principal, post_id)
    asked_at = desk.now()
    told = desk.ask(principal.workspace, row.account_id, lambda there, call: there.status(remote_id, call))
    with desk.database.api(principal.workspace) as session:
        row = post_of(session, post_id, lock=True)
        # What the platform said by itself meanwhile is newer.
        if row.told_at is None or row.told_at <= asked_at:
            row.told_at = asked_at
            row.url, row.visibility = told.url or row.url, told.visibility or row.visibility
            if told.state == "removed":
                row.removed_at = row.removed_at or asked_at
            if told.state in {"rejected", "removed"} and told.reason:
                row.reason = told.reason
        return detail_of(session, desk, row)


def _published(desk: Desk, principal: Principal, post_id: UUID) -> tuple[PostRow, str, PostContent]:
    with desk.database.api(principal.workspace) as session:
        row = post_of(session, post_id)
        session.expunge(row)
    if row.state != "published":
        raise Conflict("This post is not published, so there is nothing on its platform yet.")
    if row.removed_at is not None:
        raise Conflict("This post was removed from its platform.")
    if row.remote_id is None:
        raise Conflict(
            "The platform has not named this post, so nothing can be asked about it. Look at the account itself."
        )
    return row, row.remote_id, msgspec.convert(row.content, PostContent)
