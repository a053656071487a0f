"""`/api/posts`."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk
from cliply_api.accounts.schemas import PlatformName
from cliply_api.accounts.service import freshen_limits
from cliply_api.auth.guards import limit, may
from cliply_api.auth.principal import Principal
from cliply_api.clips.examples import page as page_example
from cliply_api.posts import examples, remote, service
from cliply_api.posts.planning import wanted_accounts
from cliply_api.posts.schemas import (
    Answer,
    Approval,
    BulkPosts,
    ChangePost,
    Decline,
    NewPosts,
    PostDetail,
    PostsMade,
    PostView,
    PublishedChange,
    TryAgain,
)
from cliply_api.web.facts import RequestFacts
from cliply_api.web.fields import MOMENT, moment
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.posts.machine import PostState
from cliply_resources.storage import Storage

__all__ = ["routes"]

Caller = NamedDependency[Principal]
# Litestar keeps the name `state` for itself.
State = Annotated[PostState | None, QueryParameter(name="state")]
Since = Annotated[str | None, QueryParameter(name="from", pattern=MOMENT, max_length=40)]
Until = Annotated[str | None, QueryParameter(name="to", pattern=MOMENT, max_length=40)]
MAKING = limit("posts", "posts_per_hour", 3600, by="user", of_what="requests for new posts")
EMPTY: dict[str, Any] = {"attempts": [], "candidates": []}


@get(
    "/",
    guards=[may("post.read")],
    opt={"examples": {200: page_example(examples.POST)}},
    operation_id="ListPosts",
    summary="List posts, as on a calendar",
    sync_to_thread=True,
)
def list_posts(  # noqa: PLR0913, PLR0917 - each filter is a parameter
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    page: NamedDependency[PageRequest],
    since: Since = None,
    until: Until = None,
    account_id: FromQuery[UUID | None] = None,
    platform: FromQuery[PlatformName | None] = None,
    of_state: State = None,
    upload_id: FromQuery[UUID | None] = None,
    clip_id: FromQuery[UUID | None] = None,
) -> Page[PostView]:
    """In the order of their times; `from` is included, `to` is not. Follow `next_cursor` through long lists."""
    wanted = service.PostFilter(
        since=moment(since, "from"),
        until=moment(until, "to"),
        account_id=account_id,
        platform=platform,
        state=of_state,
        upload_id=upload_id,
        clip_id=clip_id,
    )
    return service.list_posts(session, desk, page, wanted)


@post(
    "/",
    guards=[may("post.request"), MAKING],
    opt=IDEMPOTENT | {"examples": {"body": examples.NEW, 201: {"posts": [examples.POST]}}},
    operation_id="CreatePosts",
    summary="Publish a clip, now or at a time",
    sync_to_thread=True,
)
def create_posts(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    storage: NamedDependency[Storage],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    data: JSONBody[NewPosts],
) -> PostsMade:
    """One post for each account; everything that a platform would refuse is said now, in `details`, and nothing is planned then.

    Who may only ask (`post.request` without `post.publish`) makes requests that an admin approves.
    """
    _freshen(desk, principal, data)
    return service.create(session, desk, storage, principal, facts, data)


def _freshen(desk: Desk, principal: Principal, data: NewPosts | BulkPosts) -> None:
    """What the accounts may do today, asked before anything is planned: no transaction is open while a platform answers."""
    with desk.database.api(principal.workspace) as session:
        ids = wanted_accounts(session, desk, data)
    freshen_limits(desk, principal, ids)


@post(
    "/bulk",
    guards=[may("post.request"), MAKING],
    opt=IDEMPOTENT | {"examples": {"body": examples.BULK, 201: {"posts": [examples.POST]}}},
    operation_id="CreatePostsInBulk",
    summary="Publish several clips, one after the other",
    sync_to_thread=True,
)
def create_in_bulk(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    storage: NamedDependency[Storage],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    data: JSONBody[BulkPosts],
) -> PostsMade:
    """Every clip for every account, in the given order, apart from each other and from what each account has planned already."""
    _freshen(desk, principal, data)
    return service.bulk(session, desk, storage, principal, facts, data)


@get(
    "/{post_id:uuid}",
    guards=[may("post.read")],
    opt={"examples": {200: examples.DETAIL}},
    operation_id="GetPost",
    summary="Get a post",
    sync_to_thread=True,
)
def get_post(session: NamedDependency[Session], desk: NamedDependency[Desk], post_id: FromPath[UUID]) -> PostDetail:
    """With every call that was made for it, and what came of each."""
    return service.get_post(session, desk, post_id)


@patch(
    "/{post_id:uuid}",
    guards=[may("post.request")],
    status_code=200,
    opt={
        "examples": {
            "body": {"due_at": "2026-11-26T17:30:00Z", "content": {"title": "Version one"}},
            200: examples.POST | EMPTY,
        }
    },
    operation_id="ChangePost",
    summary="Move or edit a planned post",
    sync_to_thread=True,
)
def change_post(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    post_id: FromPath[UUID],
    data: JSONBody[ChangePost],
) -> PostDetail:
    """Honoured until the moment the publishing call is made; refused afterwards, with what the post is doing."""
    return service.change(session, desk, principal, facts, post_id, data)


@post(
    "/{post_id:uuid}/cancel",
    guards=[may("post.request")],
    status_code=200,
    opt={"examples": {200: examples.POST | EMPTY | {"state": "cancelled", "can": []}}},
    operation_id="CancelPost",
    summary="Cancel a planned post",
    sync_to_thread=True,
)
def cancel_post(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    post_id: FromPath[UUID],
) -> PostDetail:
    """It is not published, if the publishing call has not been made; otherwise this is refused."""
    return service.cancel(session, desk, principal, facts, post_id)


@post(
    "/{post_id:uuid}/approve",
    guards=[may("post.publish")],
    status_code=200,
    opt={"examples": {"body": {"revision": 1}, 200: examples.POST | EMPTY}},
    operation_id="ApprovePost",
    summary="Approve a post that was asked for",
    sync_to_thread=True,
)
def approve_post(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    post_id: FromPath[UUID],
    data: JSONBody[Approval],
) -> PostDetail:
    """It is due then. With `revision`, only as it was seen."""
    return service.approve(session, desk, principal, facts, post_id, data)


@post(
    "/{post_id:uuid}/decline",
    guards=[may("post.publish")],
    status_code=200,
    opt={
        "examples": {
            "body": {"reason": "Wait for the launch."},
            200: examples.POST | EMPTY | {"state": "declined", "can": []},
        }
    },
    operation_id="DeclinePost",
    summary="Decline a post that was asked for",
    sync_to_thread=True,
)
def decline_post(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    post_id: FromPath[UUID],
    data: JSONBody[Decline],
) -> PostDetail:
    """With a reason, which whoever asked for it reads."""
    return service.decline(session, desk, principal, facts, post_id, data.reason)


@post(
    "/{post_id:uuid}/retry",
    guards=[may("post.publish")],
    status_code=200,
    opt={"examples": {"body": {}, 200: examples.POST | EMPTY}},
    operation_id="RetryPost",
    summary="Publish a post that was refused or missed",
    sync_to_thread=True,
)
def retry_post(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    post_id: FromPath[UUID],
    data: JSONBody[TryAgain],
) -> PostDetail:
    """Now or at a new time; only what certainly is not on the platform."""
    return service.retry(session, desk, principal, facts, post_id, data)


@post(
    "/{post_id:uuid}/answer",
    guards=[may("post.publish")],
    status_code=200,
    opt={
        "examples": {
            "body": {"answer": "published", "url": "https://www.youtube.com/watch?v=aqz-KE-bpKQ"},
            200: examples.DETAIL,
        }
    },
    operation_id="AnswerPost",
    summary="Say whether a post is on its platform",
    sync_to_thread=True,
)
def answer_post(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    post_id: FromPath[UUID],
    data: JSONBody[Answer],
) -> PostDetail:
    """For a post that is `asking`: nobody could find out whether the publishing call took effect, so it is never repeated by itself."""
    return service.answer(session, desk, principal, facts, post_id, data)


@patch(
    "/{post_id:uuid}/published",
    guards=[may("post.publish")],
    status_code=200,
    opt={"further": (502,), "examples": {"body": {"title": "Version one"}, 200: examples.DETAIL}},
    operation_id="EditPublishedPost",
    summary="Change a post on its platform",
    sync_to_thread=True,
)
def edit_published(
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    post_id: FromPath[UUID],
    data: JSONBody[PublishedChange],
) -> PostDetail:
    """What the platform lets be changed (`editable` of GET /api/accounts/platforms)."""
    return remote.edit_published(desk, principal, facts, post_id, data)


@delete(
    "/{post_id:uuid}/published",
    guards=[may("post.delete")],
    status_code=200,
    opt={"further": (502,), "examples": {200: examples.DETAIL | {"removed_at": "2026-11-26T09:00:00Z", "can": []}}},
    operation_id="DeletePublishedPost",
    summary="Delete a post on its platform",
    sync_to_thread=True,
)
def delete_published(
    desk: NamedDependency[Desk],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    post_id: FromPath[UUID],
) -> PostDetail:
    """Where the platform can. The post stays listed here, as removed."""
    return remote.delete_published(desk, principal, facts, post_id)


@post(
    "/{post_id:uuid}/refresh",
    guards=[may("post.request"), limit("refresh", "posts_per_hour", 3600, by="user", of_what="questions to platforms")],
    status_code=200,
    opt={"further": (502,), "examples": {200: examples.DETAIL}},
    operation_id="RefreshPost",
    summary="Ask the platform how a post is",
    sync_to_thread=True,
)
def refresh_post(
    desk: NamedDependency[Desk],
    principal: Caller,
    post_id: FromPath[UUID],
) -> PostDetail:
    """Address, visibility, and whether it is still there."""
    return remote.refresh_status(desk, principal, post_id)


routes = Router(
    "/api/posts",
    route_handlers=[
        list_posts,
        create_posts,
        create_in_bulk,
        get_post,
        change_post,
        cancel_post,
        approve_post,
        decline_post,
        retry_post,
        answer_post,
        edit_published,
        delete_published,
        refresh_post,
    ],
    tags=["Posts"],
)
