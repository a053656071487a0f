"""`/api/clips`."""

from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.orm import Session

from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.clips import comments, downloads, examples, service
from cliply_api.clips.rerender_routes import rerender_handlers
from cliply_api.clips.schemas import (
    BatchDone,
    ChangeClip,
    ChangeComment,
    ClipChoice,
    ClipDetail,
    ClipRejection,
    ClipsRejection,
    ClipState,
    ClipView,
    CommentView,
    DownloadLink,
    FileKind,
    NewComment,
    VersionView,
)
from cliply_api.web.facts import RequestFacts
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.documents.clips import Aspect
from cliply_resources.storage import Storage

__all__ = ["routes"]

Caller = NamedDependency[Principal]
Score = Annotated[float | None, QueryParameter(ge=0, le=100)]
# Litestar keeps the name `state` for itself.
State = Annotated[ClipState | None, QueryParameter(name="state")]
Version = Annotated[int | None, QueryParameter(ge=1, le=1_000_000)]


@get(
    "/",
    guards=[may("clip.read")],
    opt={"examples": {200: examples.page(examples.CLIP)}},
    operation_id="ListClips",
    summary="List clips",
    sync_to_thread=True,
)
def list_clips(
    session: NamedDependency[Session],
    page: NamedDependency[PageRequest],
    upload_id: FromQuery[UUID | None] = None,
    of_state: State = None,
    min_score: Score = None,
) -> Page[ClipView]:
    """The newest first, or with `upload_id` the best of that upload first; `state` and `min_score` leave others out."""
    wanted = service.ClipFilter(upload_id=upload_id, state=of_state, min_score=min_score)
    return service.list_clips(session, page, wanted)


@get(
    "/{clip_id:uuid}",
    guards=[may("clip.read")],
    opt={"examples": {200: examples.DETAIL}},
    operation_id="GetClip",
    summary="Get a clip",
    sync_to_thread=True,
)
def get_clip(session: NamedDependency[Session], clip_id: FromPath[UUID]) -> ClipDetail:
    """Why it was chosen, where it comes from, and every version of it."""
    return service.get_clip(session, clip_id)


@patch(
    "/{clip_id:uuid}",
    guards=[may("clip.edit")],
    opt={"examples": {"body": {"title": "Why version one failed", "hashtags": ["startup"]}, 200: examples.DETAIL}},
    operation_id="ChangeClip",
    summary="Change a clip's title, description, hashtags or hook line",
    sync_to_thread=True,
)
def change_clip(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    clip_id: FromPath[UUID],
    data: JSONBody[ChangeClip],
) -> ClipDetail:
    """No later analysis undoes it. Finished files keep their words; only new versions get these."""
    return service.change(session, principal, facts, clip_id, data)


@delete(
    "/{clip_id:uuid}",
    guards=[may("clip.delete")],
    operation_id="DeleteClip",
    summary="Delete a clip",
    sync_to_thread=True,
)
def delete_clip(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    clip_id: FromPath[UUID],
) -> None:
    """It is gone from lists and links, and a repeated analysis does not bring it back."""
    service.delete(session, principal, facts, clip_id)


@post(
    "/{clip_id:uuid}/approve",
    guards=[may("clip.review")],
    status_code=200,
    opt={"examples": {200: examples.DETAIL | {"state": "approved"}}},
    operation_id="ApproveClip",
    summary="Approve a clip",
    sync_to_thread=True,
)
def approve_clip(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    clip_id: FromPath[UUID],
) -> ClipDetail:
    """Also after it was rejected; the reason for that is forgotten then."""
    return service.approve(session, principal, facts, clip_id)


@post(
    "/{clip_id:uuid}/reject",
    guards=[may("clip.review")],
    status_code=200,
    opt={
        "examples": {
            "body": {"reason": "The guest asked us not to."},
            200: examples.DETAIL | {"state": "rejected", "reject_reason": "The guest asked us not to."},
        }
    },
    operation_id="RejectClip",
    summary="Reject a clip",
    sync_to_thread=True,
)
def reject_clip(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    clip_id: FromPath[UUID],
    data: JSONBody[ClipRejection],
) -> ClipDetail:
    """Also after it was approved. The reason is kept with the clip."""
    return service.reject(session, principal, facts, clip_id, data.reason)


@get(
    "/{clip_id:uuid}/versions",
    guards=[may("clip.read")],
    opt={"examples": {200: examples.page(examples.VERSION)}},
    operation_id="ListClipVersions",
    summary="List the versions of a clip",
    sync_to_thread=True,
)
def list_versions(
    session: NamedDependency[Session], page: NamedDependency[PageRequest], clip_id: FromPath[UUID]
) -> Page[VersionView]:
    """The newest first, those that failed or are being made included; versions are counted in each aspect ratio."""
    return service.list_versions(session, page, clip_id)


