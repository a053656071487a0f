"""An upload's report on paper: what it was, what was heard and seen in it, and every clip with its picture."""

import io
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape

from cliply_api.uploads.schemas import ClipLine, Report
from cliply_resources.report_fonts import BOLD, REGULAR, drawable

__all__ = ["MOST_CLIPS", "report_pdf"]

MOST_CLIPS = 100
"""Whatever comes after them is counted, not shown."""
PICTURE_PIXELS = 400
"""Along the longer side of a picture in the file; more is not seen on paper."""
MOST_PICTURE_BYTES = 20 * 1024 * 1024
MOST_PIXELS = 40_000_000
MARGIN, PICTURE_WIDTH, PICTURE_HEIGHT = 48.0, 84.0, 110.0
INK, GREY, ACCENT, PALE = "#1b1f24", "#5d6570", "#2f6fdb", "#e4e8ee"

Picture = Callable[[], bytes | None]
"""Fetches a picture when its turn has come, so that they are never all in memory as they were stored."""


def report_pdf(report: Report, chart: bytes | None, pictures: Mapping[UUID, Picture]) -> bytes:
    """The report as a PDF file of A4 pages; `pictures` are by clip, and one that cannot be read is left out.

    Everything that somebody wrote is drawn in fonts that have its letters, see `cliply_resources.report_fonts`.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    out = io.BytesIO()
    title = report.upload.title or "Untitled upload"
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        author="Cliply",
    )
    parts = [*_head(report, title), *_signals(chart), *_clips(report, pictures), *_problems(report)]
    document.build(parts, onFirstPage=_foot, onLaterPages=_foot)
    return out.getvalue()


def _head(report: Report, title: str) -> list[Any]:
    upload = report.upload
    facts = {
        "State": f"{upload.state.replace('_', ' ')}, {upload.percent:.0f} %"
        + (f": {upload.reason}" if upload.reason else ""),
        "Source": upload.source_url or ("a file" if upload.source == "file" else ""),
        "Size": f"{upload.size / 1e6:,.1f} MB" if upload.size else "",
        "SHA-256": upload.sha256 or "",
        "Given to Cliply": f"{upload.created_at:%Y-%m-%d %H:%M} UTC",
        "Asked for": f"{upload.settings.clips} clips of {upload.settings.min_seconds:g} to {upload.settings.max_seconds:g} s, "
        f"{', '.join(upload.settings.aspects)}, captions: {upload.settings.style.replace('_', ' ')}",
        "Work": f"{report.usage.cpu_seconds:,.0f} s of processor time, {report.usage.stored_bytes / 1e6:,.1f} MB stored",
        "Report made": f"{report.generated_at:%Y-%m-%d %H:%M} UTC",
    }
    rows = [(_text(name, color=GREY), _text(value)) for name, value in facts.items() if value]
    return [_text(title, size=22, font=BOLD, after=10), _table(rows, (92, None)), _space(8)]


def _signals(chart: bytes | None) -> list[Any]:
    found = _image(chart, 499, 410) if chart else None
    return [] if found is None else [_heading("Signals"), found, _space(8)]


def _clips(report: Report, pictures: Mapping[UUID, Picture]) -> list[Any]:
    from reportlab.platypus import KeepTogether

    if not report.clips:
        return [_heading("Clips"), _text("No clips were found (yet).", color=GREY)]
    parts: list[Any] = [_heading(f"Clips ({len(report.clips)})")]
    shown = report.clips[:MOST_CLIPS]
    parts += [KeepTogether([_clip(clip, pictures.get(clip.id)), _space(6)]) for clip in shown]
    if len(report.clips) > MOST_CLIPS:
        parts.append(_text(f"and {len(report.clips) - MOST_CLIPS} more.", color=GREY))
    return parts


def _clip(clip: ClipLine, fetch: Picture | None) -> Any:
    picture = _image(fetch() if fetch else None, PICTURE_WIDTH, PICTURE_HEIGHT) or _text(
        "no picture", color=GREY, size=8
    )
    times = f"{_clock(clip.start)} to {_clock(clip.end)} ({clip.end - clip.start:.1f} s)"
    words = [
        _text(f"{clip.rank}. {clip.title or 'Untitled'}", size=12, font=BOLD, after=2),
        _text(f"{times}   ·   score {clip.score:.0f}   ·   {clip.state}", color=GREY, after=3),
        *(_text(f"– {reason}") for reason in clip.reasons),
    ]
    for render in clip.renders:
        seconds = f", {render.duration:.1f} s" if render.duration is not None else ""
        line = f"{render.aspect}, version {render.version}, {render.style.replace('_', ' ')}: {render.state}{seconds}"
        words.append(_text(line + (f". {render.reason}" if render.reason else ""), size=8, color=GREY))
    return _table([(picture, words)], (PICTURE_WIDTH + 12, None), lines=True)


def _problems(report: Report) -> list[Any]:
    return [_heading("Problems"), *(_text(problem) for problem in report.problems)] if report.problems else []


def _heading(text: str) -> Any:
    return _text(text, size=14, font=BOLD, color=ACCENT, before=8, after=6)


def _text(
    text: str, *, size: float = 9.5, font: str = REGULAR, color: str = INK, before: float = 0, after: float = 1
) -> Any:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    runs = drawable(" ".join(text.split()), font)
    marked = "".join(f'<font name="{name}">{escape(run)}</font>' for name, run in runs)
    style = ParagraphStyle(
        "text",
        fontName=font,
        fontSize=size,
        leading=size * 1.3,
        textColor=color,
        spaceBefore=before,
        spaceAfter=after,
        splitLongWords=True,
        wordWrap="CJK" if any(not name.startswith("Cliply") for name, _ in runs) else None,
    )
    return Paragraph(marked, style)


def _table(rows: list[Any], widths: tuple[float | None, ...], *, lines: bool = False) -> Any:
    from reportlab.platypus import Table

    whole = 595.27 - 2 * MARGIN - 12
    known = sum(width for width in widths if width is not None)
    style: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2 if not lines else 6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1 if not lines else 6),
    ]
    if lines:
        style.append(("LINEBELOW", (0, -1), (-1, -1), 0.5, PALE))
    return Table(rows, colWidths=[whole - known if width is None else width for width in widths], style=style)


def _space(height: float) -> Any:
    from reportlab.platypus import Spacer

    return Spacer(1, height)


def _image(data: bytes | None, width: float, height: float) -> Any:
    """A picture made small, or nothing where it is no picture."""
    from PIL import Image, UnidentifiedImageError
    from reportlab.platypus import Image as Placed

    if data is None or len(data) > MOST_PICTURE_BYTES:
        return None
    try:
        with Image.open(io.BytesIO(data)) as stored:
            if stored.width * stored.height > MOST_PIXELS:
                return None
            scale = min(width / stored.width, height / stored.height)
            shape = stored.width * scale, stored.height * scale
            most = PICTURE_PIXELS if width <= PICTURE_WIDTH else 1600
            stored.thumbnail((most, most))
            small = io.BytesIO()
            if stored.format == "PNG":
                stored.save(small, "PNG")
            else:
                stored.convert("RGB").save(small, "JPEG", quality=82)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
    small.seek(0)
    return Placed(small, *shape, hAlign="LEFT")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _foot(canvas: Any, _document: Any) -> None:
    drawable("0", REGULAR)  # registers the font
    canvas.saveState()
    canvas.setFont(REGULAR, 8)
    canvas.setFillColor(GREY)
    canvas.drawString(MARGIN, MARGIN / 2, "Made by Cliply")
    canvas.drawRightString(595.27 - MARGIN, MARGIN / 2, str(canvas.getPageNumber()))
    canvas.restoreState()
