"""A caption style as a document: what a style file holds, and what a render spec keeps of a style that is not Cliply's own."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from cliply_resources.documents.brands import Colour

__all__ = ["CENTRES", "FAMILIES", "FONT_NAMES", "CaptionBox", "CaptionLook", "SpeakerTone", "StyleName"]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Pixels = Annotated[float, msgspec.Meta(ge=0, le=400)]
StyleName = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]*$(?!\n)")]
Said = Annotated[str, msgspec.Meta(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
FontName = Literal["Manrope ExtraBold", "Source Sans Pro Black", "Roboto Black"]
AspectName = Literal["9:16", "4:5", "1:1", "16:9"]
Family = Literal["highlight_word", "karaoke", "pop_in", "typewriter", "bounce"]

FONT_NAMES: tuple[FontName, ...] = ("Manrope ExtraBold", "Source Sans Pro Black", "Roboto Black")
"""The fonts for Latin letters that Cliply brings; a font of one's own comes with a brand kit."""

CENTRES: dict[AspectName, float] = {"9:16": 0.69, "4:5": 0.78, "1:1": 0.8, "16:9": 0.82}
"""Where the middle of captions lies where a style does not say, as a share of the picture's height."""

FAMILIES: dict[str, Family] = {
    "tint": "highlight_word",
    "fill": "karaoke",
    "pop": "pop_in",
    "type": "typewriter",
    "bounce": "bounce",
}
"""By animation: the style of Cliply's own that moves in that way."""


class CaptionBox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rounded plate behind the words."""

    around: Literal["word", "line"]
    """`word`: behind the spoken word only; `line`: behind each line for as long as the phrase stands."""
    colour: Colour
    opacity: Share = 1.0
    padding: tuple[Pixels, Pixels]
    """Beyond the letters' width, and above and below their capitals."""
    radius: Pixels


class SpeakerTone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The colours of one speaker's captions."""

    colour: Colour
    """Of words."""
    active_colour: Colour
    """Of the word that is being spoken."""
    plate_colour: Colour | None = None
    """Of the plate behind the spoken word, in styles that have one."""


class CaptionLook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a caption style decides. Lengths are pixels on a picture whose shorter side is 1080."""

    name: StyleName
    description: Said = ""
    font: FontName
    size: Annotated[float, msgspec.Meta(ge=20, le=300)]
    """ASS font size: ascent plus descent, about 1.4 times the em."""
    colour: Colour
    active_colour: Colour
    """Of the word that is being spoken."""
    outline_colour: Colour
    outline: Pixels
    shadow: Pixels
    shadow_opacity: Share
    box: CaptionBox | None = None
    case: Literal["upper", "lower", "as_spoken"]
    punctuation: Literal["keep", "light"]
    """`light` drops commas and full stops at word ends, as short social captions do."""
    words_per_line: Annotated[int, msgspec.Meta(ge=1, le=8)]
    lines: Annotated[int, msgspec.Meta(ge=1, le=2)]
    line_pitch: Annotated[float, msgspec.Meta(ge=0.6, le=2)]
    """Distance of baselines as a multiple of `size`."""
    word_gap: Annotated[float, msgspec.Meta(ge=0.5, le=3)]
    """Multiple of the font's own space."""
    animation: Literal["tint", "fill", "pop", "type", "bounce"]
    active_scale: Annotated[float, msgspec.Meta(ge=1, le=1.5)]
    """How much larger the spoken word grows at its peak."""
    centre: dict[AspectName, Share] = {}
    """Where the middle of the caption lies, as a share of the picture height; an absent shape has Cliply's usual place."""
    speakers: Annotated[tuple[SpeakerTone, ...], msgspec.Meta(max_length=8)] | UnsetType = UNSET
    """Of the second speaker and those after; where there are too few, Cliply finds others that can be read."""

    @property
    def family(self) -> Family:
        """The style of Cliply's own that moves as this one does."""
        return FAMILIES[self.animation]

    def centre_of(self, aspect: AspectName) -> float:
        """Where the middle of the caption lies on such a picture."""
        return self.centre.get(aspect, CENTRES[aspect])
