"""A colour of their own for each speaker's captions, readable with any style and unlike the style's own."""

import colorsys
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from cliply_assets.renders.styles import CaptionLook
from cliply_resources.brands.colours import LEAST_CONTRAST, contrast
from cliply_resources.documents import Word
from cliply_resources.documents.looks import SpeakerTone

__all__ = ["MOST_SPEAKERS", "plan_speakers", "speaker_tones", "toned"]

MOST_SPEAKERS = 6
"""Who can be told apart by colour; those after share the colours of the first."""

READABLE = 4.5
"""Contrast of letters with what surrounds them, after WCAG 2.2 for small text: captions move, and their background does, too."""

_PALETTE = (
    # soft (words), vivid (the spoken word), plate (behind white letters), deep (letters on something light)
    ("#B5F0FF", "#3DDCFF", "#0284C7", "#00607F"),
    ("#C6FFC9", "#5CFF6B", "#15924A", "#146325"),
    ("#FFD0EA", "#FF7AC6", "#DB2777", "#9D1762"),
    ("#FFDDBD", "#FFA04D", "#D9560B", "#8F3C00"),
    ("#E4D8FF", "#BE9BFF", "#7A3CFF", "#5B21C9"),
    ("#FFF4B8", "#FFE14D", "#A16207", "#6B5300"),
    ("#FFD3CE", "#FF8075", "#DC2626", "#A01F18"),
    ("#D3E2FF", "#86B4FF", "#2563EB", "#1A49AE"),
)
_GREY = 0.15  # saturation below which a colour has no hue to be mistaken for
_STEP = 0.08
_APART = 0.1  # of the circle of hues


def plan_speakers(
    look: CaptionLook, shown: Iterable[Word], spoken: Iterable[Word], *, wanted: bool | UnsetType
) -> dict[str, SpeakerTone] | UnsetType:
    """Whose captions in a clip have which colours; absent where all have the style's own.

    Whoever speaks first in `spoken`, the whole film, has the style's own colours in every clip of it. Without a wish the others get colours
    where two or more are heard in the clip (`shown`), with one wherever they speak.
    """
    here = list(dict.fromkeys(word.speaker for word in shown if word.speaker is not None))
    if wanted is False or not here or (wanted is UNSET and len(here) < 2):
        return UNSET
    order = list(dict.fromkeys(word.speaker for word in spoken if word.speaker is not None))
    order += [name for name in here if name not in order]
    tones = speaker_tones(look, min(len(order), MOST_SPEAKERS))
    given = {name: tones[order.index(name) % MOST_SPEAKERS - 1] for name in here if order.index(name) % MOST_SPEAKERS}
    return given or UNSET


def speaker_tones(look: CaptionLook, speakers: int) -> tuple[SpeakerTone, ...]:
    """Colours of the second speaker and those after: the style's own where it names them, otherwise as far from each other as can be."""
    own = look.speakers or ()
    tones = list(own[: speakers - 1])
    taken = [hue for hue in (_hue(_accent(look)), *(_hue(_mark(look, tone)) for tone in own)) if hue is not None]
    left = list(_PALETTE)
    while len(tones) < speakers - 1:
        far = (entry for entry in left if _distance(entry[1], taken) >= _APART)
        entry = next(far, None) or max(left, key=lambda one: _distance(one[1], taken))
        left.remove(entry)
        hue = _hue(entry[1])
        taken += [hue] if hue is not None else []
        tones.append(_tone(look, entry))
    return tuple(tones)


def toned(look: CaptionLook, tone: SpeakerTone | None) -> CaptionLook:
    """The style in a speaker's colours."""
    if tone is None:
        return look
    box = look.box
    if box is not None and tone.plate_colour is not None:
        box = msgspec.structs.replace(box, colour=tone.plate_colour)
    return msgspec.structs.replace(look, colour=tone.colour, active_colour=tone.active_colour, box=box)


def _tone(look: CaptionLook, entry: Sequence[str]) -> SpeakerTone:
    soft, vivid, plate, deep = entry
    if look.box is not None and look.box.around == "word":
        # The plate tells who speaks; the letters on it stay those of the style where they can be read there.
        on_plate = max(
            (look.active_colour, "#FFFFFF", "#000000"), key=lambda colour: min(contrast(colour, plate), LEAST_CONTRAST)
        )
        return SpeakerTone(colour=look.colour, active_colour=on_plate, plate_colour=plate)
    ground = _ground(look)
    light = contrast("#FFFFFF", ground) >= contrast("#000000", ground)
    words, spoken = (soft, vivid) if light else (deep, deep)
    if look.animation == "fill":
        words = look.colour  # colour runs into the words, and stays
    elif look.animation == "type":
        words = vivid if light else deep  # of the active colour there is only a caret
    return SpeakerTone(colour=_readable(words, ground), active_colour=_readable(spoken, ground))


def _ground(look: CaptionLook) -> str:
    """What the letters stand on: their plate, or the outline that keeps the picture away from them."""
    if look.box is not None and look.box.around == "line":
        return look.box.colour
    return look.outline_colour if look.outline else "#000000"


def _readable(colour: str, ground: str) -> str:
    """The colour, mixed with as little white or black as makes it stand out from its ground."""
    goal = "#FFFFFF" if contrast("#FFFFFF", ground) >= contrast("#000000", ground) else "#000000"
    share = 0.0
    mixed = colour
    while contrast(mixed, ground) < READABLE and share < 1:
        share = min(1.0, share + _STEP)
        mixed = "#" + "".join(
            f"{round(a + (b - a) * share):02X}" for a, b in zip(_parts(colour), _parts(goal), strict=True)
        )
    return mixed


def _accent(look: CaptionLook) -> str:
    """The colour by which the style is known."""
    if look.box is not None and look.box.around == "word":
        return look.box.colour
    return look.active_colour


def _mark(look: CaptionLook, tone: SpeakerTone) -> str:
    return tone.plate_colour if look.box is not None and tone.plate_colour is not None else tone.active_colour


def _distance(colour: str, taken: Sequence[float]) -> float:
    hue = _hue(colour)
    if hue is None or not taken:
        return 0.5
    return min(min(abs(hue - other), 1 - abs(hue - other)) for other in taken)


def _hue(colour: str) -> float | None:
    red, green, blue = (part / 255 for part in _parts(colour))
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return hue if saturation >= _GREY else None


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
