"""`/api/uploads`."""

from typing import Any
from uuid import UUID

from litestar import Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.uploads import results, service, wishes
from cliply_api.uploads.filters import UploadFilter, provide_filter
from cliply_api.uploads.parts_routes import HANDLERS as PART_HANDLERS
from cliply_api.uploads.report_routes import REPORT_HANDLERS
from cliply_api.uploads.schemas import (
    ConfirmedUpload,
    NewUpload,
    PutRequest,
    Report,
    SignalsView,
    TranscriptView,
    UploadCreated,
    UploadDetail,
    UploadView,
    UsageView,
)
from cliply_api.web.facts import RequestFacts
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.pages import Page, PageRequest
from cliply_api.web.responses import ApiResponse
from cliply_resources.database import Database
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage

__all__ = ["routes"]

UPLOAD = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e21",
    "title": "Evening stream",
    "state": "analyzing",
    "percent": 41.5,
    "doing": "Transcribing: 312 s of 760 s",
    "queue": None,
    "reason": None,
    "source": "file",
    "source_url": None,
    "size": 734003200,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "confirmed": True,
    "attempt": 1,
    "clips": 0,
    "settings": {
        "clips": 5,
        "min_seconds": 15.0,
        "max_seconds": 60.0,
        "aspects": ["9:16"],
        "style": "highlight_word",
        "language": None,
        "brand_kit": {"id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e30", "name": "Acme"},
        "layout": "auto",
        "look": None,
        "speaker_colours": None,
        "emoji": False,
        "show_hook": True,
        "mask_profanity": False,
        "tighten": "off",
        "denoise": "auto",
    },
    "created_at": "2026-11-20T10:00:00Z",
}
WAITING = UPLOAD | {
    "state": "created",
    "percent": 0.0,
    "doing": "Waiting for the file",
    "confirmed": False,
    "sha256": None,
}
PUT = {
    "method": "PUT",
    "url": "https://cliply.example.com/objects/0192f0c4-…/uploads/0192f0c4-…/incoming.mp4?expires=…&signature=…",
    "headers": {"Content-Type": "video/mp4", "Content-Length": "734003200"},
    "expires_at": "2026-11-20T11:00:00Z",
}
NEW = {
    "file": {"name": "Evening stream.mp4", "size": 734003200, "content_type": "video/mp4"},
    "settings": {"clips": 5, "aspects": ["9:16"], "style": "highlight_word"},
}


@post(
    "/",
    guards=[may("upload.write")],
    opt=IDEMPOTENT
    | {"examples": {"body": NEW, 201: {"upload": WAITING, "put": PUT, "multipart": None, "existing": False}}},
    operation_id="CreateUpload",
    summary="Give Cliply a film",
    sync_to_thread=True,
)
def create(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
    data: JSONBody[NewUpload],
) -> UploadCreated:
    """A file is put to the signed URL in the answer, then confirmed. With a `source_url` there is nothing else to do."""
    return service.create(session, principal, facts, data, storage=storage, settings=settings)


@post(
    "/{upload_id:uuid}/link",
    guards=[may("upload.write")],
    opt={"examples": {200: PUT}},
    operation_id="RenewUploadLink",
    summary="Get another signed URL for the same file",
    status_code=200,
    sync_to_thread=True,
)
def renew_link(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
    upload_id: FromPath[UUID],
) -> PutRequest:
    """For when the first has expired; it takes the same number of bytes of the same type."""
    return service.new_link(session, principal, upload_id, storage=storage, settings=settings)


@post(
    "/{upload_id:uuid}/confirm",
    guards=[may("upload.write")],
    opt=IDEMPOTENT | {"examples": {200: {"upload": UPLOAD, "existing": False}}},
    operation_id="ConfirmUpload",
    summary="Say that the file is there",
    status_code=200,
    sync_to_thread=True,
)
def confirm(
    session: NamedDependency[Session],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
    upload_id: FromPath[UUID],
) -> ConfirmedUpload:
    """The bytes are looked at: whether they are a video, and within the limits. Then work begins by itself.

    The same bytes with the same settings are not worked on twice: the answer is the upload that has them already.
    """
    stored = service.examine(database, principal, upload_id, storage=storage, settings=settings)
    return service.confirm(session, principal, facts, upload_id, stored)


