"""Finds caption fonts that travel with Cliply, measures text in them, and never lets a missing glyph be drawn.

The fonts come from wheels (Manrope and Source Sans Pro under the SIL Open Font License 1.1, Roboto under Apache-2.0; Noto
Sans Arabic, Hebrew and CJK, under the SIL Open Font License 1.1, for the scripts that those lack), so that no machine's own fonts
change a render. The machine's fonts are asked only for scripts that ours lack, and are then named in the render spec with their hash
like every other font.
"""

import hashlib
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from cliply_resources.errors import StepFailed, ToolMissing

__all__ = [
    "Face",
    "bundled_faces",
    "face_for",
    "face_named",
    "font_folder",
    "fonts_by_file",
    "load_face",
    "script_faces",
    "showable",
    "system_faces",
]

_BUNDLED = (
    ("font_manrope", "files/Manrope-ExtraBold.ttf", "font-manrope==0.0.2"),
    ("font_source_sans_pro", "files/SourceSansPro-Black.ttf", "font-source-sans-pro==0.0.1"),
    ("font_roboto", "files/Roboto-Black.ttf", "font-roboto==0.0.1"),
)
"""Package, file inside it, and what to install where it is missing."""

_SCRIPTS = (
    ("justmytype_intl_rtl", "fonts/ofl/notosanshebrew/NotoSansHebrew[wdth,wght].ttf", "justmytype-intl-rtl==0.1.0"),
    ("justmytype_intl_rtl", "fonts/ofl/notosansarabic/NotoSansArabic[wdth,wght].ttf", "justmytype-intl-rtl==0.1.0"),
    ("noto_cjk_sans_otc", "NotoSansCJK-Regular.ttc", "noto-cjk-sans-otc==0.0.1"),
)
"""Asked in this order, and read only, where letters are needed that the others lack: the last has 45,000."""

_SYSTEM_FOLDERS = {
    "linux": ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("C:/Windows/Fonts",),
}

_MOST_SYSTEM_FONTS = 3000  # files looked at; beyond that a font folder is an archive, not an installation
_EMOJI_BLOCKS = ((0x1F000, 0x1FAFF), (0x2600, 0x27BF), (0x2B00, 0x2BFF), (0xE0000, 0xE007F))
_USUAL_LINE = 1.4  # em: ascent plus descent of the caption fonts
_OTHER_SCRIPTS = 0x0590  # Hebrew is the first of the scripts that the caption fonts do not have
_JOINERS = {0x200D, 0xFE0E, 0xFE0F, 0x20E3}  # zero-width joiner, variation selectors, keycap


