"""Which pieces of a clip stay when long pauses and filler words are taken out.

Only measured silence and known fillers go, and a cut begins and ends in silence: never in a word, whatever its times claim, nor in
laughter, applause or music. A long pause becomes a short one, as a speaker would make it, and not none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cliply_assets.renders.fillers import find_fillers
from cliply_assets.renders.spec import ClipGrid
from cliply_resources.documents import Span, Word
from cliply_resources.documents.clips import KeptPiece

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LEVELS", "TightenRules", "kept_pieces", "lively_spans"]

_AUDIO_RATE = 48_000

_DECAY, _ONSET = 0.04, 0.03  # s of silence that stay after a sound and before one: a room's ring, a lip's parting
_EDGE = 0.06  # s; shorter silence beside a filler may be the closure of a consonant
_AROUND = 0.05  # s by which word times may be wrong
_LONGEST_TAIL = 0.4  # s of silence that an engine may count as part of a word
_LEAST_WORD = 0.06  # s of a word that are sound for certain
_SHORTEST_CUT = 0.2  # s; for less no jump in the picture is worth it
_SHORTEST_PIECE = 0.25  # s; shorter ones flicker
_FLASH = Fraction(1, 5)  # s; a shot that is shown for less flashes by
_BEFORE_CUT = 0.55  # share of the rest that stays before the cut: sounds ring out, and then a breath is drawn
_LIVELY = 0.4  # probability from which a tenth of a second counts as laughter or applause
_RINGS_OUT = 0.5  # s; between two beats there is music, too
_FILLER_REST = 0.12  # s that stay between two words when what filled the time between them goes
_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")


class TightenRules(NamedTuple):
    """How much goes. Seconds."""

    longest_pause: float
    """Between two words; longer ones are shortened."""
    rest: float
    """What stays of a long pause inside a sentence."""
    sentence_rest: float
    """And between sentences."""
    phrases: bool
    """Whether sayings such as "you know" go as well."""


LEVELS: Mapping[str, TightenRules] = MappingProxyType(
    {
        "gentle": TightenRules(longest_pause=0.9, rest=0.45, sentence_rest=0.6, phrases=False),
        "tight": TightenRules(longest_pause=0.55, rest=0.25, sentence_rest=0.35, phrases=True),
    }
)
"""A listener's ear finds a pause of 0.45 s in a sentence natural and one of 0.25 s brisk."""


@dataclass(frozen=True)
class _Cut:
    """`most` seconds of `inside` (silence and a filler) are to go, and all of the filler; `gap` is the time between the two words."""

    gap: Span
    inside: Span
    filler: Span | None
    most: float


def kept_pieces(
    clip: ClipGrid,
    words: Sequence[Word],
    silences: Sequence[Span],
    rules: TightenRules,
    *,
    language: str | None = None,
    fillers: bool = True,
    keep: Sequence[Span] = (),
    shots: Sequence[float] = (),
) -> tuple[KeptPiece, ...]:
    """What stays of the clip, in order; one piece where nothing goes. Times are seconds of the source.

    `words` are the film's, `silences` what was measured to be quiet, in order. `fillers` is false where words are not known well enough
    to be taken out. No cut touches `keep`. `shots` are the moments at which the picture cuts: a join that lies a few frames beside one
    is moved onto it, so that no shot flashes by; that moves the picture alone, within the pause.

    Before the first word and after the last nothing goes: where a clip begins and ends is not decided here.
    """
    start, end = clip.first_frame / clip.frame_rate, (clip.first_frame + clip.frames) / clip.frame_rate
    inside = [word for word in words if start <= (word.start + word.end) / 2 < end]
    quiet = list(_without(silences, keep))
    pieces: list[KeptPiece] = []
    first, shift = clip.first_frame, 0
    for cut in _cuts(inside, quiet, rules, language if fillers else None):
        placed = _on_frames(cut, clip.frame_rate)
        if placed is None or (placed.first - first) / clip.frame_rate < _SHORTEST_PIECE:
            continue
        onto = _onto_shot(placed, cut.gap, clip.frame_rate, shots)
        if (onto.first - first) / clip.frame_rate + Fraction(onto.shift - shift, _AUDIO_RATE) >= _SHORTEST_PIECE / 2:
            placed = onto
        from_frame, frames, next_shift = placed
        pieces.append(KeptPiece(first_frame=first, frames=from_frame - first, sound_shift=shift))
        first, shift = from_frame + frames, next_shift
    last = clip.first_frame + clip.frames
    while pieces and (last - first) / clip.frame_rate < _SHORTEST_PIECE:
        gone = pieces.pop()
        first, shift = gone.first_frame, gone.sound_shift
    return (*pieces, KeptPiece(first_frame=first, frames=last - first, sound_shift=shift))


def lively_spans(heard: "pl.DataFrame") -> tuple[Span, ...]:
    """The stretches of laughter, applause and music in a table of `audio_features`, with what rings out around them."""
    import polars as pl

    lively = heard.filter((pl.col("laughter") > _LIVELY) | (pl.col("applause") > _LIVELY) | pl.col("beat"))
    spans: list[Span] = []
    for moment in lively["time"]:
        start, end = float(moment) - _RINGS_OUT, float(moment) + 0.1 + _RINGS_OUT
        if spans and start <= spans[-1].end:
            spans[-1] = Span(spans[-1].start, end)
        else:
            spans.append(Span(start, end))
    return tuple(spans)


def _without(silences: Sequence[Span], keep: Sequence[Span]) -> Iterator[Span]:
    for silence in silences:
        parts = [silence]
        for one in keep:
            parts = [
                Span(low, high)
                for part in parts
                for low, high in ((part.start, min(part.end, one.start)), (max(part.start, one.end), part.end))
                if low < high
            ]
        yield from parts


