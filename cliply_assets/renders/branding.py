"""What a brand kit changes about one render: the look of its captions, marks over its picture, and what follows it.

Decided here once, when the spec is made; rendering reads the decision back from the spec and finds the files by their hashes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from cliply_assets.renders.captions import CaptionDocument, compose
from cliply_assets.renders.fonts import Face, face_named, load_face
from cliply_assets.renders.styles import CaptionLook, look_for, look_of, shape_of
from cliply_resources.documents import BrandKit, BrandPlan, CaptionPlan, RenderSpec
from cliply_resources.documents.brands import BrandColours, BrandMark, BrandOutro, CaptionChanges, MarkPlan, OutroPlan
from cliply_resources.errors import StepFailed
from cliply_resources.storage import Storage
from cliply_resources.storage.files import hash_file

__all__ = [
    "NO_FILES",
    "BrandFiles",
    "Picture",
    "brand_file",
    "branded_look",
    "coloured_look",
    "compose_captions",
    "fetch_brand_files",
    "plan_captions",
    "plan_marks",
    "plan_of",
    "plan_outro",
]

BrandFiles = Mapping[str, Path]
"""The sha256 of each file of a kit and where it lies on this machine."""
NO_FILES: BrandFiles = {}

TARGET_LUFS = -14.0
MOST_GAIN_DB = 30.0
_LARGEST_HEIGHT = 0.25
"""Of what is safe; a mark is beside the picture's subject, not in its place."""
_WIDE_SIDE = 0.045
"""Of the width, where platforms draw nothing over the picture: on 16:9 the wide margins are for reading words only."""
_GAP = 0.012
"""Of the height, between a mark and captions."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """The clip's frame."""

    width: int
    height: int
    frame_rate: Fraction


def fetch_brand_files(kit: BrandKit, storage: Storage, into: Path) -> BrandFiles:
    """Copies the kit's stored files into a folder, each under its own hash, and refuses one that is not what it was.

    Raises:
        NotFound: a file is gone from the storage.
        StepFailed: a file was changed.
    """
    found: dict[str, Path] = {}
    for file in kit.files:
        path = storage.fetch(file.key, into / f"{file.sha256}{Path(file.key).suffix}")
        with path.open("rb") as opened:
            if hash_file(opened).sha256 != file.sha256:
                raise StepFailed(f"A file of the brand kit “{kit.name}” was changed in the storage; upload it again.")
        found[file.sha256] = path
    return found


def brand_file(files: BrandFiles, sha256: str) -> Path:
    """Where the file with this hash lies.

    Raises:
        StepFailed: it was not brought along.
    """
    path = files.get(sha256)
    if path is None:
        raise StepFailed(
            f"This clip needs a file of its brand kit or its music (sha256 {sha256[:12]}…), which is not there."
        )
    return path


def branded_look(look: CaptionLook, changes: CaptionChanges | None, face: Face | None) -> CaptionLook:
    """The caption style with a kit's changes."""
    if changes is None:
        return look
    given = {
        "size": changes.size,
        "line_pitch": changes.line_pitch,
        "colour": changes.colour,
        "active_colour": changes.active_colour,
        "outline_colour": changes.outline_colour,
        "font": face.family if face else None,
    }
    if look.box is not None and changes.plate_colour is not None:
        look = msgspec.structs.replace(look, box=msgspec.structs.replace(look.box, colour=changes.plate_colour))
    return msgspec.structs.replace(look, **{name: value for name, value in given.items() if value is not None})


def coloured_look(plan: CaptionPlan, kit: BrandKit | UnsetType) -> CaptionLook:
    """The style that the plan's words are drawn in, in the kit's colours."""
    look = look_of(plan)
    return branded_look(look, _colour_changes(look, kit.colours), None) if kit else look


def compose_captions(spec: RenderSpec, files: BrandFiles = NO_FILES) -> CaptionDocument:
    """The captions that the spec describes.

    Raises:
        StepFailed: the kit's font was not brought along.
    """
    changes = spec.brand.captions if spec.brand else None
    face = None
    if changes is not None and changes.font is not None:
        face = load_face(brand_file(files, spec.fonts[changes.font]))
    return compose(
        spec.captions,
        width=spec.width,
        height=spec.height,
        look=branded_look(look_for(spec.captions), changes, face),
        frame_rate=Fraction(spec.frame_rate),
        own=face,
        hook=spec.hook or None,
    )


def plan_captions(
    plan: CaptionPlan, picture: Picture, kit: BrandKit, files: BrandFiles
) -> tuple[CaptionLook, CaptionDocument, CaptionChanges | None]:
    """The look that captions get, the captions in it, and what of the kit makes a difference to them."""
    plain = look_of(plan)
    changes = _colour_changes(plain, kit.colours)
    face = load_face(brand_file(files, kit.font.file.sha256)) if kit.font else None
    if face is not None:
        lettered = _in_letters_of(face, plain, changes)
        look = branded_look(plain, lettered, face)
        document = _composed(plan, picture, look, face)
        if face in document.faces:
            return look, document, lettered
    # Where its font has none of the words' letters, nothing of it is drawn.
    look = branded_look(plain, changes, None)
    return look, _composed(plan, picture, look, None), changes if changes != CaptionChanges() else None


