"""Fonts for printed text: those that travel with Cliply, and for scripts that they lack the machine's own.

Source Sans Pro (SIL Open Font License 1.1) draws Latin, Greek and Cyrillic, Roboto (Apache-2.0) the rest of them. Where the machine
has no font for Chinese, Japanese and Korean either, the file names the fonts that readers of PDF files have for them.
"""

import os
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from cliply_resources.errors import ToolMissing

__all__ = ["BOLD", "REGULAR", "drawable"]

REGULAR = "CliplyText"
BOLD = "CliplyTextBold"

_BUNDLED = {
    REGULAR: (("font_source_sans_pro", "SourceSansPro-Regular.ttf"), ("font_roboto", "Roboto-Regular.ttf")),
    BOLD: (("font_source_sans_pro", "SourceSansPro-Semibold.ttf"), ("font_roboto", "Roboto-Medium.ttf")),
}
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts")
_MOST_FILES = 64
"""Fonts looked at; beyond that a folder is an archive, and its tables would fill the memory."""
_OF_READERS = (
    ((0x3040, 0x30FF), "HeiseiKakuGo-W5"),  # kana
    ((0xAC00, 0xD7AF), "HYGothic-Medium"),  # hangul
    ((0x1100, 0x11FF), "HYGothic-Medium"),
    ((0x2E80, 0x9FFF), "STSong-Light"),  # han and its punctuation
    ((0xF900, 0xFAFF), "STSong-Light"),
    ((0xFF00, 0xFFEF), "STSong-Light"),
)
"""Blocks of characters, and the font of that script which readers bring along."""
MISSING = "\N{REPLACEMENT CHARACTER}"


def drawable(text: str, name: str = REGULAR) -> list[tuple[str, str]]:
    """The text in runs of (font, characters); what no font has is shown as a replacement character, never left out.

    The fonts are registered with reportlab. Letters are set one after the other, from left to right.

    Raises:
        ToolMissing: a font wheel is not installed.
    """
    runs: list[tuple[str, str]] = []
    for character in text:
        font = _font_of(character, name)
        drawn = character if font is not None else MISSING
        font = font or _font_of(MISSING, name) or name
        if runs and runs[-1][0] == font:
            runs[-1] = (font, runs[-1][1] + drawn)
        else:
            runs.append((font, drawn))
    return runs


@lru_cache(maxsize=4096)
def _font_of(character: str, name: str) -> str | None:
    code = ord(character)
    for place, (package, file) in enumerate(_BUNDLED[name]):
        if code in _glyphs(_bundled(package, file), f"{name}{place or ''}"):
            return f"{name}{place or ''}"
    if character.isspace() or not character.isprintable():
        return None
    for place, (path, codes) in enumerate(_machine_fonts()):
        found = f"Machine{place}"
        if code in codes and code in _glyphs(path, found):
            return found
    for (first, last), font in _OF_READERS:
        if first <= code <= last:
            return _of_readers(font)
    return None


def _bundled(package: str, file: str) -> Path:
    # Finding the spec does not run the package, whose own start-up lists every font it has.
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissing(f"The font {file} is not installed.", remedy=f"Run: pip install {package.replace('_', '-')}")
    return Path(next(iter(spec.submodule_search_locations))) / "files" / file


@lru_cache(maxsize=_MOST_FILES + 4)
def _glyphs(path: Path, name: str) -> frozenset[int]:
    """The characters that a font has, and the font registered; none for a file of another kind."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    try:
        font = TTFont(name, str(path))
    except (TTFError, OSError, ValueError, IndexError, KeyError):
        return frozenset()  # outlines of the other kind, or damaged
    pdfmetrics.registerFont(font)
    return frozenset(font.face.charToGlyph)


@lru_cache(maxsize=8)
def _of_readers(name: str) -> str:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name


@lru_cache(maxsize=1)
def _machine_fonts() -> tuple[tuple[Path, frozenset[int]], ...]:
    """Fonts of this machine that can be put into a PDF file, and what they can draw."""
    found = ((path, _characters(path)) for path in islice(_files(), _MOST_FILES))
    return tuple((path, codes) for path, codes in found if codes)


def _characters(path: Path) -> frozenset[int]:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or ()) if "glyf" in font else frozenset()
    except (TTLibError, KeyError, OSError, AttributeError, AssertionError):
        return frozenset()


def _files() -> Iterator[Path]:
    """One weight of each family is enough."""
    for folder in _FOLDERS:
        for base, folders, names in os.walk(folder):
            folders.sort()
            plain = (
                name
                for name in sorted(names)
                if not any(word in name.lower() for word in ("bold", "italic", "oblique"))
            )
            yield from (Path(base) / name for name in plain if name.lower().endswith((".ttf", ".ttc")))
