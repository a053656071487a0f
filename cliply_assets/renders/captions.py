"""Writes captions as an ASS document in which no user text can ever become an instruction to libass."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from cliply_assets.renders.caption_layout import CaptionLayout, lay_out
from cliply_assets.renders.caption_motion import Event, animate
from cliply_assets.renders.fonts import Face
from cliply_assets.renders.styles import CaptionLook
from cliply_resources.documents.clips import CaptionPlan

__all__ = ["CaptionDocument", "compose", "write_ass"]


LIGHT = 600
"""Weights below this one are too thin for a caption."""


@dataclass(frozen=True)
class CaptionDocument:
    """A finished ASS text, the faces libass must pick for it, and the words it had to leave out."""

    text: str
    faces: tuple[Face, ...]
    omitted: tuple[str, ...]
    occupied: tuple[float, float, float, float] | None = None
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
) -> CaptionDocument:
    """What `write_ass` writes, together with what a render spec and a provenance note must name.

    `own` is a face that Cliply does not bring; `look.font` is then its family.
    """
    layout = lay_out(plan, width=width, height=height, look=look, frame_rate=frame_rate, own=own)
    lines = [*_header(width, height), *_styles(layout, look), *_events(layout, look, frame_rate)]
    return CaptionDocument(
        text="\n".join(lines) + "\n", faces=layout.faces, omitted=layout.omitted, occupied=layout.occupied
    )


def _header(width: int, height: int) -> Iterator[str]:
    yield "[Script Info]"
    yield "ScriptType: v4.00+"
    yield f"PlayResX: {width}"
    yield f"PlayResY: {height}"
    # 2: lines break only where we break them.
    yield "WrapStyle: 2"
    yield "ScaledBorderAndShadow: yes"
    yield ""


def _styles(layout: CaptionLayout, look: CaptionLook) -> Iterator[str]:
    yield "[V4+ Styles]"
    yield (
        "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, "
        "Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, "
        "MarginV, Encoding"
    )
    shadow_alpha = round(255 * (1 - look.shadow_opacity))
    outline = _number(look.outline * layout.scale)
    shadow = _number(look.shadow * layout.scale if look.shadow_opacity else 0)
    for index, face in enumerate(layout.faces):
        # What comes in a common weight only is drawn bolder.
        bold = -1 if face.bundled and face.weight < LIGHT else 0
        yield (
            f"Style: S{index},{face.family},{_number(look.size * layout.scale)},{_style_colour(look.colour)},"
            f"{_style_colour(look.colour)},{_style_colour(look.outline_colour)},&H{shadow_alpha:02X}000000,{bold},0,0,0,100,100,0,0,"
            f"1,{outline},{shadow},5,0,0,0,1"
        )
    # A drawing still asks for a font, and must not be the one line that names another.
    plate = layout.faces[0].family if layout.faces else look.font
    yield f"Style: Plate,{plate},20,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,0,0,7,0,0,0,1"
    yield ""


def _events(layout: CaptionLayout, look: CaptionLook, frame_rate: Fraction) -> Iterator[str]:
    yield "[Events]"
    yield "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
    styles = {face: f"S{index}" for index, face in enumerate(layout.faces)}
    for event in _in_order(animate(layout, look, frame_rate)):
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
