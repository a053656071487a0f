"""How written English is said: numbers and signs as words, and sounds for words no dictionary has. Pure.

Alignment needs only roughly right sounds: a guess that is one vowel off still lands on the right stretch of sound.
"""

import re
import unicodedata

__all__ = ["guess_sounds", "spoken_tokens"]

_ONES, _TENS = (
    line.split()
    for line in (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen",
        "zero ten twenty thirty forty fifty sixty seventy eighty ninety",
    )
)
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_SIGNS = {"&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "#": "number", "°": "degrees"}
_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds"}
_LONGEST_NUMBER = 12
"""Digits; a longer run is read digit by digit, as people read account numbers."""

_PIECES = re.compile(r"([$€£])?(\d[\d,]*(?:\.\d+)?)(st|nd|rd|th|s)?|[^\W\d_]+(?:'[^\W\d_]+)*'?|[&%+=@#°]", re.UNICODE)

_LETTERS = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY",
    "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW",
    "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S",
    "y": "W AY", "z": "Z IY",
}  # fmt: skip
_GRAPHEMES = {
    "tion": "SH AH N", "sion": "ZH AH N", "ough": "AO", "augh": "AO", "eigh": "EY", "tch": "CH", "sch": "SH",
    "igh": "AY", "dge": "JH", "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng": "NG",
    "qu": "K W", "kn": "N", "wr": "R", "ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "oa": "OW",
    "oi": "OY", "oy": "OY", "ai": "EY", "ay": "EY", "ei": "EY", "ey": "IY", "ie": "IY", "au": "AO", "aw": "AO",
    "ew": "Y UW", "ue": "UW", "ui": "UW", "er": "ER", "ir": "ER", "ur": "ER", "ar": "AA R", "or": "AO R",
    "ce": "S", "ci": "S IH", "cy": "S IY", "ge": "JH", "gi": "JH IH", "gh": "G", "mb": "M", "bb": "B", "cc": "K",
    "dd": "D", "ff": "F", "gg": "G", "ll": "L", "mm": "M", "nn": "N", "pp": "P", "rr": "R", "ss": "S", "tt": "T",
    "zz": "Z", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH",
    "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T",
    "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "Y", "z": "Z",
}  # fmt: skip
_LONGEST_GRAPHEME = 4
_LAST_VOWELS = {"y": "IY", "i": "IY", "o": "OW", "a": "AH"}
_VOWELS = "aeiou"


def spoken_tokens(text: str) -> tuple[str, ...]:
    """The lower-case words in which a written word is said: "$25" gives twenty, five, dollars.

    Empty for a dash and the like, and for words in other than Latin letters: their sounds are not known here.
    """
    plain = unicodedata.normalize("NFKD", text.replace("’", "'").replace("‘", "'"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    tokens: list[str] = []
    for piece in _PIECES.finditer(plain):
        currency, number, suffix = piece.group(1, 2, 3)
        if number:
            tokens += _number(number, suffix or "")
            tokens += [_CURRENCIES[currency]] if currency else []
        else:
            word = piece.group(0)
            tokens.append(_SIGNS.get(word) or word.strip("'").lower())
    return tuple(token for token in tokens if re.fullmatch(r"[a-z']+", token))


def guess_sounds(word: str, *, spelled: bool = False) -> str:
    """ARPABET sounds for a lower-case word of Latin letters, separated by spaces; `spelled` says it letter by letter."""
    letters = re.sub(r"[^a-z]", "", word)
    if spelled or not any(vowel in letters for vowel in (*_VOWELS, "y")):
        return " ".join(_LETTERS[letter] for letter in letters)
    if word.endswith("'s"):
        return f"{guess_sounds(word[:-2])} Z"
    # A last e is silent after a consonant: "stripe".
    body = letters[:-1] if len(letters) > 3 and letters.endswith("e") and letters[-2] not in _VOWELS else letters
    sounds: list[str] = []
    at = 0
    while at < len(body):
        grapheme = next(body[at : at + n] for n in range(_LONGEST_GRAPHEME, 0, -1) if body[at : at + n] in _GRAPHEMES)
        at += len(grapheme)
        sounds.append((_LAST_VOWELS if at == len(body) else _GRAPHEMES).get(grapheme, _GRAPHEMES[grapheme]))
    return " ".join(sounds)


def _number(digits: str, suffix: str) -> list[str]:
    whole, _, fraction = digits.replace(",", "").partition(".")
    if len(whole) > _LONGEST_NUMBER or (len(whole) > 1 and whole.startswith("0")):
        words = [_ONES[int(digit)] for digit in whole]
    elif len(whole) == 4 and "," not in digits and not fraction and 1100 <= int(whole) <= 2099:
        words = _year(int(whole))
    else:
        words = _cardinal(int(whole))
    if fraction:
        words += ["point", *(_ONES[int(digit)] for digit in fraction)]
    if suffix == "s":
        words[-1] = words[-1].removesuffix("y") + ("ies" if words[-1].endswith("y") else "s")
    elif suffix:
        last = words[-1]
        words[-1] = _ORDINALS.get(last) or (last.removesuffix("y") + "ieth" if last.endswith("y") else last + "th")
    return words


def _year(number: int) -> list[str]:
    """1961 as nineteen sixty one; 2005 as two thousand five."""
    century, rest = divmod(number, 100)
    if 2000 <= number <= 2009:
        return _cardinal(number)
    if rest == 0:
        return [*_cardinal(century), "hundred"]
    return [*_cardinal(century), *(["oh", _ONES[rest]] if rest < 10 else _cardinal(rest))]


def _cardinal(number: int) -> list[str]:
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        tens, ones = divmod(number, 10)
        return [_TENS[tens], *([_ONES[ones]] if ones else [])]
    size, name = next((size, name) for size, name in _SCALES if number >= size)
    count, rest = divmod(number, size)
    return [*_cardinal(count), name, *(_cardinal(rest) if rest else [])]