def _composed(plan: CaptionPlan, picture: Picture, look: CaptionLook, own: Face | None) -> CaptionDocument:
    return compose(plan, width=picture.width, height=picture.height, look=look, frame_rate=picture.frame_rate, own=own)


def _colour_changes(look: CaptionLook, colours: BrandColours) -> CaptionChanges:
    def changed(wanted: str | None, now: str | None) -> str | None:
        return wanted if now is not None and wanted != now else None

    has_outline = look.outline > 0
    return CaptionChanges(
        colour=changed(colours.text, look.colour),
        active_colour=changed(colours.spoken, look.active_colour),
        outline_colour=changed(colours.outline, look.outline_colour) if has_outline else None,
        plate_colour=changed(colours.plate, look.box.colour if look.box else None),
    )


def _in_letters_of(face: Face, look: CaptionLook, changes: CaptionChanges) -> CaptionChanges:
    """Sizes that make the font's capitals as high as those of the style's own font, and leave its lines where they are."""
    standard = face_named(look.font)

    def capitals(of: Face) -> float:
        return of.cap_height * of.pixels_per_unit(1.0)

    size = round(min(max(look.size * capitals(standard) / capitals(face), 20.0), 300.0), 2)
    pitch = round(min(max(look.line_pitch * look.size / size, 0.6), 2.0), 3)
    return msgspec.structs.replace(changes, font=face.file_name, size=size, line_pitch=pitch)


def plan_marks(kit: BrandKit, picture: Picture, occupied: Box | None) -> tuple[MarkPlan, ...]:
    """Where the kit's logo and watermark lie: in their corners, inside what is safe, and clear of the box of the captions."""
    marks = (kit.logo, kit.watermark)
    return tuple(_placed(mark, picture, occupied) for mark in marks if mark is not None)


def _placed(mark: BrandMark, picture: Picture, occupied: Box | None) -> MarkPlan:
    left, top, right, bottom = _safe_area(picture)
    width = picture.width * mark.placement.width_percent / 100
    height = width * mark.height / mark.width
    shrink = min(1.0, (right - left) / width, _LARGEST_HEIGHT * (bottom - top) / height)
    drawn = (_even(width * shrink), _even(height * shrink))
    x = left if mark.placement.corner.endswith("left") else right - drawn[0]
    y = _clear_height(x, drawn, (top, bottom), mark.placement.corner.startswith("top"), occupied, _GAP * picture.height)
    return MarkPlan(
        sha256=mark.file.sha256,
        picture_width=mark.width,
        picture_height=mark.height,
        x=_even(x),
        y=_even(y),
        width=drawn[0],
        height=drawn[1],
        opacity=round(mark.placement.opacity, 3),
    )


def _clear_height(
    x: float, size: tuple[int, int], safe: tuple[float, float], at_top: bool, occupied: Box | None, gap: float
) -> float:
    """The top edge of a mark of that size: in its corner, or, where captions are, on the nearer side of them."""
    top, bottom = safe
    corner = top if at_top else bottom - size[1]
    if occupied is None or x + size[0] + gap <= occupied[0] or occupied[2] + gap <= x:
        return corner
    above, below = occupied[1] - gap - size[1], occupied[3] + gap
    if corner <= above or corner >= below:
        return corner
    # Captions never fill what is safe, so at least one side has room for a quarter of it.
    fitting = [y for y in (above, below) if top <= y <= bottom - size[1]]
    return min(fitting, key=lambda y: abs(y - corner)) if fitting else top


def _safe_area(picture: Picture) -> Box:
    shape = shape_of(picture.width, picture.height)
    left, top, right, bottom = shape.safe_area(picture.width, picture.height)
    if shape.aspect != "16:9":
        return left, top, right, bottom
    return _WIDE_SIDE * picture.width, top, (1 - _WIDE_SIDE) * picture.width, bottom


def _even(value: float) -> int:
    return max(2, round(value / 2) * 2)


def plan_outro(outro: BrandOutro, picture: Picture, colours: BrandColours) -> OutroPlan:
    """The outro in whole frames of the clip, as loud as the clip is made."""
    gain = None
    if outro.audio_stream is not None and outro.integrated_lufs is not None:
        gain = round(min(TARGET_LUFS - outro.integrated_lufs, MOST_GAIN_DB), 2)
    return OutroPlan(
        sha256=outro.file.sha256,
        frames=max(1, round(Fraction(outro.duration) * picture.frame_rate)),
        picture_width=outro.width,
        picture_height=outro.height,
        background=colours.background or "#000000",
        audio_stream=outro.audio_stream if gain is not None else None,
        gain_db=gain,
    )


def plan_of(
    captions: CaptionChanges | None, marks: tuple[MarkPlan, ...], outro: OutroPlan | None
) -> BrandPlan | UnsetType:
    """All of it together; nothing where the kit changes nothing."""
    plan = BrandPlan(captions=captions, marks=marks, outro=outro)
    return plan if plan != BrandPlan() else UNSET
