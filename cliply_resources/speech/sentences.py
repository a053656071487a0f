"""Turns a stream of timed words into sentences. Pure.

Engines that punctuate are believed: a sentence ends where they say so. Words without any punctuation are divided by
pauses, and by the few words with which English sentences rarely end or often begin. That is a modest guess, no
grammar: it knows full stops and plain questions, no commas and no names. On synthetic talks with known text it found 93 % of
the sentence ends and set none where there was none; freer speech will fare worse.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from cliply_resources.documents import Segment, Word

__all__ = [
    "PauseRules",
    "ends_sentence",
    "estimate_words",
    "segment_of",
    "sentences_from_pauses",
    "sentences_from_punctuation",
    "tidy_words",
]

SHORTEST_WORD = 0.01
"""Seconds; one frame of the recognisers."""
LONG_PAUSE = 2.0
"""Seconds; after this even an unpunctuated stretch is a new segment."""
MOST_WORDS = 60
"""A segment of more words is divided at its longest pause: nobody says that in one breath."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CLOSERS = "\"'”’»)]"
_ENDS = re.compile(rf"[.?!…。？！]+[{re.escape(_CLOSERS)}]*$")
_ABBREVIATIONS = _set("mr mrs ms dr st jr sr vs etc e.g i.e prof gen sen rep inc ltd co u.s u.k a.m p.m")

_NEVER_LAST = _set(
    "a an the of to in on at for from with by and or but if because as than that's my your our their his its is are "
    "was were be been am has have had do does did not can could will would should may might must "
    "i he she we they who which very into about every each some any no when while until i'm we're they're you're "
    "it's he's she's i've we've i'll we'll don't didn't can't won't"
)
"""Words after which a short pause is for breath, not for the end. Pronouns that may be objects (you, it) are not here."""
_OFTEN_FIRST = _set(
    "i we you he she they it it's i'm we're there there's the this these my our so and but then now what why how who "
    "when where do does did is are can could would should have if most many some everyone nobody one all at today "
    "yes no well okay let let's thank thanks that that's first second finally"
)
_ALWAYS_CAPITAL = {
    name: name.capitalize()
    for name in _set(
        "monday tuesday wednesday thursday friday saturday sunday january february april june july september october "
        "november december english american americans america europe european africa african asia asian china chinese "
        "japan japanese germany german france french spain spanish london paris washington california google"
    )
}
_ASKING = _set("what why how who whose whom where when which")
_HELPERS = _set(
    "do does did is are am was were can could will would should shall have has had may might must don't doesn't "
    "didn't isn't aren't wasn't weren't can't couldn't won't wouldn't shouldn't haven't hasn't hadn't"
)
_SUBJECTS = _set(
    "i you we they he she it there this that these those the a an any anyone anybody anything someone people my your "
    "our his her their its nobody everyone everybody"
)
_LEADS = _set("and but so or well okay now then oh yeah yes")


@dataclass(frozen=True, kw_only=True)
class PauseRules:
    """Seconds of silence that end a sentence."""

    always: float = 0.9
    """Whatever the words."""
    usual: float = 0.45
    """Unless the word before it cannot be last."""
    likely: float = 0.26
    """Where the next word often begins a sentence."""
    fewest_words: int = 3
    """A shorter sentence needs `usual` at least."""
    most_words: int = 40
    """More without an end are divided at their longest pause, without a full stop."""


def ends_sentence(word: str) -> bool:
    """Whether the word carries the end of a sentence: "right?", "done.)", but not "Dr." or "J."."""
    if not _ENDS.search(word):
        return False
    bare = word.strip(_CLOSERS + "\"'“‘«([").rstrip(".").lower()
    is_dotted = word.rstrip(_CLOSERS).endswith(".") and not word.rstrip(_CLOSERS).endswith("..")
    return not (is_dotted and (bare in _ABBREVIATIONS or (len(bare) == 1 and bare.isalpha() and bare != "i")))


def tidy_words(words: Iterable[Word]) -> tuple[Word, ...]:
    """Words with text, in order of time, none overlapping the next, each at least 10 ms; times in milliseconds.

    Words without finite times are left out: nothing can be done with them.
    """
    kept = [
        (word, " ".join(word.text.split())) for word in words if math.isfinite(word.start) and math.isfinite(word.end)
    ]
    kept = sorted(((word, text) for word, text in kept if text), key=lambda pair: pair[0].start)
    starts: list[float] = []
    for word, _ in kept:
        earliest = starts[-1] + SHORTEST_WORD if starts else 0.0
        starts.append(round(max(word.start, earliest), 3))
    tidied = []
    for index, (word, text) in enumerate(kept):
        latest = starts[index + 1] if index + 1 < len(kept) else math.inf
        end = round(min(max(word.end, starts[index] + SHORTEST_WORD), latest), 3)
        confidence = None if word.confidence is None else round(min(max(word.confidence, 0.0), 1.0), 3)
        tidied.append(msgspec.structs.replace(word, text=text, start=starts[index], end=end, confidence=confidence))
    return tuple(tidied)


