"""Brand kits made, changed, found and listed."""

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.brand_kits.schemas import (
    BrandFileView,
    BrandKitView,
    ChangeBrandKit,
    Colours,
    ColoursView,
    NewBrandKit,
    NewPlacement,
    PlacementView,
)
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest
from cliply_resources.brands import FileKind, contrast_warnings
from cliply_resources.brands.prepare import DEFAULT_PLACEMENTS
from cliply_resources.database import BrandFileRow, BrandKitRow
from cliply_resources.documents.brands import BrandColours, Placement
from cliply_resources.documents.looks import CaptionLook
from cliply_resources.errors import CallerError, Conflict, NotFound
from cliply_resources.storage import Storage

__all__ = ["change", "create", "files_of", "kit_of", "list_kits", "placement_of", "remove", "view_of"]

MOST_KITS = 50
"""Of a workspace."""
LINK_SECONDS = 3600
HIDDEN_FACTS = {"suffix", "family", "audio_stream"}
"""What renders need and nobody else does."""


def create(
    session: Session, principal: Principal, facts: RequestFacts, wanted: NewBrandKit, *, storage: Storage
) -> BrandKitView:
    """A kit without files.

    Raises:
        Conflict: the workspace has one of that name, or too many.
        CallerError: logo and watermark in one corner.
    """
    # Two who make kits at once must neither exceed the limit nor both be the default.
    session.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": _lock(principal)})
    count = session.scalar(sa.select(sa.func.count()).select_from(BrandKitRow)) or 0
    if count >= MOST_KITS:
        raise Conflict(f"The workspace has {count} brand kits, which is as many as it may have. Delete one first.")
    row = BrandKitRow(
        workspace_id=principal.workspace,
        name=wanted.name.strip(),
        style=wanted.style,
        look=_look(wanted.look),
        colours=_colours({}, wanted.colours),
        placements=_placements({}, wanted.logo, wanted.watermark),
    )
    _save(session, row)
    if wanted.is_default:
        _make_default(session, row)
    audit(session, principal, facts, "brand_kit.created", subject=str(row.id), name=row.name)
    return view_of(session, row, storage)


def change(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    kit_id: UUID,
    wanted: ChangeBrandKit,
    *,
    storage: Storage,
) -> BrandKitView:
    """The kit as it is from now on; what was asked for before stays as it was asked for."""
    session.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": _lock(principal)})
    row = kit_of(session, kit_id, lock=True)
    if wanted.name is not UNSET:
        row.name = wanted.name.strip()
    if wanted.style is not UNSET:
        row.style = wanted.style
    if wanted.look is not UNSET:
        row.look = _look(wanted.look)
    row.colours = _colours(row.colours, wanted.colours)
    row.placements = _placements(row.placements, wanted.logo, wanted.watermark)
    row.changed_at = sa.func.now()
    if wanted.is_default is True:
        _make_default(session, row)
    elif wanted.is_default is False:
        row.is_default = False
    _save(session, row)
    audit(session, principal, facts, "brand_kit.changed", subject=str(kit_id), name=row.name)
    return view_of(session, row, storage)


def remove(session: Session, principal: Principal, facts: RequestFacts, kit_id: UUID) -> None:
    """It is gone from the list; clips and wishes that were made with it keep their copy of it."""
    row = kit_of(session, kit_id, lock=True)
    session.delete(row)
    audit(session, principal, facts, "brand_kit.deleted", subject=str(kit_id), name=row.name)


def list_kits(session: Session, page: PageRequest, *, storage: Storage) -> Page[BrandKitView]:
    """By name. Three statements, however many there are."""
    query = sa.select(BrandKitRow).order_by(BrandKitRow.name, BrandKitRow.id)
    total = session.scalar(sa.select(sa.func.count()).select_from(BrandKitRow)) or 0
    after = page.after(str, UUID)
    if after is not None:
        query = query.where(sa.tuple_(BrandKitRow.name, BrandKitRow.id) > sa.tuple_(*map(sa.literal, after)))
    else:
        query = query.offset((page.page - 1) * page.limit)
    rows = session.scalars(query.limit(page.limit)).all()
    files = files_of(session, [row.id for row in rows])
    return page.page_of_rows(
        rows, lambda row: _view(row, files[row.id], storage), total, lambda row: (row.name, row.id)
    )


