"""How X counts the length of a post."""

import re
import unicodedata

__all__ = ["has_link", "weighted_length"]

URL_WEIGHT = 23
"""Every link is shortened to one of this length."""
_LIGHT = ((0, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))
"""Code points that count once: Latin, Greek, Cyrillic, Hebrew, Arabic and their like, and common punctuation (configuration v3)."""
_SUFFIXES = (
    "com|org|net|edu|gov|info|biz|app|dev|io|ai|co|me|tv|gg|ly|be|xyz|shop|store|blog|news|live|online|site|link|page|tech|"
    "de|uk|fr|es|it|nl|pl|pt|ru|ch|at|se|no|dk|fi|ie|cz|gr|eu|us|ca|mx|br|ar|cl|au|nz|jp|kr|cn|in|sg|za|tr|ua"
)
_URL = re.compile(
    rf"https?://[^\s<>\"]+|(?<![@\w.-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{_SUFFIXES})\b(?:[/?#][^\s<>\"]*)?",
    re.IGNORECASE,
)
"""With a scheme, or a bare domain of the usual suffixes; X also links rarer ones, which then count as their letters here."""
_EMOJI = re.compile(
    "(?:[\U0001f1e6-\U0001f1ff]{2}"
    "|[0-9#*]\ufe0f?\u20e3"
    "|(?:[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u2190-\u21ff\u3030\u303d\u3297\u3299\u00a9\u00ae\u203c\u2049\u2122\u2139]"
    "[\ufe0f\U0001f3fb-\U0001f3ff]*[\U000e0020-\U000e007f]*)"
    "(?:\u200d[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff][\ufe0f\U0001f3fb-\U0001f3ff]*)*)"
)
"""One picture, however many code points it is made of."""
_PICTURE = re.compile("[\U0001f000-\U0001faff\U0001f1e6-\U0001f1ff\ufe0f\u20e3\u200d\u2600-\u27bf]")


def has_link(text: str) -> bool:
    """Whether X will see a link in it; such posts cost more."""
    return _URL.search(text) is not None


def weighted_length(text: str) -> int:
    """Characters as X counts them: links 23, emoji and wide scripts 2, all else 1; of the composed form (NFC)."""
    rest = unicodedata.normalize("NFC", text)
    rest, links = _URL.subn("", rest)
    pictures = 0

    def took(found: re.Match[str]) -> str:
        nonlocal pictures
        if _PICTURE.search(found[0]) is None:
            return found[0]
        pictures += 1
        return ""

    rest = _EMOJI.sub(took, rest)
    return links * URL_WEIGHT + pictures * 2 + sum(1 if _is_light(ord(letter)) else 2 for letter in rest)


def _is_light(point: int) -> bool:
    return any(first <= point <= last for first, last in _LIGHT)
