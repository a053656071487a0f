"""Values out of what a site sends: each is checked for its type, cleaned and capped, or left out. Pure."""

import math
import unicodedata
from collections.abc import Mapping

__all__ = ["INVISIBLE", "JOINERS", "entries", "finite", "line", "seconds"]

MAX_SECONDS = 7 * 24 * 3600.0

# Besides control characters: marks that turn the direction of the text around them, and can make a title lie.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that are not kept."""
JOINERS = frozenset({"\u200c", "\u200d"})
"""Kept all the same: needed to spell some languages, and emoji."""


def entries(value: object) -> list[Mapping[str, object]]:
    """The objects of a list; nothing where it is none."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, (list, tuple)) else []


def line(value: object, longest: int) -> str | None:
    """At most `longest` visible characters on one line; `None` where there are none."""
    if not isinstance(value, str):
        return None
    visible = (c if unicodedata.category(c) not in INVISIBLE or c in JOINERS else " " for c in value[: 10 * longest])
    return " ".join("".join(visible).split())[:longest].rstrip() or None


def finite(value: object) -> float | None:
    """A number that can be reckoned with."""
    # True is a number to Python, and no measurement; an integer may be too long for a float.
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not abs(value) < 1e15
        or not math.isfinite(value)
    ):
        return None
    return float(value)


def seconds(value: object) -> float | None:
    """A time in a film, to the millisecond."""
    number = finite(value)
    return round(number, 3) if number is not None and 0 <= number <= MAX_SECONDS else None