@dataclass(frozen=True, eq=False)
class Face:
    """One font file as libass sees it: names, metrics and the advance of every character, in font units."""

    path: Path
    family: str
    postscript_name: str
    weight: int
    units_per_em: int
    ascent: int
    descent: int
    cap_height: int
    bundled: bool
    advances: dict[int, int] = field(repr=False)
    enlarged: float = 1.0
    """How much larger than its neighbours its size must be for letters of one height: where room for marks makes the lines high."""

    @property
    def file_name(self) -> str:
        """The name under which a render spec lists it."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """Names these exact bytes."""
        return _file_digest(self.path)

    def pixels_per_unit(self, size: float) -> float:
        """How long one font unit is at ASS font size `size`, which is ascent plus descent and not the em."""
        return size * self.enlarged / (self.ascent + self.descent)

    def width(self, text: str, size: float) -> float:
        """Pixels that `text` advances at ASS font size `size`, without kerning, as libass sets it."""
        missing = self.units_per_em // 2
        return sum(self.advances.get(ord(c), missing) for c in text) * self.pixels_per_unit(size)

    def covers(self, text: str) -> bool:
        """Whether every visible character of `text` has a glyph."""
        return all(ord(c) in self.advances for c in text if not c.isspace())


@lru_cache(maxsize=64)
def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def load_face(path: Path, *, bundled: bool = False) -> Face:
    """The face in a font file; of a collection, the first.

    Raises:
        StepFailed: it is no font.
    """
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, fontNumber=0, lazy=True) as font:
            names, os2, metrics = font["name"], font["OS/2"], font["hmtx"].metrics
            advances = {code: metrics[glyph][0] for code, glyph in font.getBestCmap().items()}
            # libass, like the player it descends from, prefers the Windows metrics over the others.
            windows = (os2.usWinAscent, os2.usWinDescent)
            ascent, descent = windows if sum(windows) else (font["hhea"].ascent, -font["hhea"].descent)
            units = font["head"].unitsPerEm
            return Face(
                path=path,
                family=str(names.getDebugName(1)),
                postscript_name=str(names.getDebugName(6)),
                weight=int(os2.usWeightClass),
                units_per_em=units,
                ascent=ascent,
                descent=descent,
                cap_height=int(getattr(os2, "sCapHeight", 0) or 0.7 * units),
                bundled=bundled,
                advances=advances,
            )
    except (TTLibError, KeyError, OSError, AttributeError, AssertionError) as error:
        raise StepFailed(f"The font file {path.name} cannot be read.", detail=repr(error)) from error


@lru_cache(maxsize=1)
def bundled_faces() -> tuple[Face, ...]:
    """The fonts Cliply brings, in the order they are preferred.

    Raises:
        ToolMissing: a font wheel is not installed.
    """
    return tuple(load_face(_bundled_path(*entry), bundled=True) for entry in _BUNDLED)


def _bundled_path(package: str, file: str, requirement: str) -> Path:
    # Finding the spec does not run the package, whose own start-up lists every font it has.
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / file).is_file():
            return path
    raise ToolMissing(
        f"The caption font {Path(file).name} is not installed.", remedy=f"Install it with: pip install {requirement}"
    )


def script_faces() -> Iterator[Face]:
    """The fonts Cliply brings for other scripts, each read when it is reached.

    Raises:
        ToolMissing: a font wheel is not installed.
    """
    yield from map(_script_face, _SCRIPTS)


@lru_cache(maxsize=8)
def _script_face(entry: tuple[str, str, str]) -> Face:
    face = load_face(_script_path(*entry), bundled=True)
    return replace(face, enlarged=max(1.0, (face.ascent + face.descent) / face.units_per_em / _USUAL_LINE))


def _script_path(package: str, file: str, requirement: str) -> Path:
    path = _bundled_path(package, file, requirement)
    return _extra_bold(path) if "wght" in path.name else path


@lru_cache(maxsize=1)
def _own_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="cliply-fonts-")


@lru_cache(maxsize=8)
def _extra_bold(path: Path) -> Path:
    """The extra bold cut of a variable font, of which libass would draw the default only; equal bytes every time."""
    from fontTools.ttLib import TTFont
    from fontTools.varLib import instancer

    made = Path(_own_folder().name) / f"{path.name.partition('[')[0]}-ExtraBold.ttf"
    with TTFont(path, recalcTimestamp=False) as font:
        cut = instancer.instantiateVariableFont(font, {"wght": 800, "wdth": 100}, updateFontNames=True)
        cut.save(made)
    return made


def _script_paths() -> list[Path]:
    return [_script_path(*entry) for entry in _SCRIPTS if find_spec(entry[0])]


def face_named(family: str) -> Face:
    """The bundled face of that family name.

    Raises:
        StepFailed: Cliply brings no such font.
    """
    for face in bundled_faces():
        if face.family == family:
            return face
    known = ", ".join(face.family for face in bundled_faces())
    raise StepFailed(f"The caption font {family!r} is not one that Cliply brings. It brings: {known}.")


def _font_files() -> Iterator[Path]:
    platform = "linux" if sys.platform not in _SYSTEM_FOLDERS else sys.platform
    for folder in _SYSTEM_FOLDERS[platform]:
        root = Path(folder).expanduser()
        if root.is_dir():
            yield from sorted(p for p in root.rglob("*") if p.suffix.lower() in {".ttf", ".otf", ".ttc"})


@lru_cache(maxsize=1)
def _system_font_files() -> tuple[Path, ...]:
    files = list(_font_files())[:_MOST_SYSTEM_FONTS]

    def plainness(path: Path) -> tuple[bool, bool, bool, str]:
        name = path.stem.lower()
        odd = any(word in name for word in ("mono", "serif", "italic", "oblique", "condensed", "emoji", "symbol"))
        return (odd, not any(heavy in name for heavy in ("bold", "black", "heavy")), "sans" not in name, path.name)

    return tuple(sorted(files, key=plainness))


def system_faces() -> Iterator[Face]:
    """The machine's own fonts: bold upright sans serif first, unreadable files passed over."""
    for path in _system_font_files():
        try:
            yield load_face(path)
        except StepFailed:  # a broken font on this machine is no reason to fail: the next one is asked
            continue