@get(
    "/{clip_id:uuid}/download",
    guards=[may("clip.read")],
    opt={"examples": {200: examples.LINK}},
    operation_id="DownloadClip",
    summary="Get a link to a file of a clip",
    sync_to_thread=True,
)
def download_clip(
    session: NamedDependency[Session],
    storage: NamedDependency[Storage],
    clip_id: FromPath[UUID],
    file: FromQuery[FileKind] = "video",
    version: Version = None,
    aspect: FromQuery[Aspect | None] = None,
) -> DownloadLink:
    """For an hour: the video, thumbnail, subtitles (`srt`), edit lists (`edl`, `xml`, `fcpxml`) or the full account (`provenance`).

    The newest finished version in the upload's first aspect ratio, unless another is named.
    """
    return downloads.link_to(session, storage, clip_id, file=file, version=version, aspect=aspect)


@get(
    "/{clip_id:uuid}/comments",
    guards=[may("clip.read")],
    opt={"examples": {200: examples.page(examples.COMMENT)}},
    operation_id="ListComments",
    summary="List the comments on a clip",
    sync_to_thread=True,
)
def list_comments(
    session: NamedDependency[Session], page: NamedDependency[PageRequest], clip_id: FromPath[UUID]
) -> Page[CommentView]:
    """Those on the whole clip first, the others along the clip."""
    return comments.list_comments(session, page, clip_id)


@post(
    "/{clip_id:uuid}/comments",
    guards=[may("clip.comment")],
    opt=IDEMPOTENT | {"examples": {"body": {"text": "Start a word earlier?", "at_s": 0.4}, 201: examples.COMMENT}},
    operation_id="AddComment",
    summary="Comment on a clip",
    sync_to_thread=True,
)
def add_comment(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    clip_id: FromPath[UUID],
    data: JSONBody[NewComment],
) -> CommentView:
    """On a moment of it, which the comment stays with when the clip is cut anew, or on the whole."""
    return comments.add(session, principal, facts, clip_id, data)


@patch(
    "/{clip_id:uuid}/comments/{comment_id:uuid}",
    guards=[may("clip.comment")],
    opt={"examples": {"body": {"text": "Start two words earlier?"}, 200: examples.COMMENT}},
    operation_id="ChangeComment",
    summary="Change your comment",
    sync_to_thread=True,
)
def change_comment(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    clip_id: FromPath[UUID],
    comment_id: FromPath[UUID],
    data: JSONBody[ChangeComment],
) -> CommentView:
    """Only its author may; it then says when it was edited."""
    return comments.change(session, principal, facts, clip_id, comment_id, data)


@delete(
    "/{clip_id:uuid}/comments/{comment_id:uuid}",
    guards=[may("clip.comment")],
    operation_id="DeleteComment",
    summary="Delete your comment",
    sync_to_thread=True,
)
def delete_comment(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    clip_id: FromPath[UUID],
    comment_id: FromPath[UUID],
) -> None:
    """Only its author may."""
    comments.delete(session, principal, facts, clip_id, comment_id)


@post(
    "/batch/approve",
    guards=[may("clip.review")],
    status_code=200,
    opt=IDEMPOTENT | {"examples": {"body": {"clip_ids": [examples.CLIP["id"]]}, 200: examples.BATCH}},
    operation_id="ApproveClips",
    summary="Approve several clips",
    sync_to_thread=True,
)
def approve_clips(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    data: JSONBody[ClipChoice],
) -> BatchDone:
    """All of them, or with an error none; `details` then says which do not exist."""
    return service.approve_all(session, principal, facts, data.clip_ids)


@post(
    "/batch/reject",
    guards=[may("clip.review")],
    status_code=200,
    opt=IDEMPOTENT
    | {
        "examples": {
            "body": {"clip_ids": [examples.CLIP["id"]], "reason": "Off topic."},
            200: examples.BATCH | {"state": "rejected"},
        }
    },
    operation_id="RejectClips",
    summary="Reject several clips",
    sync_to_thread=True,
)
def reject_clips(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    data: JSONBody[ClipsRejection],
) -> BatchDone:
    """All of them for the same reason, or with an error none."""
    return service.reject_all(session, principal, facts, data.clip_ids, data.reason)


@post(
    "/batch/delete",
    guards=[may("clip.delete")],
    status_code=200,
    opt=IDEMPOTENT
    | {"examples": {"body": {"clip_ids": [examples.CLIP["id"]]}, 200: examples.BATCH | {"state": "deleted"}}},
    operation_id="DeleteClips",
    summary="Delete several clips",
    sync_to_thread=True,
)
def delete_clips(
    session: NamedDependency[Session],
    principal: Caller,
    facts: NamedDependency[RequestFacts],
    data: JSONBody[ClipChoice],
) -> BatchDone:
    """All of them, or with an error none."""
    return service.delete_all(session, principal, facts, data.clip_ids)


routes = Router(
    "/api/clips",
    route_handlers=[
        list_clips,
        get_clip,
        change_clip,
        delete_clip,
        approve_clip,
        reject_clip,
        list_versions,
        download_clip,
        list_comments,
        add_comment,
        change_comment,
        delete_comment,
        approve_clips,
        reject_clips,
        delete_clips,
        *rerender_handlers,
    ],
    tags=["Clips"],
)
