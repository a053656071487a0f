"""How other areas name a brand kit, in what comes in and what goes out."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, convert

from cliply_api.web.fields import View
from cliply_resources.documents import BrandKit

__all__ = ["BrandReferenceView", "KitName", "reference_view"]

KitName = Annotated[
    str,
    Meta(
        min_length=4,
        max_length=36,
        pattern=r"^(none|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$(?!\n)",
        examples=["none"],
    ),
]
"""The id of a brand kit, or `none`."""


class BrandReferenceView(View, kw_only=True):
    """Which brand kit it was, and what it was called then."""

    id: UUID | None
    """Nothing for a kit that came with a command line and not from the workspace."""
    name: str


def reference_view(document: Mapping[str, Any] | None) -> BrandReferenceView | None:
    """Of a stored copy of the kit."""
    if not document:
        return None
    kit = convert(document, BrandKit)
    return BrandReferenceView(id=kit.id, name=kit.name)
