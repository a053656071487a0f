"""Files of brand kits: announced, put by signed link, looked at, rewritten, and only then part of the kit."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.brand_kits.schemas import SUFFIXES, BrandFileCreated, BrandKitView, NewBrandFile
from cliply_api.brand_kits.service import kit_of, view_of
from cliply_api.uploads.schemas import PutRequest
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_resources.brands import FileKind, PreparedFile, prepare_file
from cliply_resources.brands.prepare import MOST_BYTES
from cliply_resources.database import BrandFileRow, Database
from cliply_resources.errors import CallerError, Conflict, MediaError, NotFound
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage
from cliply_resources.storage.keys import brand_key

__all__ = ["announce", "examine", "keep", "remove"]

MOST_WAITING = 10
"""Announced files of one kit that were not confirmed yet."""


def announce(
    session: Session,
    kit_id: UUID,
    wanted: NewBrandFile,
    *,
    storage: Storage,
    settings: Settings,
) -> BrandFileCreated:
    """A row, and the link that takes the bytes.

    Raises:
        NotFound: no such kit.
        CallerError: a content type that this kind of file cannot have.
        MediaError: larger than is taken.
        Conflict: too many files were announced and not confirmed.
    """
    kit = kit_of(session, kit_id, lock=True)
    suffix = SUFFIXES[wanted.kind].get(wanted.content_type)
    if suffix is None:
        known = ", ".join(SUFFIXES[wanted.kind])
        raise CallerError(f"A {wanted.kind} cannot be {wanted.content_type}; give one of {known}.")
    if wanted.size > MOST_BYTES[wanted.kind]:
        raise MediaError(
            f"The {wanted.kind} has {wanted.size / 1024**2:.1f} MiB, and at most {MOST_BYTES[wanted.kind] // 1024**2} MiB are "
            "taken; give a smaller one."
        )
    _tidy(session, kit_id, storage)
    now = datetime.now(UTC)
    row = BrandFileRow(
        workspace_id=kit.workspace_id,
        kit_id=kit_id,
        kind=wanted.kind,
        name=wanted.name.strip(),
        content_type=wanted.content_type,
        given_size=wanted.size,
        incoming_until=now + timedelta(seconds=settings.upload_link_seconds),
    )
    session.add(row)
    session.flush()
    signed = storage.signed_upload_url(
        _incoming(row),
        size=wanted.size,
        content_type=wanted.content_type,
        expires_seconds=settings.upload_link_seconds,
    )
    assert row.incoming_until is not None
    put = PutRequest(method="PUT", url=signed.url, headers=signed.headers, expires_at=row.incoming_until)
    return BrandFileCreated(id=row.id, kind=wanted.kind, put=put)


def examine(
    database: Database, principal: Principal, kit_id: UUID, file_id: UUID, *, storage: Storage, settings: Settings
) -> PreparedFile | None:
    """Looks at the bytes that were put and stores what we made of them; outside of any transaction, since it takes a while.

    Nothing where that is done. Raises NotFound, Conflict (nothing was put yet, or it is just being looked at), MediaError.
    """
    with database.api(principal.workspace) as session:
        row = _file_of(session, kit_id, file_id)
        if row.confirmed_at is not None:
            return None
        kind, incoming, size = row.kind, _incoming(row), row.given_size
    with (
        database.advisory_lock(f"confirm:{file_id}", wait_seconds=0) as mine,
        tempfile.TemporaryDirectory(prefix="cliply-brand-") as folder,
    ):
        if not mine:
            raise Conflict("This file is just being confirmed.")
        if not storage.exists(incoming):
            raise Conflict("The file has not arrived. Put it to the signed URL first.")
        # A copy: what is looked at is what stays, whatever the link still writes.
        given = storage.fetch(incoming, Path(folder, "given" + Path(incoming).suffix))
        if (found := given.stat().st_size) != size:
            raise MediaError(f"{size} bytes were announced and {found} arrived; put the whole file again.")
        prepared = prepare_file(_kind(kind), given, Path(folder), settings)
        storage.put_file(_kept_key(principal, kit_id, prepared), prepared.path)
        storage.delete(incoming)
    return prepared


def keep(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    kit_id: UUID,
    file_id: UUID,
    prepared: PreparedFile | None,
    *,
    storage: Storage,
) -> BrandKitView:
    """The kit has the file from now on, in the place of another of its kind."""
    kit = kit_of(session, kit_id, lock=True)
    row = _file_of(session, kit_id, file_id)
    if prepared is not None and row.confirmed_at is None:
        session.execute(
            sa.delete(BrandFileRow).where(
                BrandFileRow.kit_id == kit_id, BrandFileRow.kind == row.kind, BrandFileRow.confirmed_at.is_not(None)
            )
        )
        row.object_key = _kept_key(principal, kit_id, prepared)
        row.sha256, row.size, row.facts = prepared.sha256, prepared.size, prepared.facts
        row.confirmed_at, row.incoming_until = datetime.now(UTC), None
        kit.changed_at = sa.func.now()
        session.flush()
        audit(session, principal, facts, "brand_file.added", subject=str(kit_id), kind=row.kind, sha256=prepared.sha256)
    session.refresh(kit)
    return view_of(session, kit, storage)


def remove(session: Session, principal: Principal, facts: RequestFacts, kit_id: UUID, file_id: UUID) -> None:
    """The kit does without it; clips that were made with it, and wishes for some, keep what they need."""
    kit = kit_of(session, kit_id, lock=True)
    row = _file_of(session, kit_id, file_id)
    session.delete(row)
    kit.changed_at = sa.func.now()
    audit(session, principal, facts, "brand_file.removed", subject=str(kit_id), kind=row.kind)


def _file_of(session: Session, kit_id: UUID, file_id: UUID) -> BrandFileRow:
    query = sa.select(BrandFileRow).where(BrandFileRow.kit_id == kit_id, BrandFileRow.id == file_id)
    found = session.scalar(query)
    if found is None:
        raise NotFound("There is no such file of a brand kit.")
    return found


def _tidy(session: Session, kit_id: UUID, storage: Storage) -> None:
    """What was announced and never confirmed goes when the next file is announced; of others there are not many."""
    query = sa.select(BrandFileRow).where(BrandFileRow.kit_id == kit_id, BrandFileRow.confirmed_at.is_(None))
    now, waiting = datetime.now(UTC), 0
    for row in session.scalars(query).all():
        if row.incoming_until is not None and row.incoming_until > now:
            waiting += 1
            continue
        storage.delete(_incoming(row))
        session.delete(row)
    if waiting >= MOST_WAITING:
        raise Conflict(f"{waiting} files of this kit were announced and not confirmed. Confirm or delete them first.")


def _incoming(row: BrandFileRow) -> str:
    return brand_key(row.workspace_id, row.kit_id, f"incoming-{row.id}{SUFFIXES[row.kind][row.content_type]}")


def _kept_key(principal: Principal, kit_id: UUID, prepared: PreparedFile) -> str:
    return brand_key(principal.workspace, kit_id, f"{prepared.sha256}{prepared.path.suffix}")


def _kind(text: str) -> FileKind:
    return text  # type: ignore[return-value]  # the table allows these words only