def _cuts(words: Sequence[Word], quiet: Sequence[Span], rules: TightenRules, language: str | None) -> Iterator[_Cut]:
    """In order, never overlapping, each between two words that stay."""
    gone = {place for found in find_fillers(words, language, phrases=rules.phrases) for place in found}
    heard = [_heard(word, quiet) for word in words]
    kept = [place for place in range(len(words)) if place not in gone]
    # A filler that opens or ends the clip stands beside no word that could say where it ends.
    for before, after in pairwise(kept):
        gap = (heard[before].end, heard[after].start)
        if gap[1] - gap[0] < _SHORTEST_CUT / 2:
            continue
        rest = rules.sentence_rest if words[before].text.endswith(_SENTENCE_ENDS) else rules.rest
        runs = [cut for cut in (_clipped(silence, *gap) for silence in quiet) if cut is not None]
        if after == before + 1:
            yield from _pause(gap, runs, rules.longest_pause, rest)
        else:
            filler = Span(heard[before + 1].start, max(heard[after - 1].end, heard[before + 1].start + _LEAST_WORD))
            yield from _filler(gap, runs, filler, rest)


def _heard(word: Word, quiet: Sequence[Span]) -> Span:
    """The word without the silence that an engine counted as its beginning or its end."""
    start, end = word.start, max(word.end, word.start + _LEAST_WORD)
    for silence in quiet:
        if silence.duration < _EDGE:
            continue
        if silence.start <= start + _AROUND / 2 < silence.end and silence.end - start <= _LONGEST_TAIL:
            start = min(silence.end, end - _LEAST_WORD)
        if silence.start < end - _AROUND / 2 <= silence.end and end - silence.start <= _LONGEST_TAIL:
            end = max(silence.start, start + _LEAST_WORD)
    return Span(start, end)


def _clipped(silence: Span, low: float, high: float) -> Span | None:
    """What may be cut of a silence between two words: it keeps its edges where they touch sound."""
    start, end = max(silence.start + _DECAY, low), min(silence.end - _ONSET, high)
    return Span(start, end) if start < end else None


def _pause(gap: tuple[float, float], runs: Sequence[Span], longest: float, rest: float) -> Iterator[_Cut]:
    """A breath or a cough in a pause stays; the longest silence gives first."""
    wanted = gap[1] - gap[0] - rest
    if gap[1] - gap[0] <= longest:
        return
    chosen = []
    for run in sorted(runs, key=lambda run: -run.duration):
        take = min(wanted, run.duration)
        if take < _SHORTEST_CUT:
            break
        chosen.append(_Cut(Span(*gap), run, None, take))
        wanted -= take
    yield from sorted(chosen, key=lambda cut: cut.inside.start)


def _filler(gap: tuple[float, float], runs: Sequence[Span], filler: Span, rest: float) -> Iterator[_Cut]:
    """One cut from the silence before the filler into the silence after it; none where either is missing."""
    before = next((run for run in reversed(runs) if run.start < filler.start + _AROUND and run.end <= filler.end), None)
    after = next((run for run in runs if run.end > filler.end - _AROUND and run.start >= filler.start), None)
    least = _EDGE - _DECAY - _ONSET + 0.01
    if before is None or after is None or min(before.duration, after.duration) < least or before.end >= after.start:
        return
    # Another sound between the silence and the filler would go with it.
    if filler.start - before.end > _ONSET + _AROUND or after.start - filler.end > _DECAY + _AROUND:
        return
    heard = Span(before.end, after.start)
    quiet = gap[1] - gap[0] - heard.duration
    yield _Cut(
        Span(*gap), Span(before.start, after.end), heard, heard.duration + max(0.0, quiet - max(_FILLER_REST, rest))
    )


class _Placed(NamedTuple):
    """The first frame that goes, how many go, and the samples by which the sound is cut later than the picture."""

    first: int
    frames: int
    shift: int


def _on_frames(cut: _Cut, rate: Fraction) -> _Placed | None:
    room = floor(Fraction(cut.inside.duration) * rate)
    if cut.filler is None:
        frames = min(floor(Fraction(cut.most) * rate), room)
        if frames < _SHORTEST_CUT * rate:
            return None
        start = cut.inside.start + (cut.inside.duration - float(frames / rate)) * _BEFORE_CUT
    else:
        least = ceil(Fraction(cut.filler.duration) * rate)
        frames = min(max(least, floor(Fraction(cut.most) * rate)), room)
        if frames < least or frames < 1:
            return None
        low = max(cut.inside.start, cut.filler.end - float(frames / rate))
        high = min(cut.filler.start, cut.inside.end - float(frames / rate))
        start = low + (high - low) * _BEFORE_CUT
    first = round(Fraction(start) * rate)
    return _Placed(first, frames, round((Fraction(start) - first / rate) * _AUDIO_RATE))


def _onto_shot(placed: _Placed, gap: Span, rate: Fraction, shots: Sequence[float]) -> _Placed:
    """The same with its picture on the cut of the film that lies beside it; as it was where none does."""
    for shot in shots:
        frame = round(Fraction(shot) * rate)
        early, late = placed.first - frame, frame - (placed.first + placed.frames)
        if 0 < early <= _FLASH * rate:
            moved = -early
        elif 0 < late <= _FLASH * rate:
            moved = late
        else:
            continue
        first = placed.first + moved
        if gap.start <= first / rate and (first + placed.frames) / rate <= gap.end:
            return _Placed(first, placed.frames, placed.shift - round(moved / rate * _AUDIO_RATE))
    return placed
