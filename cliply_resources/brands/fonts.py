"""A stranger's font, taken apart and written anew with the tables that captions need, under a name of ours.

What a font file may carry beside outlines (programs that hint glyphs, embedded SVG, bitmaps, signatures, names with any text in
them) is where renderers were attacked before, and nothing of it is kept. The name decides which font libass picks: it is made of
the file's own digest, so that it can neither hide another font nor say anything to the caption document it is written into.
"""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cliply_resources.errors import MediaError

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

__all__ = ["FontFacts", "family_of", "rewrite_font"]

MOST_GLYPHS = 30_000
KEPT = (
    "head",
    "hhea",
    "maxp",
    "OS/2",
    "hmtx",
    "cmap",
    "post",
    "name",
    "glyf",
    "loca",
    "CFF ",
    "kern",
    "GDEF",
    "GPOS",
    "GSUB",
)
_NEEDED = {"head", "hhea", "maxp", "OS/2", "hmtx", "cmap", "name"}
_SIGNATURES = {b"\x00\x01\x00\x00": ".ttf", b"true": ".ttf", b"OTTO": ".otf"}
_OTHER_KINDS = {b"ttcf": "a collection of fonts", b"wOFF": "a web font", b"wOF2": "a web font"}
_RESTRICTED, _BITMAPS_ONLY = 0x0002, 0x0200
_DEEPEST = 8
_MOST_PARTS = 256
_SAMPLE = "ABCXYZabcxyz0189"


class FontFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    family: str
    """The name it has in captions."""
    called: str
    """What its maker calls it, for people; at most 60 plain characters."""
    suffix: str
    glyphs: int
    variable: bool
    """It could change its weight or width; what is kept is its ordinary shape."""


def family_of(digest: str) -> str:
    """The name of a font whose given file has this sha256: plain ASCII, and nobody else's."""
    return f"CliplyBrand{digest[:20]}"


def rewrite_font(source: Path, target: Path) -> FontFacts:
    """Writes the font at `source` to `target`.

    Raises:
        MediaError: it is no TrueType or OpenType font, is damaged, forbids embedding, or has no Latin letters.
    """
    from fontTools.ttLib import TTFont

    data = source.read_bytes()
    suffix = _suffix(data)
    try:
        with TTFont(source, lazy=False, recalcTimestamp=False) as font:
            variable = "fvar" in font
            _check_tables(font)
            _check_embedding(int(font["OS/2"].fsType))
            called = _called(font)
            _reduce(font)
            glyphs = _check_glyphs(font)
            family = family_of(hashlib.sha256(data).hexdigest())
            _rename(font, family)
            font.save(target, reorderTables=True)
        # What was written must be readable by itself.
        with TTFont(target, lazy=False) as written:
            _check_glyphs(written)
    except MediaError:
        raise
    except Exception as error:  # a hostile font may raise anything inside of fontTools
        raise MediaError(
            f"The font is damaged ({type(error).__name__}); export it again as TTF or OTF, or choose another."
        ) from error
    return FontFacts(family=family, called=called, suffix=suffix, glyphs=glyphs, variable=variable)


def _suffix(data: bytes) -> str:
    found = _SIGNATURES.get(data[:4])
    if found is None:
        kind = _OTHER_KINDS.get(data[:4], "no font")
        raise MediaError(f"The file is {kind}; give a single font as TTF or OTF.")
    return found


def _check_tables(font: "TTFont") -> None:
    missing = sorted(_NEEDED - set(font.keys()))
    if missing or not ({"glyf", "loca"} <= set(font.keys()) or "CFF " in font):
        lacks = ", ".join(missing) or "outlines"
        raise MediaError(f"The font lacks {lacks}, so it cannot draw captions; choose another.")
    if int(font["maxp"].numGlyphs) > MOST_GLYPHS:
        raise MediaError(
            f"The font has {font['maxp'].numGlyphs} glyphs, and at most {MOST_GLYPHS} are taken; choose one for fewer scripts."
        )
    if not 16 <= int(font["head"].unitsPerEm) <= 16384:
        raise MediaError("The font's size of the em is none that the format allows; export it again.")


def _check_embedding(rights: int) -> None:
    if rights & 0x000F == _RESTRICTED:
        raise MediaError(
            "The font's maker forbids embedding (its fsType says “restricted licence”), so it may not be used in videos without "
            "their permission; ask them for a licence and a file that allows it, or choose another font."
        )
    if rights & _BITMAPS_ONLY:
        raise MediaError(
            "The font's maker allows only its bitmaps to be embedded, which captions cannot use; choose another."
        )


