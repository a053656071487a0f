"""`/api/uploads/{id}/parts`."""

from typing import Any
from uuid import UUID

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.uploads import parts
from cliply_api.uploads.schemas import FinishedParts, PartsView, SignedParts, UploadView, WantedParts
from cliply_api.web.facts import RequestFacts
from cliply_resources.database import Database
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage

__all__ = ["HANDLERS"]

ETAG = '"9b2cf535f27731c974343645a3985328"'
SIGNED = {
    "parts": [
        {
            "number": 3,
            "size": 16777216,
            "method": "PUT",
            "url": "https://cliply.example.com/objects/0192f0c4-…/incoming.mp4.parts/…/00003?expires=…&signature=…",
            "headers": {"Content-Type": "application/octet-stream", "Content-Length": "16777216"},
        }
    ],
    "expires_at": "2026-11-20T11:00:00Z",
}
RECEIVED = {
    "part_size": 16777216,
    "parts": 44,
    "received": [{"number": 1, "size": 16777216, "etag": ETAG}],
    "missing": [2, 3],
    "joined": False,
}


@post(
    "/{upload_id:uuid}/parts/sign",
    guards=[may("upload.write")],
    opt={"examples": {"body": {"parts": [3]}, 200: SIGNED}},
    operation_id="SignUploadParts",
    summary="Get signed URLs for parts of the file",
    status_code=200,
    sync_to_thread=True,
)
def sign(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
    upload_id: FromPath[UUID],
    data: JSONBody[WantedParts],
) -> SignedParts:
    """Each takes exactly its part's number of bytes; keep the `ETag` of the answer. A part may be put again."""
    return parts.sign(session, principal, upload_id, data.parts, storage=storage, settings=settings)


@get(
    "/{upload_id:uuid}/parts",
    guards=[may("upload.write")],
    opt={"examples": {200: RECEIVED}},
    operation_id="ListUploadParts",
    summary="List the parts that have arrived",
    sync_to_thread=True,
)
def received(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> PartsView:
    """What a client needs in order to go on after it lost its connection, or everything that it knew."""
    return parts.received(session, principal, upload_id, storage=storage)


@post(
    "/{upload_id:uuid}/parts/complete",
    guards=[may("upload.write")],
    opt={"examples": {"body": {"parts": [{"number": 1, "etag": ETAG}, {"number": 2, "etag": ETAG}]}}},
    operation_id="CompleteUploadParts",
    summary="Join the parts",
    status_code=200,
    sync_to_thread=True,
)
def complete(
    session: NamedDependency[Session],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
    data: JSONBody[FinishedParts],
) -> UploadView:
    """All parts, each with its ETag, become the file; then confirm the upload. Asking again after a lost answer does no harm."""
    parts.join(database, principal, upload_id, data.parts, storage=storage)
    return parts.settle(session, principal, facts, upload_id)


@delete(
    "/{upload_id:uuid}/parts",
    guards=[may("upload.write")],
    operation_id="AbortUploadParts",
    summary="Throw the parts away",
    sync_to_thread=True,
)
def abort(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    storage: NamedDependency[Storage],
    upload_id: FromPath[UUID],
) -> None:
    """The upload stays, and begins anew when parts are signed again."""
    parts.abort(session, principal, facts, upload_id, storage=storage)


HANDLERS: list[Any] = [sign, received, complete, abort]
