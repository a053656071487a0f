"""What each sentence has going for it, with the words that prove it.

English is read by the tables of `lexicon`; every other language by what needs no dictionary: punctuation, digits, rarity of
its words, and where the topic turns.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec

from cliply_assets.highlights import lexicon
from cliply_assets.highlights.sentences import Sentence
from cliply_assets.highlights.telling import maxim, narrated

__all__ = [
    "KINDS",
    "Reading",
    "answer_follows",
    "continues",
    "contracted",
    "cosine",
    "points_back",
    "points_forward",
    "read_sentences",
]

KINDS = (
    "hook",
    "payoff",
    "surprise",
    "superlative",
    "number",
    "emotion",
    "story",
    "scene",
    "saying",
    "opinion",
    "advice",
    "question",
)
"""Everything that can speak for a sentence."""

_WORTH = {
    "hook": 0.55,
    "payoff": 0.45,
    "surprise": 0.45,
    "superlative": 0.35,
    "number": 0.2,
    "emotion": 0.5,
    "story": 0.35,
    "scene": 0.4,
    "saying": 0.4,
    "opinion": 0.35,
    "advice": 0.35,
    "question": 0.25,
}
"""How much a full mark in each kind makes a sentence worth hearing."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASKING = _words("what why how when where who which whose")
_AUXILIARIES = _words(
    "is are was were am do does did can could would should will have has had may might isn't aren't don't doesn't "
    "didn't won't wouldn't can't couldn't shouldn't what's who's how's where's why's"
)
_ASKED = _words(
    "you he she it they we i there that this the your his her their people anyone anybody someone everybody "
    "everyone about if to many much long often come on old far big one any anything something"
)
_INVITATIONS = (
    "tell me",
    "tell us",
    "talk about",
    "talk to me",
    "walk me",
    "walk us",
    "explain",
    "describe",
    "take us",
)
_PRONOUNS = _words("he she it they him her them that those these his their its this there")
_HANGING = _words("because which who whose whereas or also too either neither then therefore thus hence")
_SOFT_OPENERS = _words("so and but well yeah yes no okay ok right exactly anyway um uh like nor plus")
_REPORTING = _words("asked said asks says wondered thought told")
_GOING_ON = _words("so and but then or until after before")
_BACK_PHRASES = (
    ("and", "that's"),
    ("that's", "why"),
    ("that's", "how"),
    ("that", "is", "why"),
    ("which", "is"),
    ("as", "i", "said"),
    ("like", "i", "said"),
    ("as", "mentioned"),
    ("he", "said"),
    ("she", "said"),
    ("they", "said"),
    ("and", "so", "that"),
    ("same", "here"),
    ("me", "too"),
)
_ANSWER_GAP = 8.0  # s; after a longer silence the next words answer something else
_BLOCK = 6  # sentences on each side that a topic shift is told from (TextTiling, Hearst 1997)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one sentence."""

    strengths: dict[str, float]
    """By kind, 0 to 1; a kind that is not there was not found."""
    evidence: dict[str, tuple[str, ...]]
    """By kind, the words that say so, as spoken."""
    dull: float
    """Housekeeping, hedging and fillers, 0 to 1."""
    interest: float
    """Worth hearing, 0 to 1."""
    opens_topic: float
    """How sharply the vocabulary turns at its start, 0 to 1."""
    keywords: tuple[str, ...]

    def strength(self, kind: str) -> float:
        """0 where the kind was not found."""
        return self.strengths.get(kind, 0.0)


def read_sentences(sentences: Sequence[Sentence], language: str | None) -> tuple[Reading, ...]:
    """One reading per sentence; pure, and linear in the number of words."""
    english = language is None or language.lower().split("-")[0] == "en"
    punctuated = any(mark in sentence.text for sentence in sentences for mark in "?？؟")
    keywords = [_keywords(sentence) for sentence in sentences]
    seen = Counter(word for words in keywords for word in set(words))
    shifts = _topic_shifts(keywords)
    found = []
    for place, sentence in enumerate(sentences):
        strengths, evidence = _english(sentence) if english else ({}, {})
        _neutral(sentence, strengths, evidence, asks_without_mark=english and not punctuated)
        dull = _dullness(sentence) if english else 0.0
        rare = _distinctiveness(keywords[place], seen, len(sentences))
        found.append(
            Reading(
                strengths=strengths,
                evidence=evidence,
                dull=dull,
                interest=_interest(strengths, rare, dull),
                opens_topic=shifts[place],
                keywords=keywords[place],
            )
        )
    return tuple(found)


