"""How a workspace wants its clips to look, frozen with every stored file it needs; and what of it one render draws.

A `BrandKit` is a copy of the workspace's kit at the moment somebody asked for clips: what is changed or deleted later changes
nothing that was asked for. A `BrandPlan` is part of a render spec, so it holds what the picture shows and no names.
"""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

__all__ = [
    "BrandColours",
    "BrandFile",
    "BrandFont",
    "BrandKit",
    "BrandMark",
    "BrandOutro",
    "BrandPlan",
    "BrandReference",
    "CaptionChanges",
    "Colour",
    "Corner",
    "MarkPlan",
    "OutroPlan",
    "Placement",
]

Colour = Annotated[str, msgspec.Meta(pattern=r"^#[0-9A-F]{6}$(?!\n)")]
Corner = Literal["top_left", "top_right", "bottom_left", "bottom_right"]


class BrandColours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Colours as `#RRGGBB` with capital letters; one that is not given is the caption style's own."""

    text: Colour | None = None
    """Of caption words."""
    spoken: Colour | None = None
    """Of the word that is being spoken."""
    outline: Colour | None = None
    """Around the letters, in styles that have an outline."""
    plate: Colour | None = None
    """Behind words or lines, in styles that have one."""
    background: Colour | None = None
    """Beside an outro of another shape than the clip; black where it is not given."""


class Placement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a picture lies over the clip."""

    corner: Corner
    opacity: Annotated[float, msgspec.Meta(ge=0.05, le=1)] = 1.0
    width_percent: Annotated[float, msgspec.Meta(ge=2, le=40)] = 16.0
    """Of the clip's width; a tall picture becomes narrower, so that it is never higher than a quarter of what is safe."""


class BrandFile(msgspec.Struct, frozen=True, kw_only=True):
    """A stored file, checked and rewritten by us."""

    key: str
    sha256: str


class BrandMark(msgspec.Struct, frozen=True, kw_only=True):
    """A PNG that lies over the clip."""

    file: BrandFile
    width: int
    height: int
    """Pixels of the stored picture."""
    placement: Placement


class BrandFont(msgspec.Struct, frozen=True, kw_only=True):
    """A font under a name of ours."""

    file: BrandFile
    family: str


class BrandOutro(msgspec.Struct, frozen=True, kw_only=True):
    """A film that is shown after the clip."""

    file: BrandFile
    duration: float
    width: int
    height: int
    """As a viewer sees it, after rotation and pixel aspect."""
    audio_stream: int | None
    integrated_lufs: float | None
    """`None` for silence."""


class BrandReference(msgspec.Struct, frozen=True, kw_only=True):
    """Which kit it was, and what it was called then."""

    id: UUID | None
    """`None` for a kit that came with the command line and not from a workspace."""
    name: str


class BrandKit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kit as it was when somebody asked for clips."""

    id: UUID | None = None
    name: str
    colours: BrandColours = BrandColours()
    font: BrandFont | None = None
    logo: BrandMark | None = None
    watermark: BrandMark | None = None
    outro: BrandOutro | None = None

    @property
    def reference(self) -> BrandReference:
        """Id and name."""
        return BrandReference(id=self.id, name=self.name)

    @property
    def files(self) -> tuple[BrandFile, ...]:
        """Every stored file that a render with this kit may read."""
        parts = (self.font, self.logo, self.watermark, self.outro)
        return tuple(part.file for part in parts if part is not None)


class CaptionChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """In what drawn captions differ from their style."""

    font: str | None = None
    """Name of its file among the spec's fonts."""
    size: float | None = None
    line_pitch: float | None = None
    """Both keep capitals and lines where the style's own font has them."""
    colour: Colour | None = None
    active_colour: Colour | None = None
    outline_colour: Colour | None = None
    plate_colour: Colour | None = None


class MarkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A picture over every frame of the clip; lengths are output pixels."""

    sha256: str
    picture_width: int
    picture_height: int
    x: int
    y: int
    width: int
    height: int
    opacity: float


class OutroPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What follows the clip, in frames of the clip's own rate."""

    sha256: str
    frames: int
    picture_width: int
    picture_height: int
    background: Colour
    audio_stream: int | None
    gain_db: float | None
    """`None` for silence."""


class BrandPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything of a kit that decides this render's bytes."""

    captions: CaptionChanges | None = None
    marks: tuple[MarkPlan, ...] = ()
    outro: OutroPlan | None = None
