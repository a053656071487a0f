"""How each caption style moves, as ASS override tags around escaped text."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType

from cliply_assets.renders.caption_layout import CaptionLayout, PlacedLine, PlacedPhrase, PlacedWord
from cliply_assets.renders.fonts import Face
from cliply_assets.renders.phrases import is_ideographic
from cliply_assets.renders.speaker_colours import toned
from cliply_assets.renders.styles import CaptionBox, CaptionLook
from cliply_resources.documents.looks import SpeakerTone

__all__ = ["Event", "animate", "escaped", "number", "paint", "rounded"]

_PLATE, _WORD, _ACTIVE, _CARET = range(4)  # layers, lowest first

_SWELL = 70  # ms in which a spoken word reaches its largest; about two frames, so that it is felt and not watched
_SETTLE = 90  # ms back to rest
_HOP = 0.16  # of the font size: how high a word hops
_CARET_BLINK = 0.4  # s
_SLOWEST_TYPING = 0.06  # s a character, so that a drawn-out word is not typed in slow motion


@dataclass(frozen=True)
class Event:
    """One ASS event, shown from `first_frame` until before `end_frame`; `face` is `None` for drawings."""

    layer: int
    first_frame: int
    end_frame: int
    face: Face | None
    text: str


@dataclass(frozen=True)
class _Scene:
    look: CaptionLook
    scale: float
    frame_rate: Fraction

    def milliseconds(self, frames: int) -> int:
        return round(frames * 1000 / self.frame_rate)

    def frames(self, milliseconds: int) -> int:
        return max(1, round(milliseconds * self.frame_rate / 1000))


NO_TONES: Mapping[str, SpeakerTone] = MappingProxyType({})

RIGHT_TO_LEFT = "\u200f"
"""Has no shape; says which way what stands beside it runs."""

_LITERAL = str.maketrans({"{": "(", "}": ")", "\\": "/", "\n": " ", "\r": " "})


def escaped(text: str) -> str:
    """`text` without the three characters that ASS could read as the start of an instruction.

    They become look-alikes: libass knows an escape for braces but none for the backslash, and other readers know neither.
    """
    return text.translate(_LITERAL)


def number(value: float) -> str:
    """A length as ASS tags write it, to a tenth of a pixel."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _ass_colour(colour: str) -> str:
    return f"&H{colour[5:7]}{colour[3:5]}{colour[1:3]}&"


def paint(colour: str) -> str:
    """The tag that gives letters and drawings this colour."""
    return f"\\1c{_ass_colour(colour)}"


def animate(
    layout: CaptionLayout, look: CaptionLook, frame_rate: Fraction, tones: Mapping[str, SpeakerTone] = NO_TONES
) -> Iterator[Event]:
    """All events of a clip's captions, in no particular order; `tones` are the colours of speakers who have their own."""
    plain = _Scene(look, layout.scale, frame_rate)
    motion = {"tint": _tint, "fill": _fill, "pop": _pop, "type": _type, "bounce": _bounce}[look.animation]
    for phrase in layout.phrases:
        # Whoever speaks next begins a phrase of their own.
        tone = tones.get(phrase.words[0].word.speaker or "")
        scene = replace(plain, look=toned(look, tone))
        if look.box is not None and look.box.around == "line":
            yield from _line_plates(phrase, scene, look.box)
        for event in motion(phrase, scene):
            yield event if tone is None or event.face is None else _in_colour(event, tone.colour)


def _in_colour(event: Event, colour: str) -> Event:
    """Its letters in another colour than the style's, where its own tags name none."""
    return replace(event, text=f"{{{paint(colour)}{event.text[1:]}")


def _at(word: PlacedWord, phrase: PlacedPhrase) -> str:
    return f"\\pos({number(word.x)},{number(word.y)}){_size(word, phrase)}"


def _size(word: PlacedWord, phrase: PlacedPhrase) -> str:
    return f"\\fs{number(phrase.size * word.word.face.enlarged)}"


def _drawn(word: PlacedWord) -> str:
    """The word's text; a mark at its end belongs on the left where the script runs that way."""
    text = escaped(word.word.text)
    return text + RIGHT_TO_LEFT if word.word.right_to_left and not text[-1].isalpha() else text


def _scaled(percent: float) -> str:
    return f"\\fscx{number(percent)}\\fscy{number(percent)}"


def _tint(phrase: PlacedPhrase, scene: _Scene) -> Iterator[Event]:
    """The whole phrase stands; the spoken word takes the active colour and swells."""
    largest = 100 * scene.look.active_scale
    active = f"\\1c{_ass_colour(scene.look.active_colour)}\\t(0,{_SWELL},{_scaled(largest)})"
    for placed in phrase.words:
        text, place, face = _drawn(placed), _at(placed, phrase), placed.word.face
        yield Event(_WORD, phrase.first_frame, placed.first_frame, face, f"{{{place}}}{text}")
        yield Event(_ACTIVE, placed.first_frame, placed.following_frame, face, f"{{{place}{active}}}{text}")
        # It falls back at once: easing would draw its outline anew for three more frames, which costs more than it shows.
        yield Event(_WORD, placed.following_frame, phrase.end_frame, face, f"{{{place}}}{text}")