def answer_follows(sentences: Sequence[Sentence], readings: Sequence[Reading], place: int) -> int | None:
    """The sentence that begins the answer to the question at `place`, if anybody answers it."""
    if readings[place].strength("question") < 0.5:
        return None
    following = place + 1
    while following < len(sentences) and sentences[following].start - sentences[following - 1].end <= _ANSWER_GAP:
        if readings[following].strength("question") < 0.5:
            answer = sum(len(sentences[k].tokens) for k in range(following, min(following + 2, len(sentences))))
            return following if answer >= 5 else None
        if sentences[following].speaker == sentences[place].speaker and following - place >= 2:
            return None
        following += 1
    return None


def continues(sentence: Sentence) -> bool:
    """Whether it goes straight on from the sentence before ("So I left", "And then ...")."""
    return bool(sentence.tokens) and (sentence.tokens[0] in _GOING_ON or sentence.tokens[0] in _HANGING)


def points_forward(sentence: Sentence) -> float:
    """How much a clip that ends here breaks a promise: 0 (it has landed) to 1 ("But then came the cruel part", "Guess what")."""
    tokens = contracted(sentence.tokens)
    said = f" {' '.join(tokens)} "
    if any(f" {phrase} " in said for phrase in lexicon.PROMISES):
        return 0.9
    if sentence.text.rstrip().endswith((":", ",", "…", "—")):
        return 0.6
    return 0.5 if tokens and tokens[0] in ("but", "then") and len(tokens) <= 9 else 0.0


def points_back(sentence: Sentence, reading: Reading) -> float:
    """How much a clip that opens here leans on what was said before: 0 (stands alone) to 1."""
    tokens = sentence.tokens
    skipped = 0
    while skipped < min(3, len(tokens)) and tokens[skipped] in _SOFT_OPENERS:
        skipped += 1
    bare = tokens[skipped:]
    if not bare:
        return 0.7
    if any(tokens[: len(phrase)] == phrase or bare[: len(phrase)] == phrase for phrase in _BACK_PHRASES):
        return 0.9
    lean = 0.15 * skipped
    if bare[0] in _HANGING:
        lean += 0.6
    elif bare[0].split("'")[0] in _PRONOUNS and bare[0] != "there":
        # "This is the story of ..." and "It was a cold night" introduce; "He left" refers.
        lean += 0.25 if bare[0].split("'")[0] in ("this", "it", "these") else 0.5
    if reading.strength("question") >= 0.5 or reading.strength("hook") >= 0.5:
        lean *= 0.6
    return min(1.0, lean)


def _interest(strengths: dict[str, float], rare: float, dull: float) -> float:
    """Signs add up with falling returns, so that three weak ones beat one and none passes 1."""
    missing = 1.0 - 0.25 * rare
    for kind, strength in strengths.items():
        missing *= 1.0 - _WORTH.get(kind, 0.0) * strength
    return (1.0 - missing) * (1.0 - 0.75 * dull)


def contracted(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """As people speak: "that is" and "that's" are the same phrase, whichever of them an engine writes."""
    short: list[str] = []
    for token in tokens:
        joined = lexicon.CONTRACTIONS.get((short[-1], token)) if short else None
        if joined is None:
            short.append(lexicon.ONE_WORD_CONTRACTIONS.get(token, token))
        else:
            short[-1] = joined
    return tuple(short)


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, list[tuple[tuple[str, ...], str, float]]], dict[str, tuple[str, float]]]:
    """Phrases by their first word, and word beginnings; built once."""
    phrases: dict[str, list[tuple[tuple[str, ...], str, float]]] = {}
    stems: dict[str, tuple[str, float]] = {}
    for kind, table in (*lexicon.ENGLISH.items(), ("dull", lexicon.DULL)):
        for strength, joined in table.items():
            for phrase in joined.split("|"):
                if phrase.endswith("*"):
                    stems[phrase[:-1]] = (kind, strength)
                else:
                    tokens = contracted(tuple(phrase.split()))
                    phrases.setdefault(tokens[0], []).append((tokens, kind, strength))
    for entries in phrases.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return phrases, stems


