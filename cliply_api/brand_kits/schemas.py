"""Bodies of the brand kit handlers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from cliply_api.uploads.schemas import PutRequest
from cliply_api.web.fields import Name, Request, View
from cliply_resources.documents.brands import Corner
from cliply_resources.documents.clips import CaptionStyle
from cliply_resources.documents.looks import CaptionLook

__all__ = [
    "SUFFIXES",
    "BrandFileCreated",
    "BrandFileView",
    "BrandKitView",
    "ChangeBrandKit",
    "Colours",
    "ColoursView",
    "NewBrandFile",
    "NewBrandKit",
    "NewPlacement",
    "PlacementView",
]

Kind = Literal["logo", "watermark", "font", "outro"]
Colour = Annotated[str, Meta(min_length=7, max_length=7, pattern=r"^#[0-9A-Fa-f]{6}$(?!\n)", examples=["#FFE14D"])]

PICTURES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
SUFFIXES: dict[str, dict[str, str]] = {
    "logo": PICTURES,
    "watermark": PICTURES,
    "font": {"font/ttf": ".ttf", "font/otf": ".otf"},
    "outro": {"video/mp4": ".mp4", "video/quicktime": ".mov", "video/webm": ".webm"},
}
"""Which content types each kind of file may have."""


class Colours(Request, kw_only=True):
    """Colours as `#RRGGBB`; `null` is the caption style's own."""

    text: Colour | UnsetType | None = UNSET
    """Of caption words."""
    spoken: Colour | UnsetType | None = UNSET
    """Of the word that is being spoken."""
    outline: Colour | UnsetType | None = UNSET
    plate: Colour | UnsetType | None = UNSET
    """Behind words or lines, in caption styles that have one."""
    background: Colour | UnsetType | None = UNSET
    """Beside an outro of another shape than the clip."""


class NewPlacement(Request, kw_only=True):
    """Where a picture lies over the clip; what is absent stays as it is."""

    corner: Corner | UnsetType = UNSET
    opacity: Annotated[float, Meta(ge=0.05, le=1)] | UnsetType = UNSET
    width_percent: Annotated[float, Meta(ge=2, le=40)] | UnsetType = UNSET
    """Of the clip's width."""


class NewBrandKit(Request, kw_only=True):
    """A kit; its files are uploaded afterwards."""

    name: Name
    style: CaptionStyle | None = None
    """The caption style of uploads that name none."""
    look: CaptionLook | None = None
    """A caption style of your own for them, in place of `style`."""
    colours: Colours = field(default_factory=Colours)
    logo: NewPlacement = field(default_factory=NewPlacement)
    watermark: NewPlacement = field(default_factory=NewPlacement)
    is_default: bool = False
    """Whether clips that name no kit are made with it; another default is none any more."""


class ChangeBrandKit(Request, kw_only=True):
    """What is to be changed; what is absent stays."""

    name: Name | UnsetType = UNSET
    style: CaptionStyle | UnsetType | None = UNSET
    look: CaptionLook | UnsetType | None = UNSET
    colours: Colours = field(default_factory=Colours)
    logo: NewPlacement = field(default_factory=NewPlacement)
    watermark: NewPlacement = field(default_factory=NewPlacement)
    is_default: bool | UnsetType = UNSET


class NewBrandFile(Request, kw_only=True):
    """A file that will be put to the storage."""

    kind: Kind
    name: Name
    """What it is called where it comes from."""
    size: Annotated[int, Meta(ge=1, le=100 * 1024**2)]
    """Bytes, exactly: at most 10 MiB of a picture, 8 of a font, 100 of an outro."""
    content_type: Annotated[
        Literal[
            "image/png",
            "image/jpeg",
            "image/webp",
            "font/ttf",
            "font/otf",
            "video/mp4",
            "video/quicktime",
            "video/webm",
        ],
        Meta(description="Pictures for logo and watermark, a font for font, a film for outro."),
    ]


class ColoursView(View, kw_only=True):
    """Colours as `#RRGGBB`; nothing where the caption style's own is used."""

    text: str | None
    spoken: str | None
    outline: str | None
    plate: str | None
    background: str | None


class PlacementView(View, kw_only=True):
    """Where a picture lies over the clip; where captions are, it moves out of their way."""

    corner: Corner
    opacity: float
    width_percent: float


class BrandFileView(View, kw_only=True):
    """A file of a kit, rewritten by us."""

    id: UUID
    kind: Kind
    name: str
    """What its owner calls it."""
    size: int
    """Bytes of what is kept."""
    sha256: str
    facts: dict[str, str | int | float | bool | None]
    """Pixels of a picture, the maker's name of a font, the length of an outro."""
    url: str
    """A link that works without a sign-in for an hour."""
    created_at: datetime


class BrandKitView(View, kw_only=True):
    """A brand kit."""

    id: UUID
    name: str
    is_default: bool
    style: CaptionStyle | None
    look: CaptionLook | None
    """The caption style of your own that goes before `style`."""
    colours: ColoursView
    logo: PlacementView
    watermark: PlacementView
    files: list[BrandFileView]
    """At most one of each kind."""
    warnings: list[str]
    """Sentences: which colours viewers can hardly tell apart."""
    created_at: datetime
    changed_at: datetime


class BrandFileCreated(View, kw_only=True):
    """Where the file goes; then confirm it."""

    id: UUID
    kind: Kind
    put: PutRequest
