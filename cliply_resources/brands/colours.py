"""Whether caption colours can be told apart; pure.

Contrast is the ratio of relative luminances after WCAG 2.2, from 1 (the same) to 21 (black on white).
"""

from collections.abc import Iterator

from cliply_resources.documents.brands import BrandColours

__all__ = ["LEAST_CONTRAST", "contrast", "contrast_warnings", "least_contrast_warning"]

LEAST_CONTRAST = 3.0
"""What WCAG 2.2 asks of large, heavy letters, which captions are."""

_STANDARD = {"text": "#FFFFFF", "outline": "#000000", "plate": "#10131A"}
"""What caption styles use where a kit names nothing."""


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours `#RRGGBB`, 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part, 16) / 255
        return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(colour[at : at + 2]) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast_warnings(colours: BrandColours) -> tuple[str, ...]:
    """A sentence for each pair of caption colours that viewers could hardly tell apart; empty where all is readable."""
    return tuple(_warnings(colours))


def _warnings(colours: BrandColours) -> Iterator[str]:
    words = {"words": colours.text or _STANDARD["text"]}
    if colours.spoken is not None:
        words["the spoken word"] = colours.spoken
    for whose, colour in words.items():
        for behind, name in (
            (colours.outline or _STANDARD["outline"], "outline"),
            (colours.plate or _STANDARD["plate"], "plate"),
        ):
            ours = colours.text is not None or whose != "words"
            given = (colours.outline if name == "outline" else colours.plate) is not None
            if ours or given:
                yield from least_contrast_warning(whose, colour, name, behind)


def least_contrast_warning(whose: str, colour: str, name: str, behind: str) -> Iterator[str]:
    """The sentence about two colours, if there is anything to say."""
    ratio = contrast(colour, behind)
    if ratio < LEAST_CONTRAST:
        yield (
            f"Captions are hard to read where {whose} ({colour}) {'stand' if whose == 'words' else 'stands'} on the {name} "
            f"({behind}): their contrast is {ratio:.1f}, and large letters need {LEAST_CONTRAST:g}. "
            f"Choose a {'lighter or darker' if ratio < 1.5 else 'clearer'} {name} or letter colour."
        )
