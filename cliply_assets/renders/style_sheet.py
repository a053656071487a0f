"""Every caption style on light, dark and busy pictures: one PNG to look at, one short film to see them move."""

import shutil
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cliply_assets.renders.captions import CaptionDocument, compose
from cliply_assets.renders.fonts import Face, face_named, font_folder, fonts_by_file
from cliply_assets.renders.styles import CaptionLook, shape_of
from cliply_resources.documents import CaptionPlan, Word
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import silent

__all__ = ["SHEET_TEXT", "backgrounds", "sheet_words", "write_style_sheet"]

SHEET_TEXT = "Nobody told me this: the first 3 seconds decide. And then you have them!"
RATE = Fraction(25)
_CELL = (360, 640)
_TOP, _HIGH = 310, 260  # the part of an upright picture that captions use
_WORD, _PAUSE = 0.32, 0.18  # s
_LABEL_HEIGHT = 44
_SHOWN_AT = 0.7  # of the film: a phrase of two lines stands, and one of its words is active

Picture = npt.NDArray[np.uint8]


def sheet_words(text: str) -> tuple[Word, ...]:
    """The text as words that are said at an even pace, with a breath after each clause."""
    words, at = [], 0.15
    for part in text.split():
        words.append(Word(text=part, start=round(at, 3), end=round(at + _WORD, 3)))
        at += _WORD + (_PAUSE if part[-1] in ":.,!?" else 0.0)
    return tuple(words)


def backgrounds(width: int, height: int) -> tuple[Picture, ...]:
    """A nearly white picture, a nearly black one, and one of many small bright and dark spots; RGB."""
    rows = np.linspace(0, 1, height)[:, None, None]
    light = np.broadcast_to(250 - 22 * rows * np.array([1.0, 0.9, 0.7]), (height, width, 3))
    dark = np.broadcast_to(14 + 22 * rows * np.array([0.6, 0.7, 1.0]), (height, width, 3))
    rng = np.random.default_rng(5)
    busy = np.zeros((height, width, 3))
    for size, weight in ((8, 0.5), (24, 0.35), (90, 0.15)):
        small = rng.uniform(0, 255, (height // size + 2, width // size + 2, 3))
        busy += weight * np.repeat(np.repeat(small, size, axis=0), size, axis=1)[:height, :width]
    grey = busy.mean(axis=2, keepdims=True)
    busy = np.clip((0.35 * busy + 0.65 * grey - 127) * 2.2 + 135, 0, 255)
    return tuple(np.ascontiguousarray(picture.astype(np.uint8)) for picture in (light, dark, busy))


def write_style_sheet(
    looks: Sequence[CaptionLook], into: Path, *, text: str = SHEET_TEXT, deadline_seconds: float = 300
) -> tuple[Path, Path]:
    """`caption-styles.png` and `caption-styles.mp4` in the folder `into`: a column a style, a row a background.

    Raises StepFailed and DeadlineExceeded as every use of ffmpeg, and where a font is not there.
    """
    width, height = _CELL
    words = sheet_words(text)
    seconds = words[-1].end + 0.6
    documents = [_captions(look, words) for look in looks]
    into.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".styles-", dir=into))
    try:
        label = face_named("Manrope ExtraBold")
        _write_files(work, looks, documents, label)
        frames = round(seconds * RATE)
        run_ffmpeg(
            [
                *("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{width * 3}x{height}"),
                *("-framerate", str(RATE), "-stream_loop", "-1", "-i", "file:backgrounds.raw"),
                *("-filter_complex", _graph(len(looks), frames), "-map", "[film]", "-frames:v", str(frames)),
                *("-c:v", "libx264", "-preset", "veryfast", "-crf", "22", "-pix_fmt", "yuv420p"),
                *("-movflags", "+faststart", "file:sheet.mp4"),
                *("-map", "[still]", "-frames:v", "1", "-c:v", "png", "-update", "1", "-f", "image2", "file:sheet.png"),
            ],
            duration=seconds,
            progress=silent,
            deadline_seconds=deadline_seconds,
            doing="drawing the caption styles",
            cwd=work,
        )
        made = into / "caption-styles.png", into / "caption-styles.mp4"
        (work / "sheet.png").replace(made[0])
        (work / "sheet.mp4").replace(made[1])
        return made
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _captions(look: CaptionLook, words: Sequence[Word]) -> CaptionDocument:
    plan = CaptionPlan(style="highlight_word", words=tuple(words))
    return compose(plan, width=_CELL[0], height=_CELL[1], look=look, frame_rate=RATE)


def _write_files(work: Path, looks: Sequence[CaptionLook], documents: Sequence[CaptionDocument], label: Face) -> None:
    pictures = np.concatenate(backgrounds(*_CELL), axis=1)
    (work / "backgrounds.raw").write_bytes(pictures.tobytes())
    for number, (look, document) in enumerate(zip(looks, documents, strict=True)):
        (work / f"style{number}.ass").write_text(document.text, encoding="utf-8")
        (work / f"label{number}.ass").write_text(_label(look.name.replace("_", " "), label), encoding="utf-8")
    faces = {face for document in documents for face in document.faces} | {label}
    font_folder(fonts_by_file(faces), work / "fonts")


def _label(name: str, face: Face) -> str:
    left, _, right, _ = shape_of(*_CELL).safe_area(*_CELL)
    shown = "".join(c for c in name if c.isalnum() or c == " ")
    return (
        f"[Script Info]\nScriptType: v4.00+\nPlayResX: {_CELL[0]}\nPlayResY: {_LABEL_HEIGHT}\n\n[V4+ Styles]\n"
        "Format: Name, Fontname, Fontsize, PrimaryColour, Alignment\n"
        f"Style: L,{face.family},26,&H00FFFFFF,5\n\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
        f"Dialogue: 0,0:00:00.00,9:00:00.00,L,{{\\pos({(left + right) / 2:.0f},{_LABEL_HEIGHT / 2:.0f})}}{shown}\n"
    )


def _graph(count: int, frames: int) -> str:
    width, height = _CELL
    parts = [f"[0:v]format=yuv444p,split={count}" + "".join(f"[s{n}]" for n in range(count))]
    for n in range(count):
        cells = "".join(f"[c{n}x{row}]" for row in range(3))
        parts.append(f"[s{n}]split=3{cells}")
        parts += [
            f"[c{n}x{row}]crop={width}:{height}:{row * width}:0,ass=style{n}.ass:fontsdir=fonts,"
            f"crop={width}:{_HIGH}:0:{_TOP}[d{n}x{row}]"
            for row in range(3)
        ]
        stacked = "".join(f"[d{n}x{row}]" for row in range(3))
        parts.append(
            f"{stacked}vstack=3,pad={width}:{3 * _HIGH + _LABEL_HEIGHT}:0:{_LABEL_HEIGHT}:color=0x1B1D24[p{n}];"
            f"[p{n}]split[q{n}][r{n}];[q{n}]crop={width}:{_LABEL_HEIGHT}:0:0,ass=label{n}.ass:fontsdir=fonts[t{n}];"
            f"[r{n}]crop={width}:{3 * _HIGH}:0:{_LABEL_HEIGHT}[b{n}];[t{n}][b{n}]vstack[k{n}]"
        )
    joined = "".join(f"[k{n}]" for n in range(count))
    together = f"{joined}hstack={count}" if count > 1 else f"{joined}null"
    shown = round(frames * _SHOWN_AT)
    parts.append(f"{together},format=yuv420p,split[film][still0];[still0]select='eq(n,{shown})'[still]")
    return ";".join(parts)