def kit_of(session: Session, kit_id: UUID, *, lock: bool = False) -> BrandKitRow:
    """The kit.

    Raises:
        NotFound: there is none, or it is of another workspace.
    """
    query = sa.select(BrandKitRow).where(BrandKitRow.id == kit_id)
    found = session.scalar(query.with_for_update().execution_options(populate_existing=True) if lock else query)
    if found is None:
        raise NotFound("There is no such brand kit.")
    return found


def files_of(session: Session, kits: list[UUID]) -> dict[UUID, list[BrandFileRow]]:
    """The confirmed files of each kit, in the order of their kinds; one statement."""
    found: dict[UUID, list[BrandFileRow]] = {kit: [] for kit in kits}
    query = sa.select(BrandFileRow).where(BrandFileRow.kit_id.in_(kits), BrandFileRow.confirmed_at.is_not(None))
    for row in session.scalars(query.order_by(BrandFileRow.kind)):
        found[row.kit_id].append(row)
    return found


def view_of(session: Session, row: BrandKitRow, storage: Storage) -> BrandKitView:
    """The kit as it goes out."""
    return _view(row, files_of(session, [row.id])[row.id], storage)


def placement_of(row: BrandKitRow, kind: FileKind) -> Placement:
    """Where its logo or watermark lies."""
    standard = msgspec.to_builtins(DEFAULT_PLACEMENTS[kind])
    return msgspec.convert({**standard, **row.placements.get(kind, {})}, Placement)


def _lock(principal: Principal) -> str:
    return f"brand-kits:{principal.workspace}"


def _save(session: Session, row: BrandKitRow) -> None:
    if placement_of(row, "logo").corner == placement_of(row, "watermark").corner:
        raise CallerError("Logo and watermark lie in the same corner; give each its own.")
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError as error:
        raise Conflict("The workspace has a brand kit of that name already. Choose another name.") from error
    session.refresh(row)


def _make_default(session: Session, row: BrandKitRow) -> None:
    session.execute(
        sa.update(BrandKitRow).where(BrandKitRow.is_default, BrandKitRow.id != row.id).values(is_default=False)
    )
    row.is_default = True
    session.flush()


def _colours(now: dict[str, Any], wanted: Colours) -> dict[str, Any]:
    given = {name: getattr(wanted, name) for name in wanted.__struct_fields__ if getattr(wanted, name) is not UNSET}
    joined = {**now, **{name: value and value.upper() for name, value in given.items()}}
    return {name: value for name, value in joined.items() if value is not None}


def _look(look: CaptionLook | None) -> dict[str, Any] | None:
    return None if look is None else msgspec.to_builtins(look)


def _placements(now: dict[str, Any], logo: NewPlacement, watermark: NewPlacement) -> dict[str, Any]:
    given = {"logo": msgspec.to_builtins(logo), "watermark": msgspec.to_builtins(watermark)}
    joined = {kind: {**now.get(kind, {}), **values} for kind, values in given.items()}
    return {kind: values for kind, values in joined.items() if values}


def _view(row: BrandKitRow, files: list[BrandFileRow], storage: Storage) -> BrandKitView:
    colours = msgspec.convert(row.colours, BrandColours)
    logo, watermark = placement_of(row, "logo"), placement_of(row, "watermark")
    return BrandKitView(
        id=row.id,
        name=row.name,
        is_default=row.is_default,
        style=row.style,  # type: ignore[arg-type]  # the table allows these words only
        look=None if row.look is None else msgspec.convert(row.look, CaptionLook),
        colours=ColoursView(**{name: getattr(colours, name) for name in colours.__struct_fields__}),
        logo=PlacementView(**msgspec.to_builtins(logo)),
        watermark=PlacementView(**msgspec.to_builtins(watermark)),
        files=[_file_view(file, storage) for file in files],
        warnings=list(contrast_warnings(colours)),
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def _file_view(row: BrandFileRow, storage: Storage) -> BrandFileView:
    assert row.object_key is not None
    assert row.size is not None
    assert row.sha256 is not None
    return BrandFileView(
        id=row.id,
        kind=row.kind,  # type: ignore[arg-type]  # the table allows these words only
        name=row.name,
        size=row.size,
        sha256=row.sha256,
        facts={name: value for name, value in row.facts.items() if name not in HIDDEN_FACTS},
        url=storage.signed_download_url(row.object_key, expires_seconds=LINK_SECONDS, filename=row.name),
        created_at=row.created_at,
    )
