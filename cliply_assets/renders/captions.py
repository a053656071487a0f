"""Writes captions as an ASS document in which no user text can ever become an instruction to libass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cliply_assets.renders.caption_layout import lay_out
from cliply_assets.renders.caption_motion import Event, animate
from cliply_assets.renders.emoji import PlacedEmoji, emoji_events, place_emoji
from cliply_assets.renders.fonts import Face, face_named
from cliply_assets.renders.hook_title import Box, hook_events, hook_face
from cliply_assets.renders.styles import CaptionLook
from cliply_resources.documents.clips import CaptionPlan, HookPlan

__all__ = ["CaptionDocument", "compose", "write_ass"]


LIGHT = 600
"""Weights below this one are too thin for a caption."""


@dataclass(frozen=True)
class CaptionDocument:
    """A finished ASS text, the faces libass must pick for it, and the words it had to leave out."""

    text: str
    faces: tuple[Face, ...]
    omitted: tuple[str, ...]
    occupied: Box | None = None
    """Left, top, right and bottom of everything that is ever drawn."""


def write_ass(
    plan: CaptionPlan, *, width: int, height: int, style: CaptionLook, frame_rate: Fraction = Fraction(30)
) -> str:
    """The captions of a clip as ASS text for a `width` × `height` picture, every change on a frame of `frame_rate`."""
    return compose(plan, width=width, height=height, look=style, frame_rate=frame_rate).text


def compose(
    plan: CaptionPlan,
    *,
    width: int,
    height: int,
    look: CaptionLook,
    frame_rate: Fraction = Fraction(30),
    own: Face | None = None,
    hook: HookPlan | None = None,
) -> CaptionDocument:
    """What `write_ass` writes, together with what a render spec and a provenance note must name.

    `own` is a face that Cliply does not bring; `look.font` is then its family. `hook` is a title over the first seconds.
    """
    layout = lay_out(plan, width=width, height=height, look=look, frame_rate=frame_rate, own=own)
    titled = hook_face(" ".join(hook.lines), own or face_named(look.font)) if hook is not None else None
    faces = layout.faces if titled is None or titled in layout.faces else (*layout.faces, titled)
    events = list(animate(layout, look, frame_rate, plan.speakers or {}))
    placed = place_emoji(
        plan.emoji or (), layout, look, width=width, height=height, frame_rate=frame_rate, beside=bool(plan.centre)
    )
    events += emoji_events(placed)
    if hook is not None and titled is not None:
        events += hook_events(hook, titled, width=width)
    lines = [*_header(width, height), *_styles(faces, layout.scale, look), *_events(events, faces, frame_rate)]
    return CaptionDocument(
        text="\n".join(lines) + "\n", faces=faces, omitted=layout.omitted, occupied=_around(layout.occupied, placed)
    )


def _around(occupied: Box | None, placed: Sequence[PlacedEmoji]) -> Box | None:
    """All of the words' box and the emoji."""
    boxes = [*([occupied] if occupied else []), *(one.box for one in placed)]
    if not boxes:
        return None
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _header(width: int, height: int) -> Iterator[str]:
    yield "[Script Info]"
    yield "ScriptType: v4.00+"
    yield f"PlayResX: {width}"
    yield f"PlayResY: {height}"
    # 2: lines break only where we break them.
    yield "WrapStyle: 2"
    yield "ScaledBorderAndShadow: yes"
    yield ""


def _styles(faces: Sequence[Face], scale: float, look: CaptionLook) -> Iterator[str]:
    yield "[V4+ Styles]"
    yield (
        "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, "
        "Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, "
        "MarginV, Encoding"
    )
    shadow_alpha = round(255 * (1 - look.shadow_opacity))
    outline = _number(look.outline * scale)
    shadow = _number(look.shadow * scale if look.shadow_opacity else 0)
    for index, face in enumerate(faces):
        # What comes in a common weight only is drawn bolder.
        bold = -1 if face.bundled and face.weight < LIGHT else 0
        yield (
            f"Style: S{index},{face.family},{_number(look.size * scale)},{_style_colour(look.colour)},"
            f"{_style_colour(look.colour)},{_style_colour(look.outline_colour)},&H{shadow_alpha:02X}000000,{bold},0,0,0,100,100,0,0,"
            f"1,{outline},{shadow},5,0,0,0,1"
        )
    # A drawing still asks for a font, and must not be the one line that names another.
    plate = faces[0].family if faces else look.font
    yield f"Style: Plate,{plate},20,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,0,0,7,0,0,0,1"
    yield ""


def _events(events: Iterable[Event], faces: Sequence[Face], frame_rate: Fraction) -> Iterator[str]:
    yield "[Events]"
    yield "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
    styles = {face: f"S{index}" for index, face in enumerate(faces)}
    for event in _in_order(events):
        style = "Plate" if event.face is None else styles[event.face]
        start, end = _clock(event.first_frame, frame_rate), _clock(event.end_frame, frame_rate)
        yield f"Dialogue: {event.layer},{start},{end},{style},,0,0,0,,{event.text}"


def _in_order(events: Iterable[Event]) -> list[Event]:
    shown = (event for event in events if event.first_frame < event.end_frame)
    return sorted(shown, key=lambda event: (event.first_frame, event.layer))


def _clock(frame: int, frame_rate: Fraction) -> str:
    # ASS counts hundredths. The last hundredth at or before the frame is never as early as the frame before it (up to 100
    # frames a second), so what is shown changes on exactly this frame.
    hundredths = int(frame * 100 / frame_rate)
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


def _style_colour(colour: str) -> str:
    return f"&H00{colour[5:7]}{colour[3:5]}{colour[1:3]}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
