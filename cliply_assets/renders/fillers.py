"""Words that fill a pause and say nothing, by language: pure data and its lookup."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cliply_resources.documents import Word

__all__ = ["FILLERS", "PHRASES", "find_fillers"]

FILLERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "en": frozenset({"um", "umm", "ummm", "uh", "uhh", "uhm", "er", "erm", "ehm"}),
        "de": frozenset({"äh", "ähh", "ähm", "öh", "öhm", "ehm", "hm"}),
        "fr": frozenset({"euh", "euhh", "heu", "hum"}),
        "es": frozenset({"em", "ehm", "emm", "mmm"}),
        "it": frozenset({"ehm", "uhm", "mmm"}),
        "pt": frozenset({"hum", "ahn", "ehm", "hmm"}),
        "nl": frozenset({"eh", "ehm", "uh", "uhm"}),
        "sv": frozenset({"öh", "öhm", "eh", "ehm"}),
        "da": frozenset({"øh", "øhm", "ehm"}),
        "no": frozenset({"øh", "øhm", "eh", "ehm"}),
        "fi": frozenset({"öö", "ööh", "ehm"}),
        "pl": frozenset({"yyy", "eee", "yy", "ee"}),
        "ru": frozenset({"э", "ээ", "эээ", "эм", "эмм", "ммм"}),
        "uk": frozenset({"е-е", "еее", "ем", "ммм"}),
        "ja": frozenset({"えー", "えーと", "えっと", "ええと", "あのー"}),
        "tr": frozenset({"ııı", "eee", "ıı"}),
    }
)
"""Sounds that mean nothing in their language. What also is a word there is absent ("er" in German, "um" in Portuguese, "eh" in
Spanish), and so is what answers ("uh-huh", "mhm", "hm" in English)."""

PHRASES: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "en": (("you", "know"), ("i", "mean"), ("sort", "of"), ("kind", "of"), ("like",)),
        "de": (("sozusagen",), ("quasi",), ("halt",), ("weißt", "du")),
        "fr": (("tu", "vois"), ("vous", "voyez"), ("genre",), ("du", "coup")),
        "es": (("o", "sea"), ("este",), ("sabes",)),
    }
)
"""Said to win time as often as to mean something: only where commas set them off."""

_MARKS = ".,;:?!…—–-\"'“”‘’«»()[]"
_BREATHS = (",", ".", "?", "!", "…", ";", ":", "—", "–")
_LEAST_CONFIDENCE = 0.3


def find_fillers(words: Sequence[Word], language: str | None, *, phrases: bool) -> list[range]:
    """The places of fillers among the words, in order; `phrases` adds the doubtful ones that commas set off on both sides.

    An engine that is unsure what it heard is not believed, and in a language without a list there are none.
    """
    code = (language or "")[:2].lower()
    plain = [word.text.strip(_MARKS).lower() for word in words]
    sounds, sayings = FILLERS.get(code, frozenset()), PHRASES.get(code, ()) if phrases else ()
    found: list[range] = []
    at = 0
    while at < len(words):
        size = 1 if plain[at] in sounds else _saying(words, plain, at, sayings)
        if size and all(_believed(word) for word in words[at : at + size]):
            found.append(range(at, at + size))
        at += size or 1
    return found


def _saying(words: Sequence[Word], plain: Sequence[str], at: int, sayings: Sequence[tuple[str, ...]]) -> int:
    """How many words the saying that begins here has; none where it is part of a sentence."""
    for saying in sayings:
        end = at + len(saying)
        set_off = at == 0 or words[at - 1].text.endswith(_BREATHS)
        if tuple(plain[at:end]) == saying and set_off and words[end - 1].text.endswith(","):
            return len(saying)
    return 0


def _believed(word: Word) -> bool:
    return word.confidence is None or word.confidence >= _LEAST_CONFIDENCE
