"""`/api/dead-letters`."""

from typing import Literal

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.dead_letters import service
from cliply_api.dead_letters.schemas import Chosen, Decided, LetterView
from cliply_api.web.facts import RequestFacts
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.pages import Page, PageRequest

__all__ = ["routes"]

ONE = "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e21"
LETTER = {
    "upload_id": ONE,
    "title": "Evening stream",
    "step": "media_proxy",
    "label": "Decoding once",
    "clip_id": None,
    "reason": "The process that worked on “Decoding once” ended without a word; “retry” goes on from what is finished.",
    "attempt": 2,
    "max_attempts": 2,
    "ended_at": "2026-11-20T10:00:00Z",
}
Step = Literal[
    "source_video", "media_proxy", "transcript", "scenes", "face_tracks", "audio_features", "clip_candidates", "renders",
    "frame_index", "rerender",
]  # fmt: skip


@get(
    "/",
    guards=[may("upload.read")],
    opt={"examples": {200: {"data": [LETTER], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListDeadLetters",
    summary="List failures that wait for somebody",
    sync_to_thread=True,
)
def list_letters(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    page: NamedDependency[PageRequest],
    step: FromQuery[Step | None] = None,
) -> Page[LetterView]:
    """Steps that failed for good and that no run is going to try again by itself, the newest first."""
    return service.list_letters(session, principal, page, step)


@post(
    "/retry",
    guards=[may("upload.write")],
    opt=IDEMPOTENT | {"examples": {"body": {"upload_ids": [ONE]}, 200: {"upload_ids": [ONE]}}},
    operation_id="RetryDeadLetters",
    summary="Try failed uploads again",
    status_code=200,
    sync_to_thread=True,
)
def retry(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[Chosen],
) -> Decided:
    """Each goes on from what is finished; a re-rendering that failed is made again.

    Uploads without failures, that are being tried again already, or whose film has been deleted are passed over.
    """
    return service.retry(session, principal, facts, data)


@post(
    "/discard",
    guards=[may("upload.write")],
    opt=IDEMPOTENT | {"examples": {"body": {"upload_ids": [ONE]}, 200: {"upload_ids": [ONE]}}},
    operation_id="DiscardDeadLetters",
    summary="Put failures away",
    status_code=200,
    sync_to_thread=True,
)
def discard(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[Chosen],
) -> Decided:
    """The uploads stay failed and can still be tried again; they are in this list no more."""
    return service.discard(session, principal, facts, data)


routes = Router("/api/dead-letters", route_handlers=[list_letters, retry, discard], tags=["Uploads"])
