"""Uploads made, confirmed, found and listed."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType, convert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.brand_kits.frozen import chosen_kit, frozen
from cliply_api.uploads.admission import check_room
from cliply_api.uploads.filters import UploadFilter
from cliply_api.uploads.schemas import (
    SUFFIXES,
    ConfirmedUpload,
    NewFile,
    NewUpload,
    Options,
    PartsPlan,
    PutRequest,
    UploadCreated,
    UploadDetail,
    UploadView,
)
from cliply_api.uploads.views import rows_of, step_views, upload_view
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest, count_of
from cliply_resources.database import Database
from cliply_resources.database.models import Upload
from cliply_resources.documents import Span, UploadSettings
from cliply_resources.documents.clips import OPTION_NAMES
from cliply_resources.documents.looks import CaptionLook
from cliply_resources.errors import CallerError, Conflict, MediaError, NotFound
from cliply_resources.media_tools.downloads import checked_source_url
from cliply_resources.media_tools.limits import check_limits
from cliply_resources.media_tools.probe import probe
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage, StoredObject, source_key
from cliply_resources.storage.files import hash_file
from cliply_resources.storage.keys import incoming_key
from cliply_resources.uploads import (
    check_settings,
    find_or_create_url_upload,
    part_size_for,
    part_sizes,
    settings_digest,
)

__all__ = ["confirm", "create", "detail", "examine", "find", "list_uploads", "new_link", "view_of"]

NO_SUCH_UPLOAD = "There is no such upload."
KINDS = ("file", "stored")


def create(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    wanted: NewUpload,
    *,
    storage: Storage,
    settings: Settings,
) -> UploadCreated:
    """A row, and for a file the link that takes its bytes.

    Raises:
        CallerError: neither or both of file and URL, or settings that contradict each other.
        MediaError: the file is larger than is taken.
    """
    check_room(session, principal.workspace)
    options = _settings_of(session, wanted.settings or Options())
    multipart = None
    if wanted.file is not None and wanted.source_url is None:
        row, put, multipart = _create_file(session, principal, wanted.file, options, storage=storage, settings=settings)
        row.title = wanted.title.strip() or PurePosixPath(wanted.file.name).stem
        is_new = True
    elif wanted.source_url is not None and wanted.file is None:
        url, _ = checked_source_url(wanted.source_url, settings)
        found, is_new = find_or_create_url_upload(session, principal.workspace, url=url, settings=options)
        row, put = find(session, principal, found), None
        if is_new and wanted.title.strip():
            row.title = wanted.title.strip()
    else:
        raise CallerError("Send exactly one of “file” and “source_url”.")
    if is_new:
        row.request_id = facts.errand
        audit(session, principal, facts, "upload.created", subject=str(row.id), source=row.source_kind, title=row.title)
    session.flush()
    return UploadCreated(upload=view_of(session, principal, row), put=put, multipart=multipart, existing=not is_new)


def _settings_of(session: Session, options: Options) -> UploadSettings:
    kit = chosen_kit(session, options.brand_kit)
    style = (kit.style if kit is not None else None) if options.style is UNSET else options.style
    look = options.look
    if look is UNSET and options.style is UNSET and kit is not None and kit.look is not None:
        look = convert(kit.look, CaptionLook)
    made = UploadSettings(
        clips=options.clips,
        min_seconds=options.min_seconds,
        max_seconds=options.max_seconds,
        aspects=tuple(dict.fromkeys(options.aspects)),
        style=look.family if look else style or "highlight_word",  # type: ignore[arg-type]  # the table of kits allows these words only
        language=options.language,
        brand=frozen(session, kit) if kit is not None else UNSET,
        profile=options.profile,
        topic=options.topic,
        exclude=_ranges(options),
        **_chosen(options) | ({"look": look} if look else {}),
    )
    if made.min_seconds >= made.max_seconds:
        raise CallerError(
            f"The shortest clip ({made.min_seconds:g} s) must be shorter than the longest ({made.max_seconds:g} s)."
        )
    check_settings(made)
    return made


def _chosen(options: Options) -> dict[str, Any]:
    return {name: value for name in OPTION_NAMES if (value := getattr(options, name, UNSET)) is not UNSET}


def _ranges(options: Options) -> tuple[Span, ...] | UnsetType:
    if options.exclude is UNSET:
        return UNSET
    for one in options.exclude:
        if one.end <= one.start:
            raise CallerError(f"The excluded range from {one.start:g} s to {one.end:g} s does not end after it starts.")
    return tuple(sorted(Span(one.start, one.end) for one in options.exclude))


def _create_file(
    session: Session,
    principal: Principal,
    file: NewFile,
    options: UploadSettings,
    *,
    storage: Storage,
    settings: Settings,
) -> tuple[Upload, PutRequest | None, PartsPlan | None]:
    if file.size > settings.max_upload_bytes:
        raise MediaError(
            f"The file has {file.size / 1024**3:.2f} GiB and at most {settings.max_upload_bytes / 1024**3:.2f} GiB are "
            "taken; give a smaller one, or ask the operator to raise CLIPLY_MAX_UPLOAD_BYTES."
        )
    row = Upload(
        workspace_id=principal.workspace,
        source_kind="stored",
        source_uri="",
        source_size=file.size,
        settings=msgspec.to_builtins(options),
        settings_digest=settings_digest(options),
        # A plain None would leave it to the column's default.
        confirmed_at=sa.null(),
    )
    session.add(row)
    session.flush()
    row.source_uri = source_key(principal.workspace, row.id, SUFFIXES[file.content_type])
    if file.upload == "single":
        return row, _link(row, storage, settings), None
    row.part_size = part_size_for(file.size, settings.part_bytes)
    row.incoming_until = datetime.now(UTC) + timedelta(seconds=settings.upload_link_seconds)
    return row, None, PartsPlan(part_size=row.part_size, parts=len(part_sizes(file.size, row.part_size)))


def _link(row: Upload, storage: Storage, settings: Settings) -> PutRequest:
    suffix = PurePosixPath(row.source_uri).suffix
    signed = storage.signed_upload_url(
        incoming_key(row.workspace_id, row.id, suffix),
        size=row.source_size or 0,
        content_type=next(kind for kind, known in SUFFIXES.items() if known == suffix),
        expires_seconds=settings.upload_link_seconds,
    )
    row.incoming_until = datetime.now(UTC) + timedelta(seconds=settings.upload_link_seconds)
    return PutRequest(method="PUT", url=signed.url, headers=signed.headers, expires_at=row.incoming_until)


def new_link(
    session: Session, principal: Principal, upload_id: UUID, *, storage: Storage, settings: Settings
) -> PutRequest:
    """Another link for the same bytes, where the first has expired."""
    row = find(session, principal, upload_id, lock=True)
    if row.source_kind != "stored" or row.confirmed_at is not None:
        raise Conflict("This upload has its video already.")
    if row.part_size is not None:
        raise Conflict("This upload comes in parts. Have those signed that are missing.")
    if row.cancelled_at is not None:
        raise Conflict("This upload was cancelled.")
    return _link(row, storage, settings)


def find(session: Session, principal: Principal, upload_id: UUID, *, lock: bool = False) -> Upload:
    """The upload; `lock` makes two who change it come one after the other.

    Raises:
        NotFound: not in this workspace, or deleted.
    """
    query = sa.select(Upload).where(
        Upload.workspace_id == principal.workspace, Upload.id == upload_id, Upload.deleted_at.is_(None)
    )
    found = session.scalar(query.with_for_update().execution_options(populate_existing=True) if lock else query)
    if found is None:
        raise NotFound(NO_SUCH_UPLOAD)
    return found


def view_of(session: Session, principal: Principal, row: Upload) -> UploadView:
    """The upload as it goes out."""
    return upload_view(row, rows_of(session, principal.workspace, [row.id])[row.id])


def detail(session: Session, principal: Principal, upload_id: UUID) -> UploadDetail:
    """The upload and its steps."""
    row = find(session, principal, upload_id)
    rows = rows_of(session, principal.workspace, [row.id])[row.id]
    return UploadDetail(upload=upload_view(row, rows), steps=step_views(rows.steps))


def list_uploads(session: Session, principal: Principal, page: PageRequest, wanted: UploadFilter) -> Page[UploadView]:
    """The newest first. Four statements, however many uploads there are."""
    query = wanted.of(sa.select(Upload).where(Upload.workspace_id == principal.workspace))
    total = count_of(session, query)
    query = query.order_by(Upload.created_at.desc(), Upload.id.desc()).limit(page.limit)
    after = page.after(datetime, UUID)
    if after is not None:
        query = query.where(sa.tuple_(Upload.created_at, Upload.id) < sa.tuple_(*map(sa.literal, after)))
    else:
        query = query.offset((page.page - 1) * page.limit)
    found = session.scalars(query).all()
    rows = rows_of(session, principal.workspace, [row.id for row in found], documents=False)
    return page.page_of_rows(
        found, lambda row: upload_view(row, rows[row.id]), total, lambda row: (row.created_at, row.id)
    )


def examine(
    database: Database, principal: Principal, upload_id: UUID, *, storage: Storage, settings: Settings
) -> StoredObject | None:
    """Looks at the bytes that were put, outside of any transaction since it may take a while; nothing where that is done.

    They are first copied from where the link still writes, so that what is looked at is what stays.

    Raises:
        NotFound, Conflict: no such upload, nothing was put yet, or somebody else is just confirming it.
        MediaError: it is no video, or not one within the limits; the bytes are gone afterwards.
    """
    with database.api(principal.workspace) as session:
        row = find(session, principal, upload_id)
        if row.confirmed_at is not None:
            return None
        if row.cancelled_at is not None:
            raise Conflict("This upload was cancelled.")
        source, size, whole = row.source_uri, row.source_size, row.part_size is None
    incoming = incoming_key(principal.workspace, upload_id, PurePosixPath(source).suffix)
    with database.advisory_lock(f"confirm:{upload_id}", wait_seconds=0) as mine:
        if not mine:
            raise Conflict("This upload is just being confirmed.")
        if storage.exists(incoming):
            storage.copy(incoming, source)
        elif not storage.exists(source):
            raise Conflict(
                "The file has not arrived. Put it to the signed URL first."
                if whole
                else "The parts have not been joined. Put those that are missing, then complete the list of parts."
            )
        try:
            stored = _look_at(storage, source, size, settings)
        except MediaError:
            storage.delete(source)
            storage.delete(incoming)
            raise
        storage.delete(incoming)
    return stored


def _look_at(storage: Storage, key: str, size: int | None, settings: Settings) -> StoredObject:
    with storage.local_path(key) as path:
        found = path.stat().st_size
        if found != size:
            raise MediaError(f"{size} bytes were announced and {found} arrived; put the whole file again.")
        check_limits(probe(path, settings=settings), settings)
        with path.open("rb") as file:
            return hash_file(file)


def confirm(
    session: Session, principal: Principal, facts: RequestFacts, upload_id: UUID, stored: StoredObject | None
) -> ConfirmedUpload:
    """The pipeline may begin; or the same bytes with the same settings are there already, and that upload is the answer."""
    row = find(session, principal, upload_id, lock=True)
    if stored is None or row.confirmed_at is not None:
        return ConfirmedUpload(upload=view_of(session, principal, row), existing=False)
    twin = _twin_of(session, row, stored)
    if twin is None:
        try:
            with session.begin_nested():
                row.source_sha256, row.source_size = stored.sha256, stored.size
                row.confirmed_at = datetime.now(UTC)
                row.multipart_id = None
                row.request_id = facts.errand
                session.flush()
        except IntegrityError:
            session.refresh(row)
            twin = _twin_of(session, row, stored)
            if twin is None:
                raise
    if twin is not None:
        # Its bytes go when the link's end is tidied up after.
        row.deleted_at = datetime.now(UTC)
        session.flush()
    taken = twin or row
    audit(session, principal, facts, "upload.confirmed", subject=str(taken.id), sha256=stored.sha256, size=stored.size)
    return ConfirmedUpload(upload=view_of(session, principal, taken), existing=twin is not None)


def _twin_of(session: Session, row: Upload, stored: StoredObject) -> Upload | None:
    return session.scalar(
        sa.select(Upload)
        .where(
            Upload.workspace_id == row.workspace_id,
            Upload.source_sha256 == stored.sha256,
            Upload.settings_digest == row.settings_digest,
            Upload.source_kind.in_(KINDS),
            Upload.confirmed_at.is_not(None),
            Upload.deleted_at.is_(None),
            Upload.id != row.id,
        )
        .order_by(Upload.created_at)
        .limit(1)
    )