def _fill(phrase: PlacedPhrase, scene: _Scene) -> Iterator[Event]:
    """Colour runs through each word from left to right while it is said, and stays."""
    sung, unsung = _ass_colour(scene.look.active_colour), _ass_colour(scene.look.colour)
    for placed in phrase.words:
        wait = scene.milliseconds(placed.first_frame - phrase.first_frame) // 10
        duration = max(1, scene.milliseconds(placed.end_frame - placed.first_frame) // 10)
        tags = f"{_at(placed, phrase)}\\1c{sung}\\2c{unsung}\\k{wait}"
        text = f"{{{tags}}}{{\\kf{duration}}}{_drawn(placed)}"
        yield Event(_WORD, phrase.first_frame, phrase.end_frame, placed.word.face, text)


def _pop(phrase: PlacedPhrase, scene: _Scene) -> Iterator[Event]:
    """Words are not there until they are said; each springs past its size and settles, tinted until the next comes."""
    largest = _scaled(100 * scene.look.active_scale)
    spring = f"{_scaled(70)}\\t(0,{_SWELL},{largest})\\t({_SWELL},{_SWELL + _SETTLE},{_scaled(100)})"
    for placed in phrase.words:
        text, place, face = _drawn(placed), _at(placed, phrase), placed.word.face
        tags = f"{place}\\1c{_ass_colour(scene.look.active_colour)}{spring}"
        yield Event(_ACTIVE, placed.first_frame, placed.following_frame, face, f"{{{tags}}}{text}")
        yield Event(_WORD, placed.following_frame, phrase.end_frame, face, f"{{{place}}}{text}")


def _bounce(phrase: PlacedPhrase, scene: _Scene) -> Iterator[Event]:
    """The spoken word hops on its plate; the others stand still."""
    rise = scene.frames(_SWELL)
    height = _HOP * phrase.size
    tint = f"\\1c{_ass_colour(scene.look.active_colour)}"
    swollen = _scaled(100 * scene.look.active_scale)
    for placed in phrase.words:
        text, place, face = _drawn(placed), _at(placed, phrase), placed.word.face
        top = min(placed.first_frame + rise, placed.following_frame)
        size = _size(placed, phrase)
        up = _move(placed.x, placed.y, placed.y - height, scene.milliseconds(rise))
        down = _move(placed.x, placed.y - height, placed.y, _SETTLE)
        yield Event(_WORD, phrase.first_frame, placed.first_frame, face, f"{{{place}}}{text}")
        growing = f"{size}{tint}\\t(0,{_SWELL},{swollen})"
        yield Event(_CARET, placed.first_frame, top, face, f"{{{up}{growing}}}{text}")
        yield Event(_CARET, top, placed.following_frame, face, f"{{{down}{size}{tint}{swollen}}}{text}")
        yield Event(_WORD, placed.following_frame, phrase.end_frame, face, f"{{{place}}}{text}")
        if scene.look.box is not None:
            yield from _word_plate(placed, phrase, scene, scene.look.box)


def _move(x: float, y_from: float, y_to: float, milliseconds: int) -> str:
    return f"\\move({number(x)},{number(y_from)},{number(x)},{number(y_to)},0,{milliseconds})"


def _word_plate(placed: PlacedWord, phrase: PlacedPhrase, scene: _Scene, box: CaptionBox) -> Iterator[Event]:
    pad_x, pad_y = (scene.scale * pad for pad in box.padding)
    face = placed.word.face
    if is_ideographic(placed.word.text[0]):
        # Its neighbours stand without a space.
        pad_x *= 0.5
    capitals = face.cap_height * face.pixels_per_unit(phrase.size)
    grown = scene.look.active_scale
    width, height = placed.width * grown + 2 * pad_x, capitals * grown + 2 * pad_y
    # The drawing's own middle is where libass puts an \\an5 drawing, so it hops together with its word.
    baseline = placed.y + (face.ascent - face.descent) / 2 * face.pixels_per_unit(phrase.size)
    middle = baseline - capitals / 2
    hop = _HOP * phrase.size
    rise = scene.frames(_SWELL)
    top = min(placed.first_frame + rise, placed.following_frame)
    drawing = rounded(width, height, scene.scale * box.radius)
    paint = f"\\an5\\p1{_plate_paint(box)}"
    up = _move(placed.x, middle, middle - hop, scene.milliseconds(rise))
    down = _move(placed.x, middle - hop, middle, _SETTLE)
    yield Event(_ACTIVE, placed.first_frame, top, None, f"{{{up}{paint}}}{drawing}")
    yield Event(_ACTIVE, top, placed.following_frame, None, f"{{{down}{paint}}}{drawing}")


def _plate_paint(box: CaptionBox) -> str:
    return f"\\1c{_ass_colour(box.colour)}\\1a&H{round(255 * (1 - box.opacity)):02X}&"


def _line_plates(phrase: PlacedPhrase, scene: _Scene, box: CaptionBox) -> Iterator[Event]:
    """A plate behind each line; where letters are typed, a line's plate comes with its first letter."""
    pad_x, pad_y = (scene.scale * pad for pad in box.padding)
    for line in phrase.lines:
        left, top, right, bottom = line.box
        drawing = rounded(right - left + 2 * pad_x, bottom - top + 2 * pad_y, scene.scale * box.radius)
        first = line.words[0].first_frame if scene.look.animation == "type" else phrase.first_frame
        tags = f"\\pos({number(left - pad_x)},{number(top - pad_y)})\\p1{_plate_paint(box)}"
        yield Event(_PLATE, first, phrase.end_frame, None, f"{{{tags}}}{drawing}")


def rounded(width: float, height: float, radius: float, *, left: float = 0.0, top: float = 0.0) -> str:
    """A rectangle with rounded corners as ASS drawing commands, its top left at 0,0 unless said otherwise."""
    r = min(radius, width / 2, height / 2)
    k = r * 0.4477  # a Bézier curve nearest to a quarter circle: 1 minus 0.5523
    w, h = width, height

    def points(*values: float) -> str:
        return " ".join(number(value + (top if place % 2 else left)) for place, value in enumerate(values))

    return (
        f"m {points(r, 0)} l {points(w - r, 0)} b {points(w - k, 0, w, k, w, r)} l {points(w, h - r)} "
        f"b {points(w, h - k, w - k, h, w - r, h)} l {points(r, h)} b {points(k, h, 0, h - k, 0, h - r)} "
        f"l {points(0, r)} b {points(0, k, k, 0, r, 0)}"
    )


def _typed_parts(placed: PlacedWord) -> list[str]:
    """What appears at one stroke: a letter with its marks, or the whole word in a script whose letters join."""
    if placed.word.right_to_left:
        return [_drawn(placed)]
    text = escaped(placed.word.text)
    parts: list[str] = []
    for character in text:
        if parts and unicodedata.category(character).startswith("M"):
            parts[-1] += character
        else:
            parts.append(character)
    return parts


def _stroke_frames(placed: PlacedWord, count: int, scene: _Scene) -> list[int]:
    available = placed.end_frame - placed.first_frame
    step = min(Fraction(available, count), Fraction(_SLOWEST_TYPING) * scene.frame_rate)
    return [placed.first_frame + int(step * index) for index in range(count)]


def _type(phrase: PlacedPhrase, scene: _Scene) -> Iterator[Event]:
    """Letters appear one by one behind a caret that then blinks at the end of the phrase."""
    strokes: list[tuple[int, float, PlacedLine]] = []
    for line in phrase.lines:
        for placed in line.words:
            parts = _typed_parts(placed)
            frames = _stroke_frames(placed, len(parts), scene)
            typed, text = "", ""
            for part, frame in zip(parts, frames, strict=True):
                typed += part
                delay = scene.milliseconds(frame - placed.first_frame)
                hidden = f"{{\\alpha&HFF&\\t({delay - 1},{delay},\\alpha&H00&)}}" if delay else ""
                text += hidden + part
                # The caret stands behind the last typed letter, before it in a script that runs the other way.
                edge = placed.word.face.width(typed, phrase.size) - placed.width / 2
                strokes.append((frame, placed.x + (-edge if placed.word.right_to_left else edge), line))
            place = _at(placed, phrase)
            yield Event(_WORD, placed.first_frame, phrase.end_frame, placed.word.face, f"{{{place}}}{text}")
    yield from _caret(phrase, scene, strokes)


def _caret(phrase: PlacedPhrase, scene: _Scene, strokes: list[tuple[int, float, PlacedLine]]) -> Iterator[Event]:
    width = max(3.0, 7 * scene.scale)
    ends = [frame for frame, _, _ in strokes[1:]] + [phrase.end_frame]
    for (frame, x, line), end in zip(strokes, ends, strict=True):
        _, top, _, bottom = line.box
        height = (bottom - top) * 1.3
        drawing = f"m 0 0 l {number(width)} 0 l {number(width)} {number(height)} l 0 {number(height)}"
        paint = f"\\1c{_ass_colour(scene.look.active_colour)}\\p1"
        tags = f"{{\\pos({number(x + width)},{number(top - (height - (bottom - top)) / 2)}){paint}}}{drawing}"
        blink = scene.frames(round(_CARET_BLINK * 1000))
        # While typing goes on the caret is solid; in a rest it blinks.
        for index, start in enumerate(range(frame, end, blink)):
            if index % 2 == 0:
                yield Event(_CARET, start, min(start + blink, end), None, tags)