def _called(font: "TTFont") -> str:
    said = font["name"].getBestFullName() or font["name"].getBestFamilyName() or ""
    plain = " ".join(re.sub(r"[^A-Za-z0-9 ._-]+", " ", str(said)[:200]).split())[:60].strip()
    return plain or "Font"


def _reduce(font: "TTFont") -> None:
    for tag in [tag for tag in font.keys() if tag not in KEPT and tag != "GlyphOrder"]:  # noqa: SIM118 - a font is no mapping
        del font[tag]
    for tag in [tag for tag in KEPT if tag in font]:
        _ = font[tag]  # every table is taken apart, so that every one is written by us
    if "glyf" in font:
        for name in font.getGlyphOrder():
            font["glyf"][name].removeHinting()
        for number in ("maxZones", "maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs"):
            setattr(font["maxp"], number, 0 if number != "maxZones" else 1)
        font["maxp"].maxStackElements = font["maxp"].maxSizeOfInstructions = 0
    if "CFF " in font:
        font["CFF "].cff.remove_hints()
    font["post"].formatType = 3.0 if "CFF " in font else font["post"].formatType


def _check_glyphs(font: "TTFont") -> int:
    """Draws every glyph, which nothing that loops, overflows or points nowhere survives."""
    from fontTools.pens.boundsPen import ControlBoundsPen

    if "glyf" in font:
        _check_components(font)
    glyphs = font.getGlyphSet()
    order = font.getGlyphOrder()
    em = int(font["head"].unitsPerEm)
    letters = font.getBestCmap() or {}
    if not all(ord(letter) in letters for letter in _SAMPLE):
        raise MediaError(
            "The font has no Latin letters and digits, so captions could not be drawn with it; choose another."
        )
    drawn: dict[str, Any] = {}
    for name in order:
        pen = ControlBoundsPen(glyphs)
        glyphs[name].draw(pen)
        drawn[name] = pen.bounds
    if not all(drawn[letters[ord(letter)]] for letter in _SAMPLE):
        raise MediaError("The font's Latin letters are empty; choose another.")
    largest = max((abs(edge) for bounds in drawn.values() if bounds for edge in bounds), default=0)
    if largest > 20 * em:
        raise MediaError("The font has glyphs twenty times higher or wider than its em, which would cover the picture.")
    _check_metrics(font, em)
    return len(order)


def _check_components(font: "TTFont") -> None:
    """Glyphs made of glyphs made of glyphs are refused before they are drawn: each level may double the work."""
    table, sizes = font["glyf"], {}

    def size(name: str, depth: int) -> int:
        if depth > _DEEPEST:
            raise MediaError(
                f"The font nests glyphs more than {_DEEPEST} deep, or in a circle; it is damaged or hostile."
            )
        if name not in sizes:
            glyph = table[name]
            parts = [size(part.glyphName, depth + 1) for part in glyph.components] if glyph.isComposite() else [1]
            sizes[name] = sum(parts)
        return sizes[name]

    for name in font.getGlyphOrder():
        if size(name, 0) > _MOST_PARTS:
            raise MediaError(f"The font has a glyph made of more than {_MOST_PARTS} others; it is damaged or hostile.")


def _check_metrics(font: "TTFont", em: int) -> None:
    ascent, descent = int(font["OS/2"].usWinAscent), int(font["OS/2"].usWinDescent)
    if ascent + descent == 0:
        ascent, descent = int(font["hhea"].ascent), -int(font["hhea"].descent)
    if not 0.3 * em <= ascent + descent <= 6 * em or ascent < 0 or descent < 0:
        raise MediaError(
            "The font's line height is out of all proportion to its letters; export it again, or choose another."
        )


def _rename(font: "TTFont", family: str) -> None:
    from fontTools.ttLib import newTable

    names = newTable("name")
    names.names = []
    for number, text in ((1, family), (2, "Regular"), (3, family), (4, family), (6, family)):
        names.setName(text, number, 3, 1, 0x409)
    font["name"] = names
    if "CFF " in font:
        cff = font["CFF "].cff
        cff.fontNames = [family]
        top = cff.topDictIndex[0]
        for field in ("FullName", "FamilyName", "Weight", "Notice", "Copyright", "version"):
            if field in top.rawDict:
                del top.rawDict[field]
            top.__dict__.pop(field, None)
    # An upright regular of its own family: that is how captions ask for it.
    font["OS/2"].fsSelection = (int(font["OS/2"].fsSelection) & ~0x0021) | 0x0040
    font["head"].macStyle = 0
