"""Turns flat emoji pictures (SVG paths of one colour each) into drawings that libass understands.

    python -m cliply_assets.renders.emoji.convert icons.json

writes `drawings.json` for every emoji of `dictionary.json`; `icons.json` is that of the npm package `@iconify-json/fluent-emoji-flat`. For
whoever adds an emoji: Cliply itself reads the result only.
"""

import re
import sys
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["UNITS", "drawing_of", "write_drawings"]

UNITS = 512
"""A drawing's width and height."""

_SHAPE = re.compile(r"<(?P<kind>path|circle)\b(?P<attributes>[^>]*)/?>")
_ATTRIBUTE = re.compile(r'\b(?P<name>[\w-]+)="(?P<value>[^"]*)"')
_PLAIN = re.compile(r"</?(?:g|path|circle)\b[^>]*>")


def drawing_of(body: str, size: float) -> list[tuple[str, str]]:
    """Colour and ASS drawing commands of each shape, lowest first.

    Raises:
        ValueError: the picture has something that a shape of one colour cannot show.
    """
    from fontTools.pens.recordingPen import DecomposingRecordingPen
    from fontTools.pens.transformPen import TransformPen
    from fontTools.svgLib.path import parse_path

    if _PLAIN.sub("", body).strip() or "opacity" in body or "stroke" in body:
        raise ValueError("not of plain shapes")
    shapes = []
    for found in _SHAPE.finditer(body):
        attributes = {match["name"]: match["value"] for match in _ATTRIBUTE.finditer(found["attributes"])}
        pen = DecomposingRecordingPen(None)
        path = attributes["d"] if found["kind"] == "path" else _circle(attributes)
        parse_path(path, TransformPen(pen, (UNITS / size, 0, 0, UNITS / size, 0, 0)))
        shapes.append((_colour(attributes["fill"]), " ".join(_commands(pen.value))))
    return shapes


def _circle(attributes: dict[str, str]) -> str:
    x, y, r = (float(attributes[name]) for name in ("cx", "cy", "r"))
    return f"M{x - r} {y}a{r} {r} 0 1 1 {2 * r} 0a{r} {r} 0 1 1 {-2 * r} 0z"


def _colour(fill: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?", fill):
        raise ValueError(f"{fill} is no plain colour")
    digits = fill[1:] if len(fill) == 7 else "".join(2 * digit for digit in fill[1:])
    return f"#{digits.upper()}"


def _commands(steps: list[tuple[str, tuple[Any, ...]]]) -> list[str]:
    said: list[str] = []
    pen = (0.0, 0.0)
    for name, points in steps:
        at = " ".join(f"{round(x)} {round(y)}" for x, y in points)
        match name:
            case "moveTo":
                said.append(f"m {at}")
            case "lineTo":
                said.append(f"l {at}")
            case "curveTo":
                said.append(f"b {at}")
            case "qCurveTo":
                # libass knows cubic curves only.
                (x, y), (to_x, to_y) = points
                first = (pen[0] + 2 * (x - pen[0]) / 3, pen[1] + 2 * (y - pen[1]) / 3)
                second = (to_x + 2 * (x - to_x) / 3, to_y + 2 * (y - to_y) / 3)
                said.append("b " + " ".join(f"{round(a)} {round(b)}" for a, b in (first, second, (to_x, to_y))))
            case "closePath" | "endPath":
                pass  # libass closes what it fills
            case _:
                raise ValueError(f"{name} cannot be drawn")
        pen = points[-1] if points else pen
    return said


def write_drawings(icons: Path) -> int:
    """Writes the drawings of all emoji of the dictionary, and returns how many there are."""
    folder = Path(__file__).parent
    known = msgspec.json.decode((folder / "dictionary.json").read_bytes())
    pictures = msgspec.json.decode(icons.read_bytes())
    drawn = {
        emoji: drawing_of(pictures["icons"][entry["icon"]]["body"], pictures.get("width", 32))
        for emoji, entry in known.items()
    }
    lines = [
        f"  {msgspec.json.encode(emoji).decode()}: {msgspec.json.encode(shapes).decode()}"
        for emoji, shapes in drawn.items()
    ]
    (folder / "drawings.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return len(drawn)


if __name__ == "__main__":
    print(write_drawings(Path(sys.argv[1])))  # noqa: T201 - said to who ran it