@lru_cache(maxsize=256)
def _system_face_for(needed: frozenset[str]) -> Face | None:
    wanted = "".join(sorted(needed))
    return next((face for face in system_faces() if face.covers(wanted)), None)


def face_for(text: str, preferred: Face) -> Face | None:
    """The first face that has every glyph of `text`: `preferred`, then Cliply's others, then the machine's; or `None`.

    Raises:
        ToolMissing: a font that Cliply brings is not installed.
    """
    for face in (preferred, *(f for f in bundled_faces() if f is not preferred)):
        if face.covers(text):
            return face
    needed = frozenset(c for c in text if not c.isspace())
    if any(ord(c) >= _OTHER_SCRIPTS for c in needed):
        return _script_face_for(needed)
    return _system_face_for(needed)


@lru_cache(maxsize=256)
def _script_face_for(needed: frozenset[str]) -> Face | None:
    wanted = "".join(sorted(needed))
    return next((face for face in script_faces() if face.covers(wanted)), None) or _system_face_for(needed)


def _is_emoji(character: str) -> bool:
    code = ord(character)
    return code in _JOINERS or any(low <= code <= high for low, high in _EMOJI_BLOCKS)


def showable(text: str) -> str:
    """`text` as captions may show it: composed, on one line, without emoji, control or direction characters."""
    kept = []
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if character.isspace():
            kept.append(" ")
        elif category[0] != "C" and not _is_emoji(character):
            kept.append(character)
    return " ".join("".join(kept).split())


def fonts_by_file(faces: Iterable[Face]) -> dict[str, str]:
    """File name to sha256 of each face, sorted, as a render spec lists them."""
    return {face.file_name: face.sha256 for face in sorted(faces, key=lambda face: face.file_name)}


def font_folder(fonts: dict[str, str], into: Path, own: Mapping[str, Path] | None = None) -> Path:
    """A folder that holds exactly the fonts a render spec names, and refuses any whose bytes differ.

    `own` are fonts that belong to the clip and not to a machine, by their sha256.

    Raises:
        StepFailed: a named font is not on this machine, or is another version.
    """
    into.mkdir(parents=True, exist_ok=True)
    for name, sha256 in fonts.items():
        candidates = [own[sha256]] if own and sha256 in own else []
        candidates += [face.path for face in bundled_faces() if face.file_name == name]
        candidates += [] if candidates else [path for path in _script_paths() if path.name == name]
        candidates += [path for path in _system_font_files() if path.name == name]
        match = next((path for path in candidates if _file_digest(path) == sha256), None)
        if match is None:
            found = "in another version" if candidates else "not at all"
            raise StepFailed(
                f"This clip's captions need the font file {name} (sha256 {sha256[:12]}…), which this machine has {found}. "
                "Install the font packages of this Cliply version, or make the clip anew."
            )
        shutil.copyfile(match, into / name)
    return into
