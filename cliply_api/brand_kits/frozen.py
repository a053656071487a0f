"""A kit as uploads and wishes carry it: a copy, so that later changes change nothing that was asked for."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from msgspec import UNSET, UnsetType, convert
from sqlalchemy.orm import Session

from cliply_api.brand_kits.service import files_of, kit_of, placement_of
from cliply_resources.brands import part_of_kit
from cliply_resources.database import BrandKitRow
from cliply_resources.documents import BrandKit
from cliply_resources.documents.brands import BrandColours, BrandFile
from cliply_resources.errors import NotFound

__all__ = ["chosen_kit", "frozen"]


def chosen_kit(session: Session, named: str | UnsetType) -> BrandKitRow | None:
    """The kit of that id; the workspace's default where nothing is said, and none for `none`.

    Raises:
        NotFound: there is no such kit in the workspace.
    """
    if named is UNSET:
        return session.scalar(sa.select(BrandKitRow).where(BrandKitRow.is_default))
    return None if named == "none" else kit_of(session, UUID(named))


def frozen(session: Session, row: BrandKitRow) -> BrandKit:
    """The kit as it is now, with every file that it has."""
    parts: dict[str, Any] = {}
    for file in files_of(session, [row.id])[row.id]:
        if file.object_key is None or file.sha256 is None:
            raise NotFound("A file of this brand kit is not there; upload it again.")
        stored = BrandFile(key=file.object_key, sha256=file.sha256)
        placement = placement_of(row, file.kind) if file.kind in {"logo", "watermark"} else None  # type: ignore[arg-type]  # its kinds
        parts[file.kind] = part_of_kit(file.kind, stored, file.facts, placement)  # type: ignore[arg-type]  # the table's words
    return BrandKit(id=row.id, name=row.name, colours=convert(row.colours, BrandColours), **parts)
