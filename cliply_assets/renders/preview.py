"""Shows what a caption style looks like: a short film over a picture or a plain gradient, and a still of it."""

import shutil
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from cliply_assets.renders.captions import compose
from cliply_assets.renders.command import CAPTIONS_FILE, FONTS_FOLDER
from cliply_assets.renders.fonts import font_folder, fonts_by_file
from cliply_assets.renders.styles import load_style
from cliply_resources.documents import CaptionPlan, Word
from cliply_resources.documents.clips import ASPECTS, Aspect, CaptionStyle
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import silent

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["SAMPLE_WORDS", "preview_style"]

_RATE = Fraction(30)
_TEXT = "Nobody tells you that the first version is always a little embarrassing. And that's okay!"


def _spoken(text: str) -> tuple[Word, ...]:
    words, at = [], 0.15
    for word in text.split():
        seconds = 0.1 + 0.045 * len(word)
        words.append(Word(text=word, start=round(at, 3), end=round(at + seconds, 3)))
        at += seconds + (0.4 if word[-1] in ".!?" else 0.02)
    return tuple(words)


SAMPLE_WORDS = _spoken(_TEXT)
"""A sentence or two at the pace of a lively speaker."""


def preview_style(
    style: CaptionStyle,
    into: Path,
    *,
    aspect: Aspect = "9:16",
    picture: Path | None = None,
    words: tuple[Word, ...] = SAMPLE_WORDS,
    deadline_seconds: float = 120,
) -> tuple[Path, Path]:
    """Writes `{style}.mp4` and `{style}.png` (the middle of its last phrase but one) into `into`, and returns both paths.

    Raises StepFailed for an unknown style or a folder that cannot be written to, DeadlineExceeded.
    """
    width, height = ASPECTS[aspect]
    document = compose(
        CaptionPlan(style=style, words=words), width=width, height=height, look=load_style(style), frame_rate=_RATE
    )
    seconds = words[-1].end + 0.4
    into.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".preview-", dir=into))
    try:
        (work / CAPTIONS_FILE).write_text(document.text, encoding="utf-8")
        font_folder(fonts_by_file(document.faces), work / FONTS_FOLDER)
        (work / "background.rgb").write_bytes(_background(picture, width, height).tobytes())
        drawn = f"format=yuv420p,ass={CAPTIONS_FILE}:fontsdir={FONTS_FOLDER}"
        still_at = words[len(words) * 2 // 3].end
        run_ffmpeg(
            [
                *("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{width}x{height}", "-framerate", "30"),
                *("-stream_loop", "-1", "-t", f"{seconds:.3f}", "-i", "file:background.rgb"),
                *("-filter_complex", f"[0:v]{drawn},split[v][s];[s]select='gte(t,{still_at:.3f})'[p]"),
                *("-map", "[v]", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"),
                *("-movflags", "+faststart", "-f", "mp4", "file:preview.mp4"),
                *("-map", "[p]", "-frames:v", "1", "-c:v", "png", "-update", "1", "-f", "image2", "file:preview.png"),
            ],
            duration=seconds,
            progress=silent,
            deadline_seconds=deadline_seconds,
            doing=f"drawing the caption style {style}",
            cwd=work,
        )
        film, still = into / f"{style}.mp4", into / f"{style}.png"
        (work / "preview.mp4").replace(film)
        (work / "preview.png").replace(still)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return film, still


def _background(picture: Path | None, width: int, height: int) -> "Image":
    """The picture cut to fill the frame, or a gradient with light and dark parts, where legibility shows."""
    import numpy as np
    from PIL import Image, ImageOps

    if picture is not None:
        with Image.open(picture) as given:
            return ImageOps.fit(given.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    mix = ((down + across) / 2)[..., None]
    pixels = (1 - mix) * np.array([34, 38, 74]) + mix * np.array([244, 208, 180])
    return Image.fromarray(pixels.round().astype(np.uint8))
