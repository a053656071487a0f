"""A chart as SVG: sharp at any size, its texts selectable, each clip named where somebody points at it."""

from collections.abc import Iterator
from html import escape

from cliply_assets.highlights.chart import Area, Chart, Label, Rule, Strip

__all__ = ["chart_svg"]

_FONT = "'Source Sans 3','Source Sans Pro','Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_ANCHOR = {"left": "start", "middle": "middle", "right": "end"}
_BASELINE = 0.35  # of the size: from the middle of the letters down to their baseline


def chart_svg(chart: Chart) -> str:
    """The chart as one SVG document without scripts, styles or anything from elsewhere."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {chart.width} {chart.height}" width="{chart.width}" '
        f'height="{chart.height}" role="img" font-family="{_FONT}">',
        f"<title>{_text(chart.title)}</title>",
        f'<rect width="{chart.width}" height="{chart.height}" fill="#FFFFFF"/>',
    ]
    for mark in chart.marks:
        parts += _drawn(mark)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(mark: Strip | Rule | Area | Label) -> Iterator[str]:
    match mark:
        case Strip():
            says = f"<title>{_text(mark.says)}</title>" if mark.says else ""
            yield (
                f'<rect x="{mark.left:g}" y="{mark.top:g}" width="{max(1.0, mark.right - mark.left):g}" '
                f'height="{mark.bottom - mark.top:g}" fill="{mark.colour}">{says}</rect>'
            )
        case Rule():
            ends = f'x1="{mark.left:g}" y1="{mark.top:g}" x2="{mark.right:g}" y2="{mark.bottom:g}"'
            yield f'<line {ends} stroke="{mark.colour}"/>'
        case Area():
            # Steps go up or down, then on: a third of the length that their points would take.
            steps = "".join(f"V{y:g}H{x:g}" for _, (x, y) in zip(mark.points[::2], mark.points[1::2], strict=True))
            yield (
                f'<path d="M{mark.points[0][0]:g} {mark.base:g}{steps}V{mark.base:g}Z" fill="{mark.colour}" fill-opacity="0.22" '
                f'stroke="{mark.colour}" stroke-width="1.5" stroke-linejoin="round"/>'
            )
        case Label():
            weight = ' font-weight="600"' if mark.strong else ""
            anchor = f' text-anchor="{_ANCHOR[mark.align]}"' if mark.align != "left" else ""
            yield (
                f'<text x="{mark.x:g}" y="{mark.y + _BASELINE * mark.size:g}" font-size="{mark.size}" fill="{mark.colour}"'
                f'{weight}{anchor} xml:space="preserve">{_text(mark.text)}</text>'
            )


def _text(text: str) -> str:
    """Of a title, whatever somebody said in a film: no markup, and no character that XML forbids."""
    return escape("".join(c for c in text if c.isprintable()), quote=True)
