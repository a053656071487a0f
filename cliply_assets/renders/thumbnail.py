"""A clip's thumbnail: its best frame, as the camera frames it, with the title set on it in the caption style's font."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from cliply_assets.renders.command import still_graph
from cliply_assets.renders.fonts import Face, face_for, face_named, showable
from cliply_assets.renders.frame_choice import Region, best_frame, look_at_frames
from cliply_assets.renders.line_breaks import title_lines
from cliply_assets.renders.styles import CaptionLook, look_for, shape_of
from cliply_resources.documents import RenderSpec
from cliply_resources.errors import StepFailed
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.progress import silent

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

__all__ = ["Thumbnail", "draw_title", "write_thumbnail"]

_MOST_LINES = 4
_LARGEST, _SMALLEST = 0.125, 0.06  # em of the title, as shares of the picture's shorter side
_QUALITY = 88  # JPEG; above this files grow and eyes see nothing
_PITCH = 1.12  # line distance in em
_STROKE = 0.055  # of the em
_SHADE = 0.72  # darkness under the title, 0 to 1
_LONGEST_RAMP, _SHORTEST_RAMP = 0.22, 0.1  # of the height: long enough to have no visible edge; shorter beside a face


@dataclass(frozen=True)
class Thumbnail:
    """Where it lies, and which frame of the clip it shows."""

    path: Path
    frame: int
    seconds: float


@dataclass(frozen=True)
class _Set:
    """A title broken into lines at one size."""

    lines: tuple[str, ...]
    em: int


def write_thumbnail(
    clip: Path, spec: RenderSpec, into: Path, *, source: Path | None = None, deadline_seconds: float = 120
) -> Thumbnail:
    """Writes the JPEG `into`. The frame is chosen on the rendered clip and taken from the source, free of captions.

    Without `source` the clip's own frame is used, captions and all. Raises MediaError for an unusable source, StepFailed,
    DeadlineExceeded.
    """
    from PIL import Image

    chosen = best_frame(look_at_frames(clip, spec))
    try:
        work = Path(tempfile.mkdtemp(prefix=".thumbnail-", dir=into.parent))
        try:
            still = _take(spec, chosen.frame, (clip, source), work, deadline_seconds)
            with Image.open(still) as picture:
                drawn = draw_title(picture.convert("RGB"), spec.title, look=_look(spec), face=chosen.face)
            drawn.save(work / "draft.jpg", quality=_QUALITY, optimize=True, progressive=True)
            (work / "draft.jpg").replace(into)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StepFailed(f"The thumbnail {into} could not be written: {error}.", detail=repr(error)) from error
    return Thumbnail(path=into, frame=chosen.frame, seconds=float(chosen.frame / Fraction(spec.frame_rate)))


def _look(spec: RenderSpec) -> CaptionLook:
    return look_for(spec.captions)


def _take(
    spec: RenderSpec, frame: int, clip_and_source: tuple[Path, Path | None], work: Path, deadline_seconds: float
) -> Path:
    clip, source = clip_and_source
    options, graph, files = still_graph(spec, frame)
    if source is None:
        at = float((frame - Fraction(1, 4)) / Fraction(spec.frame_rate))
        options, graph, files = ("-ss", f"{max(at, 0.0):.6f}"), "[0:v:0]null[v]", {}
    for name, text in files.items():
        (work / name).write_text(text, encoding="utf-8")
    run_ffmpeg(
        [
            *guarded_input(source or clip, *options),
            *("-filter_complex", graph, "-map", "[v]", "-frames:v", "1"),
            *("-c:v", "png", "-update", "1", "-f", "image2", "file:still.png"),
        ],
        duration=None,
        progress=silent,
        deadline_seconds=deadline_seconds,
        doing="taking the thumbnail's frame",
        cwd=work,
    )
    return work / "still.png"


def draw_title(picture: "Image", title: str, *, look: CaptionLook, face: Region | None) -> "Image":
    """The picture with the title on a soft shade, below the middle or, where a face is there, above it.

    Characters that no font has are left out; a title of which nothing remains leaves the picture as it is.
    """
    from PIL import ImageDraw

    text = showable(title).upper() if look.case == "upper" else showable(title)
    font = face_for(text, face_named(look.font))
    if font is None:
        font = face_named(look.font)
        text = " ".join(word for word in text.split() if font.covers(word))
    if not text:
        return picture
    width, height = picture.size
    left, top, right, bottom = shape_of(width, height).safe_area(width, height)
    title_set = _fit(text, font, width=right - left, shorter=min(width, height))
    pitch = round(title_set.em * _PITCH)
    block = pitch * len(title_set.lines)
    high = _belongs_above(face, (bottom - block) / height, (top + block) / height)
    first = top + title_set.em * 0.45 if high else bottom - block
    edges = (first - title_set.em * 0.9, first + block + title_set.em * 0.5)
    shaded = _shade(picture, edges, high=high, face=face)
    draw = ImageDraw.Draw(shaded)
    pillow_font = _pillow(font, title_set.em)
    accent = look.active_colour if look.active_colour != look.colour or look.box is None else look.box.colour
    bright = accent if _luminance(accent) > 90 else "#FFE14D"
    _bar(draw, left, right, first - title_set.em * 0.42, title_set.em, bright)
    strong = _strong_word(title_set.lines)
    for row, line in enumerate(title_set.lines):
        y = first + row * pitch
        x = (width - pillow_font.getlength(line)) / 2
        for piece in _pieces(line):
            colour = bright if piece.strip(" .,:;!?\"'“”") == strong and strong else "#FFFFFF"
            stroke = max(2, round(title_set.em * _STROKE))
            draw.text((x, y), piece, font=pillow_font, fill=colour, stroke_width=stroke, stroke_fill="#0A0A0A")
            x += pillow_font.getlength(piece)
    return shaded


def _belongs_above(face: Region | None, title_top: float, title_bottom_when_above: float) -> bool:
    """Whether the title would cover the face below the middle and would not above it."""
    if face is None:
        return False
    _, top, _, bottom = face
    return bottom > title_top and top > title_bottom_when_above


def _bar(draw: object, left: float, right: float, y: float, em: int, colour: str) -> None:
    from PIL import ImageDraw

    assert isinstance(draw, ImageDraw.ImageDraw)
    middle, half, thick = (left + right) / 2, em * 0.75, max(6, round(em * 0.11))
    draw.rounded_rectangle((middle - half, y, middle + half, y + thick), radius=thick / 2, fill=colour)


def _shade(picture: "Image", edges: tuple[float, float], *, high: bool, face: Region | None) -> "Image":
    """Darkens smoothly towards the title (between `edges`) and on to the picture's edge behind it, but not the face."""
    import numpy as np
    from PIL import Image

    height = picture.size[1]
    rows = np.arange(height, dtype=np.float32)
    ramp = _LONGEST_RAMP * height
    if face is not None:
        free = face[1] * height - edges[1] if high else edges[0] - face[3] * height
        ramp = min(ramp, max(free, _SHORTEST_RAMP * height))
    dark = (edges[1] + ramp - rows) / ramp if high else (rows - edges[0] + ramp) / ramp
    smooth = np.clip(dark, 0, 1)
    keep = 1 - _SHADE * smooth * smooth * (3 - 2 * smooth)
    pixels = np.asarray(picture, dtype=np.float32) * keep[:, None, None]
    return Image.fromarray(pixels.round().astype(np.uint8))


