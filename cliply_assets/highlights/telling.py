"""How an English sentence is told, beyond the phrases of the lexicon: a scene that somebody lived through, or a saying to take along."""

from itertools import pairwise

__all__ = ["maxim", "narrated"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TELLERS = _words("i he she they we you somebody someone nobody everybody everyone who")
_PAST = _words(
    "was were had did said went came got took told thought knew stood saw gave found left felt kept ran sat lost won "
    "broke bought brought built caught chose drew drove ate fell fought flew forgot froze grew heard held hid hit knelt "
    "laid led lent lit made meant met paid put read rode rang rose sent shook shot sang sank slept sold spent spoke stole "
    "stuck swam swore taught threw tore understood woke wore wrote began became drank couldn't didn't wasn't hadn't wouldn't"
)
_NOT_PAST = _words("need feed speed indeed hundred red bed need exceed proceed kindred wicked sacred naked")
_PLAIN_BE = _words("was were had")
_SAYING = _words(
    "said says asked asks goes told tells wrote writes thought shouted screamed whispered called replied answered"
)
_SAYERS = _TELLERS | _words("mum mom dad mother father wife husband brother sister boss doctor man woman boy girl")
_BETWEEN = _words("just never only then once still always even also had could would")

_MOST_MAXIM_WORDS = 16
_GENERIC_START = _words("a an if nobody everybody whatever whoever everything nothing never always not the you people")
_CLAIMS = (
    ("is", "not"),
    ("are", "not"),
    ("is", "never"),
    ("do", "not"),
    ("does", "not"),
    ("can", "be"),
    ("would", "rather"),
    ("worth", "more"),
    ("more", "than"),
    ("the", "only"),
    ("all", "that"),
)
_CLAIM_WORDS = _words("cannot means isn't aren't can't won't never nobody worth wherever unless")


def narrated(tokens: tuple[str, ...]) -> tuple[float, tuple[str, ...]]:
    """How much a sentence tells what somebody did or said, 0 to 1, with the words that show it.

    A person right before a verb in the past counts once; somebody who is quoted counts more. "It was adopted" tells of nobody.
    """
    spared, shown = 1.0, []
    for place in range(len(tokens) - 1):
        verb = place + 1
        if tokens[place] in _SAYERS and tokens[verb] in _SAYING:
            spared *= 0.55
            shown.append(" ".join(tokens[place : verb + 1]))
            continue
        if tokens[place] not in _TELLERS:
            continue
        if tokens[verb] in _BETWEEN and verb + 1 < len(tokens):
            verb += 1
        if _is_past(tokens[verb]):
            spared *= 0.85 if tokens[verb] in _PLAIN_BE else 0.7
            shown.append(" ".join(tokens[place : verb + 1]))
    return 1.0 - spared, tuple(shown)


def _is_past(word: str) -> bool:
    return word in _PAST or (len(word) > 4 and word.endswith("ed") and word not in _NOT_PAST)


def maxim(tokens: tuple[str, ...]) -> float:
    """How much a sentence sounds like a saying: short, general, in the present, and it claims something (0 to 1)."""
    if not 4 <= len(tokens) <= _MOST_MAXIM_WORDS:
        return 0.0
    if tokens[0] not in _GENERIC_START or any(any(letter.isdigit() for letter in token) for token in tokens):
        return 0.0
    pairs = set(pairwise(tokens))
    claims = len(pairs & set(_CLAIMS)) + len(_CLAIM_WORDS & set(tokens[1:] if tokens[0] != "never" else tokens))
    if not claims or any(_is_past(token) for token in tokens):
        return 0.0
    return min(1.0, 0.45 + 0.2 * (claims - 1) + 0.15 * (len(tokens) <= 9))