@lru_cache(maxsize=20_000)
def _stem_of(token: str) -> tuple[str, float] | None:
    _, stems = _tables()
    return next((stems[token[:size]] for size in range(len(token), 2, -1) if token[:size] in stems), None)


def _hits(tokens: tuple[str, ...]) -> list[tuple[str, float, str]]:
    """(kind, strength, words) of every phrase, the longest of a kind at each place only."""
    phrases, _ = _tables()
    tokens = contracted(tokens)
    hits = []
    for place, token in enumerate(tokens):
        taken: set[str] = set()
        for phrase, kind, strength in phrases.get(token, ()):
            if kind not in taken and tokens[place : place + len(phrase)] == phrase:
                taken.add(kind)
                hits.append((kind, strength, " ".join(phrase)))
        stem = _stem_of(token)
        if stem is not None and stem[0] not in taken:
            hits.append((*stem, token))
    return hits


def _english(sentence: Sentence) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    strengths: dict[str, float] = {}
    evidence: dict[str, list[tuple[float, str]]] = {}
    for kind, strength, words in _hits(sentence.tokens):
        if kind == "dull":
            continue
        strengths[kind] = 1.0 - (1.0 - strengths.get(kind, 0.0)) * (1.0 - strength)
        evidence.setdefault(kind, []).append((-strength, words))
    for token in sentence.tokens:
        if len(token) > 5 and token.endswith("est") and token not in lexicon.SUPERLATIVE_EXCEPTIONS:
            strengths["superlative"] = 1.0 - (1.0 - strengths.get("superlative", 0.0)) * 0.7
            evidence.setdefault("superlative", []).append((-0.3, token))
    scene, told = narrated(sentence.tokens)
    saying = maxim(sentence.tokens)
    strengths |= {kind: strength for kind, strength in (("scene", scene), ("saying", saying)) if strength > 0}
    shown = {kind: tuple(dict.fromkeys(words for _, words in sorted(hits))) for kind, hits in evidence.items()}
    shown |= {"scene": told} if told else {}
    shown |= {"saying": (sentence.text,)} if saying else {}
    return strengths, shown


def _neutral(
    sentence: Sentence, strengths: dict[str, float], evidence: dict[str, tuple[str, ...]], *, asks_without_mark: bool
) -> None:
    """Questions, exclamations and numbers, which need no dictionary (written-out numbers are English only)."""
    text, tokens = sentence.text, sentence.tokens
    asked = any(mark in text for mark in "?？؟") or (asks_without_mark and _asks(tokens))
    invited = " ".join(tokens[:3]).startswith(_INVITATIONS) and len(tokens) >= 4
    if (asked or invited) and len(tokens) > 2:
        # "She asked, why me?" tells of a question; nobody in the room is asked.
        told = len(tokens) > 1 and tokens[1] in _REPORTING and tokens[0] not in _ASKING
        strengths["question"] = 0.4 if told else 1.0 if asked else 0.7
        evidence["question"] = (text,)
    if any(mark in text for mark in "!！"):
        strengths["emotion"] = 1.0 - (1.0 - strengths.get("emotion", 0.0)) * 0.7
        evidence.setdefault("emotion", (text,))
    numbers = tuple(word for word in tokens if any(letter.isdigit() for letter in word) or word in lexicon.NUMBER_WORDS)
    if numbers:
        # "Two for hands" counts; "ninety percent" and "four thousand" tell.
        large = sum(word not in lexicon.SMALL_NUMBERS for word in numbers)
        strengths["number"] = min(1.0, 0.1 + 0.05 * (len(numbers) - large) + 0.3 * large)
        evidence["number"] = numbers


