"""A chart as PNG, for print and for places that show no vectors."""

import io
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cliply_assets.highlights.chart import Area, Chart, Label, Rule, Strip

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

__all__ = ["chart_png"]

_ANCHOR = {"left": "lm", "middle": "mm", "right": "rm"}
_FONT = "font_source_sans_pro"
_FILES = {False: "SourceSansPro-Regular.ttf", True: "SourceSansPro-Semibold.ttf"}
_TINT = 0.22


def chart_png(chart: Chart) -> bytes:
    """The chart, one pixel a unit. Letters that its font does not have are shown as question marks."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (chart.width, chart.height), "#FFFFFF")
    draw = ImageDraw.Draw(picture, "RGBA")
    for mark in chart.marks:
        _draw(draw, mark)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _draw(draw: "ImageDraw", mark: Strip | Rule | Area | Label) -> None:
    match mark:
        case Strip():
            draw.rectangle((mark.left, mark.top, max(mark.left + 1, mark.right), mark.bottom), fill=mark.colour)
        case Rule():
            draw.line((mark.left, mark.top, mark.right, mark.bottom), fill=mark.colour, width=1)
        case Area():
            (left, _), (right, _) = mark.points[0], mark.points[-1]
            under = [(left, mark.base), *mark.points, (right, mark.base)]
            draw.polygon(under, fill=f"{mark.colour}{round(255 * _TINT):02X}")
            draw.line(list(mark.points), fill=mark.colour, width=2, joint="curve")
        case Label():
            font = _font(mark.size, mark.strong)
            text = "".join(c if c in _letters() or c.isspace() else "?" for c in mark.text)
            draw.text((mark.x, mark.y), text, mark.colour, font=font, anchor=_ANCHOR[mark.align])


def _file(*, strong: bool) -> Path | None:
    spec = find_spec(_FONT)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for folder in folders if (path := Path(folder) / "files" / _FILES[strong]).is_file()), None)


@lru_cache(maxsize=16)
def _font(size: int, strong: bool) -> "ImageFont | FreeTypeFont":
    from PIL import ImageFont

    path = _file(strong=strong)
    return ImageFont.truetype(path, size) if path is not None else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _letters() -> frozenset[str]:
    from fontTools.ttLib import TTFont

    path = _file(strong=False)
    if path is None:
        return frozenset(map(chr, range(32, 127)))
    with TTFont(path, lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))
