"""Title, description and hashtags of a clip, from nothing but what is said in it."""

import math
import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from cliply_assets.highlights import lexicon
from cliply_assets.highlights.film import Film, hooking
from cliply_assets.highlights.moments import Moment
from cliply_assets.highlights.reasons import clock
from cliply_assets.highlights.sentences import Sentence
from cliply_assets.highlights.text_signals import Reading, points_back

__all__ = ["LONGEST_TITLE", "Wording", "trim_title", "word_clip"]

LONGEST_TITLE = 70  # characters; what every platform shows without cutting
_SHORTEST_TITLE = 12
_LONGEST_HOOK = 60  # characters; two lines on a phone
_LONGEST_DESCRIPTION = 220
_HASHTAGS = 5
_BLOCK_SECONDS = 60.0  # a minute of talk counts as one document for telling which words are special

_OPENERS = re.compile(
    r"^(?:(?:so|and|but|well|okay|ok|yeah|yes|no|um+|uh+|erm|you know|i mean|like|look|listen|anyway|right|alright|now(?=,)|"
    r"basically|actually|because|or|oh|see)\b[,.\s…-]*)+",
    re.IGNORECASE,
)
_INNER_FILLERS = re.compile(r",?\s*\b(?:um+|uh+|erm|uhm)\b,?", re.IGNORECASE)
_CLAUSE_WORDS = frozenset(("because", "which", "and", "but", "so", "when", "while", "if", "until", "although", "where"))
_STRONG_ENDS = (
    "it me him us them you yourself myself anything everything nothing something better again today together "
    "now years days year day time life work people well good never ever always too here there twice first last"
)
_DANGLING = (
    "a an the of and or but so to in on at for with from by as if that which who because very than into my your his her our "
    "their its is are was were be been am i'm i and just only"
)
_NEVER_LAST = frozenset(_DANGLING.split())
"""What not even a whole sentence ends with, unless its engine tore it."""
_LOOSE_ENDS = lexicon.STOP_WORDS - frozenset(_STRONG_ENDS.split())


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """What a post needs besides the clip."""

    title: str
    description: str
    hashtags: tuple[str, ...]
    hook: str = ""
    """A line to show at the start; empty where nothing is said."""


def word_clip(film: Film, moment: Moment, *, taken: Sequence[str] = (), chapter: str | None = None) -> Wording:
    """Words for one clip; `taken` are titles of earlier clips, which are not used again."""
    tags = _hashtags(film, moment)
    if not moment.spoken:
        title = _free(chapter or f"The moment at {clock(moment.peak)}", taken)
        return Wording(title=title, description=f"From {clock(moment.start)} to {clock(moment.end)}.", hashtags=tags)
    sentences = film.sentences[moment.first : moment.last + 1]
    readings = film.readings[moment.first : moment.last + 1]
    order = sorted(range(len(sentences)), key=lambda place: -_titleworthy(sentences[place], readings[place], place))
    titles = [worded for place in order if (worded := _title_of(sentences[place], readings[place]))]
    used = {old.lower() for old in taken}
    fresh = [free for free in titles if free.lower() not in used]
    fallback = titles[0] if titles else chapter or f"The moment at {clock(moment.start)}"
    best = fresh[0] if fresh else _free(fallback, taken)
    description = _description(sentences, readings, best)
    return Wording(title=best, description=description, hashtags=tags, hook=_hook_line(film, moment, best))


def _hook_line(film: Film, moment: Moment, title: str) -> str:
    """The strongest sentence that fits, told without its end: a question before any answer, and never the point itself.

    What the title says already is taken only where nothing else pulls.
    """
    best, strongest = "", 0.0
    for place in range(moment.first, moment.last + 1):
        line = trim_title(film.sentences[place].text, asks=film.readings[place].strength("question") >= 0.9)
        if not _SHORTEST_TITLE <= len(line) <= _LONGEST_HOOK:
            continue
        # The end of a clip is what people stay for; it must not be given away on its first picture.
        given_away = place > moment.first and place >= moment.last - 1
        worth = float(film.pulls[place]) - 0.5 * points_back(film.sentences[place], film.readings[place])
        worth -= 0.5 * given_away + 0.3 * (line.lower() == title.lower())
        if worth > strongest:
            best, strongest = line, worth
    return best or (title if len(title) <= _LONGEST_HOOK else "")


def trim_title(text: str, *, asks: bool = False) -> str:
    """A sentence as a title: no opening fillers, at most seventy characters, ending at a clause and never on "of the"."""
    text = _INNER_FILLERS.sub("", " ".join(text.split()))
    text = _OPENERS.sub("", text).strip(' ,;:–—-…"“”')
    words = text.rstrip(".").split()
    loose: frozenset[str] = frozenset() if asks else _NEVER_LAST
    if len(" ".join(words)) > LONGEST_TITLE:
        words, loose = _cut_at_clause(words), _LOOSE_ENDS
    while len(words) > 3 and words[-1].lower().strip(",;:–—-….") in loose:
        words.pop()
    title = " ".join(words).rstrip(",;:–—-… ").removesuffix(".")
    if asks and title and title[-1] not in "?!":
        title += "?"
    return title[:1].upper() + re.sub(r"\b(i)(?=\b|')", "I", title[1:])