def _pillow(face: Face, em: int) -> "FreeTypeFont":
    from PIL import ImageFont

    return ImageFont.truetype(face.path, em)


def _fit(text: str, face: Face, *, width: float, shorter: int) -> _Set:
    """The largest size at which the title fits into four lines or fewer."""
    for percent in range(100, 0, -5):
        em = round(shorter * (_SMALLEST + (_LARGEST - _SMALLEST) * percent / 100))
        limit = width - 2 * em * _STROKE
        per_em = (face.ascent + face.descent) / face.units_per_em

        def measure(line: str, size: float = em * per_em) -> float:
            return face.width(line, size)

        lines = title_lines(text.split(), measure, limit)
        if len(lines) <= _MOST_LINES and max(map(measure, lines)) <= limit and (len(lines) < 4 or percent < 60):
            return _Set(lines, em)
    kept = (
        [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1].rstrip(" .,") + "…"] if len(lines) > _MOST_LINES else lines
    )
    longest = max(map(measure, kept))
    return _Set(tuple(kept), max(12, round(em * min(1.0, limit / longest))))


def _pieces(line: str) -> list[str]:
    words = line.split(" ")
    return [word + " " for word in words[:-1]] + words[-1:]


def _strong_word(lines: Sequence[str]) -> str:
    """The word that carries the title: a number before the longest word; none where all are short."""
    words = [piece.strip(" .,:;!?\"'“”") for line in lines for piece in _pieces(line)]
    if number := next((word for word in words if any(c.isdigit() for c in word)), ""):
        return number
    longest = max(words, key=len, default="")
    return longest if len(longest) >= 5 and len(words) > 1 else ""


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