def _asks(tokens: tuple[str, ...]) -> bool:
    """Whether words without punctuation open like an English question; a filler or two may come first."""
    bare = tokens
    while bare and bare[0] in lexicon.FILLERS and len(tokens) - len(bare) < 3:
        bare = bare[1:]
    if len(bare) < 3:
        return False
    first, second = bare[0], bare[1]
    if first in _ASKING:
        return second in _AUXILIARIES or (
            first in ("how", "what", "why") and second in _ASKED and second not in _PRONOUNS_SAID
        )
    if first in ("if", "when") and len(bare) >= 8:
        # "If I have an exam tomorrow, should I sleep?"
        return any(one in _AUXILIARIES and two in ("i", "we", "you") for one, two in pairwise(bare[3:]))
    return first in _AUXILIARIES and second in _ASKED


_PRONOUNS_SAID = _words("you he she it they we i there that this the his her their your people")
"""After "how" or "what" these make a statement: "what you see", "how they work"."""


def _dullness(sentence: Sentence) -> float:
    tokens = sentence.tokens
    if not tokens:
        return 0.0
    spared = 1.0
    for kind, strength, _ in _hits(tokens):
        if kind == "dull":
            spared *= 1.0 - strength
    fillers = sum(token in ("um", "uh", "er", "erm", "uhm", "hmm") for token in tokens) / len(tokens)
    return 1.0 - spared * (1.0 - min(1.0, 3.0 * fillers))


@lru_cache(maxsize=20_000)
def _is_keyword(token: str) -> bool:
    # Scripts without spaces write whole words in two letters.
    long_enough = len(token) >= (4 if token.isascii() else 2)
    return long_enough and token not in lexicon.STOP_WORDS and not token[0].isdigit() and "'" not in token


def _keywords(sentence: Sentence) -> tuple[str, ...]:
    return tuple(token for token in sentence.tokens if _is_keyword(token))


def _distinctiveness(keywords: tuple[str, ...], seen: Counter[str], total: int) -> float:
    """How much a sentence says in words that are neither everywhere nor nowhere else."""
    if not keywords or total < 4:
        return 0.0
    weight = sum(math.log(total / seen[word]) * (1.0 if seen[word] > 1 else 0.6) for word in set(keywords))
    return min(1.0, weight / (6.0 * math.log(total)))


def _topic_shifts(keywords: Sequence[tuple[str, ...]]) -> list[float]:
    """How far the words after each sentence start differ from those before, against the neighbourhood (0 to 1)."""
    likeness = [1.0] * len(keywords)
    for place in range(1, len(keywords)):
        before = Counter(_roots(keywords[max(0, place - _BLOCK) : place]))
        after = Counter(_roots(keywords[place : place + _BLOCK]))
        likeness[place] = cosine(before, after)
    shifts = [0.0] * len(keywords)
    for place in range(1, len(keywords)):
        # Nothing comes before the first sentence, so it is like nothing and no measure of what is ordinary.
        left = max(likeness[max(1, place - _BLOCK) : place], default=likeness[place])
        right = max(likeness[place : place + _BLOCK])
        depth = (min(left, 1.0) - likeness[place]) + (right - likeness[place])
        lowest = likeness[place] <= min(likeness[max(0, place - 2) : place + 3])
        shifts[place] = min(1.0, depth) if lowest else 0.0
    if shifts:
        shifts[0] = 1.0
    return shifts


def _roots(sentences: Sequence[tuple[str, ...]]) -> list[str]:
    """The first five letters stand for a word's family; crude, but the same in every language with endings."""
    return [word[:5] for words in sentences for word in words]


def cosine(left: Counter[str], right: Counter[str]) -> float:
    """Likeness of two bags of words, 0 (nothing shared) to 1."""
    if not left or not right:
        return 0.0
    shared = sum(count * right[word] for word, count in left.items() if word in right)
    norm = math.sqrt(sum(count * count for count in left.values()) * sum(count * count for count in right.values()))
    return shared / norm