def _cut_at_clause(words: list[str]) -> list[str]:
    """The longest run of words that fits and ends before a clause, or before the limit where there is no clause."""
    fitting = 0
    while fitting < len(words) and len(" ".join(words[: fitting + 1])) <= LONGEST_TITLE:
        fitting += 1
    for place in range(fitting, 3, -1):
        at_comma = words[place - 1][-1] in ",;:–—.!?"
        before_clause = place < len(words) and words[place].lower() in _CLAUSE_WORDS
        if (at_comma or before_clause) and len(" ".join(words[:place])) >= LONGEST_TITLE // 3:
            return words[:place]
    return words[:fitting]


def _title_of(sentence: Sentence, reading: Reading) -> str | None:
    asks = reading.strength("question") >= 0.9
    title = trim_title(sentence.text, asks=asks)
    if asks and len(title) < len(sentence.text) - 12 and len(sentence.text) > LONGEST_TITLE:
        # Half of a question asks nothing.
        return None
    wordy = sum(token not in lexicon.STOP_WORDS for token in sentence.tokens)
    return title if len(title) >= _SHORTEST_TITLE and wordy >= 1 else None


def _titleworthy(sentence: Sentence, reading: Reading, place: int) -> float:
    """Pulls in, says what it is about, is short, and needs nothing before it; the opening sentence is favoured a little."""
    topic = min(1.0, len(set(reading.keywords)) / 4)
    length = len(sentence.text)
    fits = 0.0 if 20 <= length <= LONGEST_TITLE else min(0.4, abs(length - 45) / 200)
    # "What went wrong?" is a hook, but it names nothing.
    fits += 0.25 * (length < 20) + 0.4 * (len(set(reading.keywords)) < 2)
    asked = 0.25 * (reading.strength("question") >= 0.9)
    return (
        hooking(reading)
        + 0.4 * topic
        + asked
        + 0.3 * reading.strength("payoff")
        + 0.15 * (place == 0)
        - 0.5 * points_back(sentence, reading)
        - fits
        - 0.4 * reading.dull
    )


def _description(sentences: Sequence[Sentence], readings: Sequence[Reading], title: str) -> str:
    """The one or two sentences that say most besides the title, in the order they are spoken."""
    ranked = sorted(range(len(sentences)), key=lambda place: -readings[place].interest)
    kept: list[int] = []
    for place in ranked:
        text = sentences[place].text
        if trim_title(text)[:40].lower() == title[:40].lower() or len(sentences[place].tokens) < 4:
            continue
        if sum(len(sentences[k].text) + 1 for k in [*kept, place]) <= _LONGEST_DESCRIPTION:
            kept.append(place)
        if len(kept) == 2:
            break
    if not kept:
        return title
    return " ".join(_sentence_case(sentences[place].text, readings[place]) for place in sorted(kept))


def _sentence_case(text: str, reading: Reading) -> str:
    text = _OPENERS.sub("", " ".join(text.split())).strip(" ,;:–—-") or text
    if text[-1] not in ".!?…。！？":
        text += "?" if reading.strength("question") >= 0.9 else "."
    return text[:1].upper() + re.sub(r"\bi(?=\b|')", "I", text[1:])


def _hashtags(film: Film, moment: Moment) -> tuple[str, ...]:
    """The clip's own words that are special to it within the film (tf-idf over minutes of talk), most special first."""
    minutes: dict[int, set[str]] = {}
    for sentence, reading in zip(film.sentences, film.readings, strict=True):
        minutes.setdefault(int(sentence.start / _BLOCK_SECONDS), set()).update(reading.keywords)
    known = Counter(word for words in minutes.values() for word in words)
    spoken = Counter(
        word for reading in film.readings[moment.first : moment.last + 1] for word in reading.keywords if word.isalpha()
    )
    names = {
        word.text.strip(".,;:!?\"“”'’").lower()
        for sentence in film.sentences[moment.first : moment.last + 1]
        for word in sentence.words[1:]
        if word.text[:1].isupper() and not word.text.isupper()
    }

    def special(word: str) -> float:
        rarity = math.log((1 + len(minutes)) / known[word]) + 0.3
        return spoken[word] * rarity * (1.5 if word in names else 1.0) * _noun_like(word)

    best = sorted(
        (word for word in spoken if 4 <= len(word) <= 24 or not word.isascii()), key=lambda w: (-special(w), w)
    )
    kept: list[str] = []
    for word in best:
        if len(kept) < _HASHTAGS and not any(word[:5] == other[:5] for other in kept):
            kept.append(word)
    return tuple(f"#{word}" for word in kept)


def _noun_like(word: str) -> float:
    """Hashtags are names of things; numbers, superlatives and most words in -ed, -ing and -ly are not."""
    if word in lexicon.NUMBER_WORDS or (word.endswith("est") and word not in lexicon.SUPERLATIVE_EXCEPTIONS):
        return 0.2
    return 0.5 if word.endswith(("ed", "ing", "ly")) or len(word) < 5 else 1.0


def _free(title: str, taken: Sequence[str]) -> str:
    number, free = 2, title[:LONGEST_TITLE]
    while free.lower() in {old.lower() for old in taken}:
        free = f"{title[: LONGEST_TITLE - 4]} ({number})"
        number += 1
    return free
