"""Films that come in parts: each part by a signed URL of its own, so that a lost connection costs one part and not the film."""

import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from uuid import UUID

from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.uploads.schemas import (
    FinishedPart,
    PartPut,
    PartsPlan,
    PartsView,
    ReceivedPart,
    SignedParts,
    UploadView,
)
from cliply_api.uploads.service import find, view_of
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_resources.database import Database
from cliply_resources.database.models import Upload
from cliply_resources.errors import CallerError, Conflict, NotFound
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage
from cliply_resources.storage.keys import incoming_key
from cliply_resources.uploads import part_sizes

__all__ = ["abort", "join", "received", "settle", "sign"]

NOT_IN_PARTS = "This upload is put in one piece. Create one with “upload”: “multipart” in “file” to put it in parts."


def sign(
    session: Session,
    principal: Principal,
    upload_id: UUID,
    numbers: Sequence[int],
    *,
    storage: Storage,
    settings: Settings,
) -> SignedParts:
    """Links for these parts; the first call, and the first after everything was thrown away, begins anew.

    Raises:
        CallerError: a part that the film does not have.
        Conflict: the film is there already, or was cancelled, or does not come in parts.
    """
    row = _open(session, principal, upload_id)
    sizes = _sizes(row)
    for number in numbers:
        if number > len(sizes):
            raise CallerError(f"The film comes in {len(sizes)} parts, so that there is no part {number}.")
    key = _key(row)
    if row.multipart_id is None:
        row.multipart_id = storage.begin_parts(key)
    row.incoming_until = datetime.now(UTC) + timedelta(seconds=settings.upload_link_seconds)
    parts = []
    for number in dict.fromkeys(numbers):
        size = sizes[number - 1]
        signed = storage.signed_part_url(
            key, row.multipart_id, number=number, size=size, expires_seconds=settings.upload_link_seconds
        )
        parts.append(PartPut(number=number, size=size, method="PUT", url=signed.url, headers=signed.headers))
    return SignedParts(parts=parts, expires_at=row.incoming_until)


def received(session: Session, principal: Principal, upload_id: UUID, *, storage: Storage) -> PartsView:
    """Which parts are there and which are not; where to go on after a connection or a program was lost."""
    row = find(session, principal, upload_id)
    plan, sizes = _plan(row), _sizes(row)
    found: list[ReceivedPart] = []
    if row.multipart_id is not None:
        with suppress(NotFound):
            listed = storage.list_parts(_key(row), row.multipart_id)
            found = [ReceivedPart(number=part.number, size=part.size, etag=part.etag) for part in listed]
    there = {part.number for part in found}
    whole = row.confirmed_at is not None or (row.multipart_id is None and storage.exists(_key(row)))
    missing = [] if whole else [number for number in range(1, len(sizes) + 1) if number not in there]
    return PartsView(part_size=plan.part_size, parts=plan.parts, received=found, missing=missing, joined=whole)


def join(
    database: Database, principal: Principal, upload_id: UUID, parts: Sequence[FinishedPart], *, storage: Storage
) -> None:
    """The parts are one film afterwards, outside of any transaction since it may take a while. Joining twice is once.

    Raises:
        CallerError: the list is not that of all parts, each once.
        Conflict: a part is not there, or is another one than the ETag says, or nothing was begun.
    """
    with database.api(principal.workspace) as session:
        row = _open(session, principal, upload_id)
        key, sizes, name = _key(row), _sizes(row), row.multipart_id
    etags = {part.number: part.etag for part in parts}
    if len(etags) != len(parts) or sorted(etags) != list(range(1, len(sizes) + 1)):
        raise CallerError(f"Send all {len(sizes)} parts of the film, each once, with its ETag.")
    with database.advisory_lock(f"confirm:{upload_id}", wait_seconds=0) as mine:
        if not mine:
            raise Conflict("The parts of this upload are just being joined.")
        if name is not None:
            with suppress(NotFound):
                _check(storage, key, name, etags, sizes)
                storage.join_parts(key, name, etags)
                return
        # Either it was joined before, and the answer got lost, or it never was.
        if not storage.exists(key):
            raise Conflict("No part has arrived. Have parts signed, and put them first.")


def _check(storage: Storage, key: str, name: str, etags: dict[int, str], sizes: Sequence[int]) -> None:
    there = {part.number: part for part in storage.list_parts(key, name)}
    if not there and storage.exists(key):
        raise NotFound("It was joined before.")
    for number, size in enumerate(sizes, start=1):
        part = there.get(number)
        if part is None:
            raise Conflict(f"Part {number} has not arrived. Put it, and send the list again.")
        if part.size != size:
            raise Conflict(f"Part {number} has {part.size} bytes and is to have {size}. Put it again.")
        if part.etag.strip('"') != etags[number].strip('"'):
            raise Conflict(f"Part {number} is another one than the ETag says. Look at the list of received parts.")
        etags[number] = part.etag


def settle(session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID) -> UploadView:
    """What was joined is no longer in parts."""
    row = find(session, principal, upload_id, lock=True)
    if row.multipart_id is not None:
        row.multipart_id = None
        audit(session, principal, facts, "upload.joined", subject=str(row.id), size=row.source_size)
    session.flush()
    return view_of(session, principal, row)


def abort(session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID, *, storage: Storage) -> None:
    """What was received is thrown away; having parts signed again begins anew."""
    row = _open(session, principal, upload_id)
    storage.abort_parts(_key(row))
    if row.multipart_id is not None:
        row.multipart_id = None
        audit(session, principal, facts, "upload.parts_discarded", subject=str(row.id))


def _open(session: Session, principal: Principal, upload_id: UUID) -> Upload:
    row = find(session, principal, upload_id, lock=True)
    _plan(row)
    if row.confirmed_at is not None:
        raise Conflict("This upload has its video already.")
    if row.cancelled_at is not None:
        raise Conflict("This upload was cancelled.")
    return row


def _plan(row: Upload) -> PartsPlan:
    if row.part_size is None or row.source_size is None:
        raise Conflict(NOT_IN_PARTS)
    return PartsPlan(part_size=row.part_size, parts=math.ceil(row.source_size / row.part_size))


def _sizes(row: Upload) -> list[int]:
    plan = _plan(row)
    assert row.source_size is not None
    return part_sizes(row.source_size, plan.part_size)


def _key(row: Upload) -> str:
    return incoming_key(row.workspace_id, row.id, PurePosixPath(row.source_uri).suffix)
