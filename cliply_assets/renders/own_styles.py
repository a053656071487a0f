"""A caption style that a user wrote: read, completed from one of Cliply's own, and refused with the name of what is wrong."""

import re
from pathlib import Path
from typing import Any

import msgspec

from cliply_assets.renders.styles import STYLE_NAMES, load_style
from cliply_resources.brands import contrast_warnings
from cliply_resources.documents.brands import BrandColours
from cliply_resources.documents.looks import FONT_NAMES, CaptionLook
from cliply_resources.errors import CallerError

__all__ = ["own_style", "read_own_style", "style_warnings"]

_MOST_BYTES = 64 * 1024
_BASE = "based_on"
_WRITTEN = 60  # characters of a value that a message repeats

_COLOUR = 'a colour written as "#RRGGBB"'
_PIXELS = "a number of pixels from 0 to 400"
_SHARE = "a number from 0 to 1"
_WANTED = {
    "name": "a name of 1 to 60 characters",
    "description": "a text of at most 300 characters",
    "font": f"one of {', '.join(FONT_NAMES)} (a font of your own comes with a brand kit)",
    "size": "a number from 20 to 300",
    "case": '"upper", "lower" or "as_spoken"',
    "punctuation": '"keep" or "light"',
    "words_per_line": "a whole number from 1 to 8",
    "lines": "1 or 2",
    "line_pitch": "a number from 0.6 to 2",
    "word_gap": "a number from 0.5 to 3",
    "animation": '"tint", "fill", "pop", "type" or "bounce"',
    "active_scale": "a number from 1 to 1.5",
    "outline": _PIXELS,
    "shadow": _PIXELS,
    "shadow_opacity": _SHARE,
    "box": "an object with around, colour, opacity, padding and radius, or null",
    "box.around": '"word" or "line"',
    "box.opacity": _SHARE,
    "box.padding": "two numbers of pixels from 0 to 400, such as [18, 22]",
    "box.radius": _PIXELS,
    "centre": 'an object with shares of the height (0 to 1) for "9:16", "4:5", "1:1" and "16:9"',
    "speakers": "a list of at most 8 objects with colour, active_colour and plate_colour",
}


def read_own_style(path: Path) -> CaptionLook:
    """The caption style in the JSON file, what it leaves out taken from the style that it names as `based_on`.

    Raises:
        CallerError: it cannot be read, or a field of it cannot be used; the message names the field, its value and what may stand there.
    """
    called = path.name
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    except OSError as error:
        raise CallerError(f"The caption style {path} cannot be read ({error.strerror}); name a JSON file.") from error
    if not data:
        raise CallerError(
            f"The caption style {called} is empty or larger than {_MOST_BYTES // 1024} KiB, which none is."
        )
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise CallerError(f"The caption style {called} is no JSON: {error}.") from error
    if not isinstance(document, dict):
        raise CallerError(f"The caption style {called} must be one JSON object with the fields of docs/captions.md.")
    return own_style(document, called=called)


def own_style(document: dict[str, Any], *, called: str) -> CaptionLook:
    """The caption style that a decoded JSON object describes; `called` is what messages call it. Raises as `read_own_style`."""
    base = document.get(_BASE)
    given = {name: _with_capitals(name, value) for name, value in document.items() if name != _BASE}
    if base is not None:
        if base not in STYLE_NAMES:
            raise _refused(called, _BASE, base, f"one of {', '.join(STYLE_NAMES)}")
        given = {**msgspec.to_builtins(load_style(base)), **given}
    try:
        return msgspec.convert(given, CaptionLook)
    except msgspec.ValidationError as error:
        raise _explained(str(error), given, called, is_complete=base is not None) from error


def _with_capitals(name: str, value: Any) -> Any:
    """Colours as the documents write them; #ffe14d is no other colour than #FFE14D."""
    if isinstance(value, dict):
        return {inner: _with_capitals(inner, each) for inner, each in value.items()}
    if isinstance(value, list):
        return [_with_capitals(name, each) for each in value]
    return value.upper() if name.endswith("colour") and isinstance(value, str) else value


def style_warnings(look: CaptionLook) -> tuple[str, ...]:
    """Sentences about colours that viewers can hardly tell apart."""
    colours = BrandColours(
        text=look.colour,
        spoken=look.active_colour,
        outline=look.outline_colour if look.outline else None,
        plate=look.box.colour if look.box is not None else None,
    )
    return contrast_warnings(colours)


_AT = re.compile(r" - at (?:`key` in )?`\$\.?(?P<place>[^`]*)`$")
_FIELD = re.compile(r"field `(?P<field>[^`]+)`")


def _explained(said: str, given: dict[str, Any], called: str, *, is_complete: bool) -> CallerError:
    where = _AT.search(said)
    # Of a mapping, the decoder does not say which entry it means.
    place = where["place"].removesuffix("[...]") if where else ""
    field = _FIELD.search(said)
    if field is not None:
        full = f"{place}.{field['field']}" if place else field["field"]
        if "unknown" in said:
            return CallerError(
                f"The caption style {called} has a field “{full}”, which no style has. Remove it, or look at docs/captions.md for its name."
            )
        hint = "" if is_complete or place else f', or add "{_BASE}": "karaoke" to take it from there'
        return CallerError(f"The caption style {called} lacks the field “{full}”: write {_wanted(full)}{hint}.")
    return _refused(called, place, _value_at(given, place), _wanted(place))


def _refused(called: str, field: str, value: object, wanted: str) -> CallerError:
    shown = msgspec.json.encode(value).decode()
    shown = shown if len(shown) <= _WRITTEN else shown[:_WRITTEN] + "…"
    return CallerError(f"In the caption style {called}, the field “{field}” is {shown}; it must be {wanted}.")


def _wanted(place: str) -> str:
    plain = re.sub(r"\[[^\]]*\]", "", place)
    if plain.endswith("colour"):
        return _COLOUR
    return _WANTED.get(plain) or _WANTED.get(plain.partition(".")[0], "what docs/captions.md says")


def _value_at(given: dict[str, Any], place: str) -> object:
    value: Any = given
    for step in re.findall(r"[^.\[\]`]+", place):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, (list, tuple)) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
    return value
