"""The hook line as a title on the first seconds of a clip: where it stands, how large, and how it is drawn.

It lies on light plates inside what the platforms leave free, never over a face or a caption, and fades out. Where no place is free it
is not drawn at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cliply_assets.renders.caption_motion import Event, escaped, number, paint, rounded
from cliply_assets.renders.fonts import Face, face_for, showable
from cliply_assets.renders.line_breaks import title_lines
from cliply_assets.renders.styles import shape_of
from cliply_resources.brands.colours import contrast
from cliply_resources.documents.clips import HookPlan

__all__ = ["Box", "HookRoom", "hook_events", "hook_face", "plan_hook"]

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in output pixels."""

_LARGEST, _SMALLEST = 116.0, 72.0  # ASS font size on a picture whose shorter side is 1080
_STEP = 4.0
_MOST_LINES = 3
_PAD_X, _PAD_Y = 0.26, 0.2  # of the font size: the plate beyond the letters, and above and below the capitals
_RADIUS = 0.16  # of the font size
_GAP = 0.014  # of the height, to captions and marks
_HAIR, _CHIN, _CHEEK = 0.35, 0.1, 0.1  # of a face's size: a head is more than what a detector marks
_WHERE = {"9:16": 0.24, "4:5": 0.18, "1:1": 0.17, "16:9": 0.17}  # of the height: where its middle lies if it can
_READING, _SETTLING = 0.36, 1.1  # s a word, s before the first
_SHORTEST, _LONGEST = 2.4, 4.5  # s
_OF_CLIP = 0.5  # it is gone before half of the clip is
_FADE = 300  # ms
_PLATE, _INK = "#FFFFFF", "#0B0B10"
_READABLE = 4.5
_LAYERS = (10, 11)  # above captions


@dataclass(frozen=True)
class HookRoom:
    """The picture that a title is to be placed in, and what it must keep clear of."""

    width: int
    height: int
    frame_rate: Fraction
    frames: int
    faces: Sequence[Box] = ()
    """Of everybody who is seen while the title stands."""
    taken: Sequence[Box] = ()
    """Captions, logo and watermark."""


def hook_face(text: str, preferred: Face) -> Face | None:
    """The font that has all letters of the title; nothing where no font has."""
    return face_for(text, preferred)


def plan_hook(text: str, room: HookRoom, preferred: Face, *, plate: str | None = None) -> HookPlan | None:
    """The title's lines, size, place and time; nothing where it says nothing, no font has its letters, or no place is free."""
    shown = showable(text)
    face = hook_face(shown, preferred) if shown else None
    seconds = min(_LONGEST, max(_SHORTEST, _SETTLING + _READING * len(shown.split())))
    frames = min(round(seconds * room.frame_rate), int(room.frames * _OF_CLIP))
    if face is None or frames < room.frame_rate:
        return None
    shape = shape_of(room.width, room.height)
    scale = shape.scale * min(room.width, room.height) / 1080
    size = _LARGEST
    while size >= _SMALLEST:
        lines = _lines(shown, face, size * scale, room)
        top = _place(lines, face, size * scale, room) if lines is not None else None
        if lines is not None and top is not None:
            ground = plate or _PLATE
            ink = _INK if contrast(_INK, ground) >= _READABLE else "#FFFFFF"
            return HookPlan(
                lines=lines,
                size=round(size * scale, 2),
                top=round(top, 1),
                frames=frames,
                colour=ink,
                plate_colour=ground,
            )
        size -= _STEP
    return None


def hook_events(plan: HookPlan, face: Face, *, width: int) -> Iterator[Event]:
    """The plates as one drawing, so that they fade as one, and a line of letters on each."""
    fade = f"\\fad(0,{_FADE})"
    capitals = face.cap_height * face.pixels_per_unit(plan.size)
    step = capitals + 2 * _PAD_Y * plan.size
    wide = [face.width(line, plan.size) + 2 * _PAD_X * plan.size for line in plan.lines]
    drawing = " ".join(
        rounded(
            w,
            step + (1.0 if row + 1 < len(wide) else 0.0),
            _RADIUS * plan.size,
            left=(max(wide) - w) / 2,
            top=row * step,
        )
        for row, w in enumerate(wide)
    )
    place = f"\\an7\\pos({number((width - max(wide)) / 2)},{number(plan.top)})\\p1{paint(plan.plate_colour)}{fade}"
    yield Event(_LAYERS[0], 0, plan.frames, None, f"{{{place}}}{drawing}")
    unit = face.pixels_per_unit(plan.size)
    for row, line in enumerate(plan.lines):
        baseline = plan.top + row * step + _PAD_Y * plan.size + capitals
        middle = baseline - (face.ascent - face.descent) / 2 * unit
        size = f"\\fs{number(plan.size * face.enlarged)}"
        tags = f"\\pos({number(width / 2)},{number(middle)}){size}\\bord0\\shad0{paint(plan.colour)}{fade}"
        yield Event(_LAYERS[1], 0, plan.frames, face, f"{{{tags}}}{escaped(line)}")


def _lines(text: str, face: Face, size: float, room: HookRoom) -> tuple[str, ...] | None:
    left, _, right, _ = shape_of(room.width, room.height).safe_area(room.width, room.height)
    limit = right - left - 2 * _PAD_X * size
    lines = title_lines(text.split(), lambda line: face.width(line, size), limit)
    fits = len(lines) <= _MOST_LINES and all(face.width(line, size) <= limit for line in lines)
    return lines if fits else None


def _place(lines: Sequence[str], face: Face, size: float, room: HookRoom) -> float | None:
    """The top edge that brings the title's middle nearest to where titles belong, clear of everything; nothing where none is."""
    shape = shape_of(room.width, room.height)
    _, top, _, bottom = shape.safe_area(room.width, room.height)
    half = max(face.width(line, size) for line in lines) / 2 + _PAD_X * size
    left, right = room.width / 2 - half, room.width / 2 + half
    high = len(lines) * (face.cap_height * face.pixels_per_unit(size) + 2 * _PAD_Y * size)
    gap = _GAP * room.height
    blocked = [_head(box) for box in room.faces]
    blocked += [(box[0], box[1] - gap, box[2], box[3] + gap) for box in room.taken]
    crossing = sorted((box[1], box[3]) for box in blocked if box[0] < right and left < box[2])
    wanted = _WHERE[shape.aspect] * room.height - high / 2
    free: list[float] = []
    at = top
    for start, end in [*crossing, (bottom, bottom)]:
        if min(start, bottom) - at >= high:
            free.append(min(max(wanted, at), min(start, bottom) - high))
        at = max(at, end)
    return min(free, key=lambda place: abs(place - wanted)) if free else None


def _head(box: Box) -> Box:
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    return left - _CHEEK * wide, top - _HAIR * high, right + _CHEEK * wide, bottom + _CHIN * high
