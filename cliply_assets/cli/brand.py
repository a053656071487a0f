"""`--brand`: a kit as a JSON file and the files it names, for whoever works without a web service."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from cliply_assets.renders.own_styles import read_own_style
from cliply_resources.brands import KINDS, FileKind, PreparedFile, contrast_warnings, part_of_kit, prepare_file
from cliply_resources.brands.prepare import DEFAULT_PLACEMENTS
from cliply_resources.documents import BrandKit
from cliply_resources.documents.brands import BrandColours, BrandFile, Corner, Placement
from cliply_resources.documents.clips import CAPTION_STYLES, CaptionStyle
from cliply_resources.documents.looks import CaptionLook
from cliply_resources.errors import CallerError, MediaError
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage
from cliply_resources.storage.keys import brand_key

__all__ = ["BROUGHT", "BroughtBrand", "brand_brought"]

BROUGHT = "brand.json"
"""What is read where a folder is named."""
_MOST_BYTES = 64 * 1024
_HOME = "brought"


class _Picture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file: str
    corner: Corner | None = None
    opacity: float | None = None
    width_percent: float | None = None


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = ""
    style: str | None = None
    colours: dict[str, str] = {}
    font: str | None = None
    logo: _Picture | None = None
    watermark: _Picture | None = None
    outro: str | None = None


@dataclass(frozen=True, kw_only=True)
class BroughtBrand:
    """A kit that passed every check; its files lie in a folder until they are stored."""

    name: str
    style: CaptionStyle | None
    """The caption style that it asks for."""
    look: CaptionLook | UnsetType
    """One of the user's own; `style` is then the one of Cliply's that moves as it does."""
    colours: BrandColours
    placements: dict[FileKind, Placement]
    files: tuple[PreparedFile, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about colours that can hardly be read."""
        return contrast_warnings(self.colours)

    def store(self, storage: Storage, workspace_id: UUID) -> BrandKit:
        """Stores the files where they are not stored yet, and returns the kit that names them."""
        parts: dict[str, Any] = {}
        for file in self.files:
            key = brand_key(workspace_id, _HOME, f"{file.sha256}{file.path.suffix}")
            if not storage.exists(key):
                storage.put_file(key, file.path)
            stored = BrandFile(key=key, sha256=file.sha256)
            parts[file.kind] = part_of_kit(file.kind, stored, file.facts, self.placements.get(file.kind))
        return BrandKit(name=self.name, colours=self.colours, **parts)


@contextmanager
def brand_brought(place: Path, settings: Settings) -> Iterator[BroughtBrand]:
    """Reads the JSON file, or `brand.json` in the folder, and checks everything it names; paths are relative to it.

    Raises:
        CallerError: it is not there, or not such a document.
        MediaError: one of its files cannot be used.
    """
    path = place / BROUGHT if place.is_dir() else place
    document = _read(path)
    placements = _placements(document, path)
    colours = _colours(document, path)
    style, look = _style(document, path)
    named: dict[FileKind, str | None] = {
        "logo": document.logo.file if document.logo else None,
        "watermark": document.watermark.file if document.watermark else None,
        "font": document.font,
        "outro": document.outro,
    }
    with tempfile.TemporaryDirectory(prefix="cliply-brand-") as folder:
        files = []
        for kind in KINDS:
            source = named[kind]
            if source is not None:
                files.append(_prepared(kind, path.parent / Path(source).expanduser(), Path(folder), settings))
        yield BroughtBrand(
            name=" ".join(document.name.split())[:120] or path.absolute().parent.name or "Brand",
            style=style,
            look=look,
            colours=colours,
            placements=placements,
            files=tuple(files),
        )


def _style(document: _Document, path: Path) -> tuple[CaptionStyle | None, CaptionLook | UnsetType]:
    if document.style is None or document.style in CAPTION_STYLES:
        return document.style, UNSET  # type: ignore[return-value]  # one of the names
    if not document.style.endswith(".json"):
        names = ", ".join(CAPTION_STYLES)
        raise CallerError(f"The style “{document.style}” of the brand {path} is none of {names}, and no JSON file.")
    look = read_own_style(path.parent / Path(document.style).expanduser())
    return look.family, look


def _prepared(kind: FileKind, source: Path, folder: Path, settings: Settings) -> PreparedFile:
    try:
        return prepare_file(kind, source, folder, settings)
    except MediaError as error:
        raise MediaError(f"The brand's {kind} {source} cannot be used. {error}") from error


def _read(path: Path) -> _Document:
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    except OSError as error:
        raise CallerError(
            f"The brand {path} cannot be read ({error.strerror}); name a JSON file or its folder."
        ) from error
    if not data:
        raise CallerError(f"The brand {path} is empty or larger than {_MOST_BYTES // 1024} KiB, which none is.")
    try:
        return msgspec.json.decode(data, type=_Document)
    except msgspec.DecodeError as error:
        raise CallerError(f"The brand {path} is not as docs/brand-kits.md describes it: {error}.") from error


def _colours(document: _Document, path: Path) -> BrandColours:
    try:
        return msgspec.convert({name: value.upper() for name, value in document.colours.items()}, BrandColours)
    except msgspec.ValidationError as error:
        raise CallerError(f"The colours of the brand {path} must be written as #RRGGBB: {error}.") from error


def _placements(document: _Document, path: Path) -> dict[FileKind, Placement]:
    found: dict[FileKind, Placement] = {}
    pictures: tuple[tuple[FileKind, _Picture | None], ...] = (
        ("logo", document.logo),
        ("watermark", document.watermark),
    )
    for kind, picture in pictures:
        if picture is None:
            continue
        standard = msgspec.to_builtins(DEFAULT_PLACEMENTS[kind])
        given = {name: getattr(picture, name) for name in standard if getattr(picture, name) is not None}
        try:
            found[kind] = msgspec.convert({**standard, **given}, Placement)
        except msgspec.ValidationError as error:
            raise CallerError(f"The {kind} of the brand {path} cannot be placed so: {error}.") from error
    if len({placement.corner for placement in found.values()}) < len(found):
        raise CallerError(f"The brand {path} puts logo and watermark into the same corner; give each its own.")
    return found