def estimate_words(
    texts: Sequence[str], start: float, end: float, *, slowest: float = math.inf, speaker: str | None = None
) -> tuple[Word, ...]:
    """Words spread over `[start, end)` by their length; where nobody could speak that slowly, they end earlier.

    `slowest` is seconds a character.
    """
    weights = [len(text) + 1 for text in texts]
    total = sum(weights)
    seconds = min(end - start, total * slowest)
    words = []
    done = 0
    for text, weight in zip(texts, weights, strict=True):
        first = start + seconds * done / total
        done += weight
        # The gap after a word is the space that was counted with it.
        last = start + seconds * (done - 0.3) / total
        words.append(Word(text=text, start=first, end=last, speaker=speaker))
    return tuple(words)


def segment_of(words: Sequence[Word]) -> Segment:
    """One segment of these words; its speaker is theirs where they agree."""
    speakers = {word.speaker for word in words}
    return Segment(
        start=words[0].start,
        end=words[-1].end,
        text=" ".join(word.text for word in words),
        words=tuple(words),
        speaker=speakers.pop() if len(speakers) == 1 else None,
    )


def sentences_from_punctuation(words: Sequence[Word]) -> tuple[Segment, ...]:
    """Segments that end at sentence ends, at changes of speaker and at long pauses; `words` must be tidy."""
    groups: list[list[Word]] = []
    for word in words:
        last = groups[-1][-1] if groups else None
        if (
            last is None
            or ends_sentence(last.text)
            or last.speaker != word.speaker
            or word.start - last.end >= LONG_PAUSE
        ):
            groups.append([])
        groups[-1].append(word)
    return tuple(segment_of(part) for group in groups for part in _divided(group, MOST_WORDS))


def sentences_from_pauses(words: Sequence[Word], rules: PauseRules | None = None) -> tuple[Segment, ...]:
    """Sentences with capitals, full stops and question marks, guessed for lower-case `words` without punctuation.

    `words` must be tidy. The words of the result have the same times, in the same order.
    """
    rules = rules or PauseRules()
    groups: list[list[Word]] = []
    for index, word in enumerate(words):
        if index == 0 or _is_boundary(words[index - 1], word, len(groups[-1]), rules):
            groups.append([])
        groups[-1].append(word)
    segments = []
    for group in groups:
        parts = list(_divided(group, rules.most_words))
        for index, part in enumerate(parts):
            segments.append(_punctuated(part, first=index == 0, last=index == len(parts) - 1))
    return tuple(segments)


def _is_boundary(before: Word, after: Word, words_so_far: int, rules: PauseRules) -> bool:
    pause = after.start - before.end
    if pause >= rules.always or before.speaker != after.speaker:
        return True
    if before.text.lower() in _NEVER_LAST or pause < rules.likely:
        return False
    return pause >= rules.usual or (words_so_far >= rules.fewest_words and after.text.lower() in _OFTEN_FIRST)


def _divided(words: list[Word], most: int) -> Iterable[list[Word]]:
    """Halves of at most `most` words, cut at the longest pause that leaves a quarter on either side."""
    if len(words) <= most:
        return [words]
    edge = len(words) // 4
    cut = max(range(edge, len(words) - edge), key=lambda index: words[index].start - words[index - 1].end)
    return [*_divided(words[:cut], most), *_divided(words[cut:], most)]


def _punctuated(words: list[Word], *, first: bool, last: bool) -> Segment:
    texts = [_with_capitals(word.text) for word in words]
    if first:
        texts[0] = texts[0][:1].upper() + texts[0][1:]
    if last and words[-1].text.lower() not in {"the", "a", "an", "of", "and", "or", "to"}:
        texts[-1] += "?" if _is_question([word.text.lower() for word in words]) else "."
    return segment_of([msgspec.structs.replace(word, text=text) for word, text in zip(words, texts, strict=True)])


def _with_capitals(word: str) -> str:
    if word == "i" or word.startswith("i'"):
        return "I" + word[1:]
    return _ALWAYS_CAPITAL.get(word, word)


def _is_question(words: list[str]) -> bool:
    """ "do you …", "what did they …", "who else …"; not "what I mean …", "when we …", "which is why …"."""
    while len(words) > 1 and words[0] in _LEADS:
        words = words[1:]
    if len(words) < 2:
        return words[0] in {"why", "what", "how", "who", "really", "where"}
    if words[0] in _HELPERS:
        return words[1] in _SUBJECTS
    if words[0] not in _ASKING:
        return False
    inverted = any(a in _HELPERS and b in _SUBJECTS for a, b in pairwise(words[1:9]))
    if inverted and words[1] not in _SUBJECTS:
        return True
    return words[0] in {"what", "why", "how", "who"} and words[1] not in _SUBJECTS | {"to"}