@get(
    "/",
    guards=[may("upload.read")],
    dependencies={"wanted": Provide(provide_filter, sync_to_thread=False)},
    opt={"examples": {200: {"data": [UPLOAD], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListUploads",
    summary="List uploads",
    sync_to_thread=True,
)
def list_uploads(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    page: NamedDependency[PageRequest],
    wanted: NamedDependency[UploadFilter],
) -> Page[UploadView]:
    """The newest first."""
    return service.list_uploads(session, principal, page, wanted)


@get(
    "/{upload_id:uuid}",
    guards=[may("upload.read")],
    operation_id="GetUpload",
    summary="Get an upload and its steps",
    sync_to_thread=True,
)
def read(
    session: NamedDependency[Session], principal: NamedDependency[Principal], upload_id: FromPath[UUID]
) -> UploadDetail:
    """How far it is, what is being done, and why it does not go on where it does not."""
    return service.detail(session, principal, upload_id)


@delete(
    "/{upload_id:uuid}",
    guards=[may("upload.delete")],
    operation_id="DeleteUpload",
    summary="Delete an upload",
    sync_to_thread=True,
)
def remove(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    upload_id: FromPath[UUID],
) -> None:
    """It is gone from every list at once, and work on it ends. For a day it can be restored; then its files are deleted."""
    wishes.remove(session, principal, facts, upload_id)


@post(
    "/{upload_id:uuid}/restore",
    guards=[may("upload.delete")],
    opt=IDEMPOTENT | {"examples": {200: UPLOAD}},
    operation_id="RestoreUpload",
    summary="Have a deleted upload back",
    status_code=200,
    sync_to_thread=True,
)
def restore(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    upload_id: FromPath[UUID],
) -> UploadView:
    """With its clips, within a day; `GET /api/uploads?deleted=true` lists what can be had back. Retry goes on with its work."""
    return wishes.restore(session, principal, facts, upload_id)


@post(
    "/{upload_id:uuid}/cancel",
    guards=[may("upload.write")],
    opt=IDEMPOTENT | {"examples": {200: UPLOAD}},
    operation_id="CancelUpload",
    summary="Cancel the work on an upload",
    status_code=200,
    sync_to_thread=True,
)
def cancel(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    upload_id: FromPath[UUID],
) -> UploadView:
    """The running step ends within moments, and no other begins. What is finished stays."""
    return wishes.cancel(session, principal, facts, upload_id)


@post(
    "/{upload_id:uuid}/pause",
    guards=[may("upload.write")],
    opt=IDEMPOTENT | {"examples": {200: UPLOAD}},
    operation_id="PauseUpload",
    summary="Pause the work on an upload",
    status_code=200,
    sync_to_thread=True,
)
def pause(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    upload_id: FromPath[UUID],
) -> UploadView:
    """The running step is finished first."""
    return wishes.pause(session, principal, facts, upload_id)


@post(
    "/{upload_id:uuid}/resume",
    guards=[may("upload.write")],
    opt=IDEMPOTENT | {"examples": {200: UPLOAD}},
    operation_id="ResumeUpload",
    summary="Go on with a paused upload",
    status_code=200,
    sync_to_thread=True,
)
def resume(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    upload_id: FromPath[UUID],
) -> UploadView:
    """From where it was paused."""
    return wishes.resume(session, principal, facts, upload_id)


@post(
    "/{upload_id:uuid}/retry",
    guards=[may("upload.write")],
    opt=IDEMPOTENT | {"examples": {200: UPLOAD}},
    operation_id="RetryUpload",
    summary="Try a failed or cancelled upload again",
    status_code=200,
    sync_to_thread=True,
)
def retry(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    upload_id: FromPath[UUID],
) -> UploadView:
    """From the step that failed: what is finished is not done again."""
    return wishes.retry(session, principal, facts, upload_id)


@get(
    "/{upload_id:uuid}/transcript",
    guards=[may("upload.read")],
    operation_id="GetTranscript",
    summary="Get the transcript",
    sync_to_thread=True,
)
def transcript(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> TranscriptView:
    """Sentences and words with their times; `/transcript.srt` and `/transcript.vtt` are the same as subtitles."""
    return results.transcript(session, principal, storage, upload_id)


@get(
    "/{upload_id:uuid}/signals",
    guards=[may("upload.read")],
    operation_id="GetSignals",
    summary="Get the timeline that clips were chosen from",
    sync_to_thread=True,
)
def signals(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> SignalsView:
    """Every signal from 0 to 1 against the film's own ordinary, a row every half second."""
    return results.signals(session, principal, storage, upload_id)


@get(
    "/{upload_id:uuid}/usage",
    guards=[may("usage.read")],
    operation_id="GetUploadUsage",
    summary="Get what the work took",
    sync_to_thread=True,
)
def usage(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    upload_id: FromPath[UUID],
) -> UsageView:
    """Processor time and storage, step by step."""
    return results.usage(session, principal, upload_id)


@get(
    "/{upload_id:uuid}/report",
    guards=[may("upload.read")],
    operation_id="GetReport",
    summary="Get a report",
    sync_to_thread=True,
)
def report(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    upload_id: FromPath[UUID],
) -> Report:
    """State, steps, usage and clips in one document."""
    return results.report(session, principal, upload_id)


@get(
    "/{upload_id:uuid}/transcript.srt",
    guards=[may("upload.read")],
    operation_id="GetTranscriptSrt",
    summary="Get the transcript as SubRip",
    media_type="application/x-subrip",
    sync_to_thread=True,
)
def transcript_srt(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> ApiResponse[str]:
    """Subtitles of the whole film."""
    text = results.object_of(session, principal, storage, upload_id, "transcript", "transcript.srt").decode()
    return ApiResponse(text, media_type="application/x-subrip; charset=utf-8")


@get(
    "/{upload_id:uuid}/transcript.vtt",
    guards=[may("upload.read")],
    operation_id="GetTranscriptVtt",
    summary="Get the transcript as WebVTT",
    media_type="text/vtt",
    sync_to_thread=True,
)
def transcript_vtt(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> ApiResponse[str]:
    """Subtitles of the whole film."""
    text = results.object_of(session, principal, storage, upload_id, "transcript", "transcript.vtt").decode()
    return ApiResponse(text, media_type="text/vtt; charset=utf-8")


HANDLERS: list[Any] = [
    create,
    renew_link,
    *PART_HANDLERS,
    confirm,
    list_uploads,
    read,
    remove,
    restore,
    cancel,
    pause,
    resume,
    retry,
    transcript,
    transcript_srt,
    transcript_vtt,
    signals,
    usage,
    report,
    *REPORT_HANDLERS,
]
routes = Router("/api/uploads", route_handlers=HANDLERS, tags=["Uploads"])
