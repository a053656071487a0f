"""How well moments are chosen on talks with known good moments: ours, random windows, and TextTiling.

A clip and a moment match from an overlap of half their union on. Everything is worked out on documents; nothing is rendered.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from labelled import Labelled, bare, read_all, room_table
from texttiling import tiles
from viewers import viewers_of

from cliply_assets.highlights.choose import choose_candidates
from cliply_resources.documents import Candidate, Scenes, Span, Transcript, UploadSettings

__all__ = ["LONGEST", "SHORTEST", "measure_selection", "ours"]

SHORTEST, LONGEST = 12.0, 60.0
_MATCH = 0.5
_DRAWS = 400
_WORD_SLACK = 0.01  # s
_RIGHT, _WRONG = "text and viewers", "text and viewers who mean other places"
_VARIANTS = ("text", "text and room", "bare words", _RIGHT, _WRONG)


def measure_selection(names: Sequence[str] = ()) -> dict[str, Any]:
    """Means over the talks tuned on and over those held out, for every kind of input; and every talk by itself."""
    talks = [talk for talk in read_all() if not names or talk.name in names]
    per_talk = {talk.name: {kind: _measured(talk, kind) for kind in _VARIANTS} for talk in talks}
    groups = {
        "tuned on": [talk for talk in talks if not talk.held_out],
        "held out": [talk for talk in talks if talk.held_out],
    }
    means = {
        group: {kind: _mean([per_talk[talk.name][kind] for talk in members]) for kind in _VARIANTS}
        for group, members in groups.items()
        if members
    }
    baselines = {
        group: {
            "random windows": _mean([_random(talk) for talk in members]),
            "texttiling": _mean([_tiled(talk) for talk in members]),
        }
        for group, members in groups.items()
        if members
    }
    return {"ours": means, "baselines": baselines, "talks": per_talk}


def ours(talk: Labelled, kind: str, *, clips: int | None = None) -> tuple[Candidate, ...]:
    """The clips that are chosen when as many are asked for as there are good moments."""
    transcript: Transcript = bare(talk.transcript) if kind == "bare words" else talk.transcript
    chosen, _ = choose_candidates(
        transcript,
        room_table(talk) if kind == "text and room" else None,
        Scenes(shots=(Span(0.0, talk.duration),), detector="none"),
        None,
        None,
        duration=talk.duration,
        settings=UploadSettings(clips=clips or len(talk.moments), min_seconds=SHORTEST, max_seconds=LONGEST),
        origin=None,
        audience=viewers_of(talk, right=kind == _RIGHT) if kind in {_RIGHT, _WRONG} else None,
    )
    return chosen.candidates


def _measured(talk: Labelled, kind: str) -> dict[str, float]:
    clips = ours(talk, kind)
    spans = [Span(clip.start, clip.end) for clip in clips]
    figures = _ranking(talk, spans)
    found = [(clip, moment) for clip in spans for moment in talk.moments if _iou(clip, moment.span) >= _MATCH]
    starts = [abs(clip.start - moment.span.start) for clip, moment in found]
    ends = [abs(clip.end - moment.span.end) for clip, moment in found]
    asked = [
        (clip, moment) for clip in spans for moment in talk.moments if moment.asks and _shared(clip, moment.span) > 3
    ]
    figures |= {
        "clips": float(len(clips)),
        "start_error_s": float(np.mean(starts)) if starts else float("nan"),
        "end_error_s": float(np.mean(ends)) if ends else float("nan"),
        "cut_in_word": float(sum(_inside(edge, _words(talk)) for clip in spans for edge in (clip.start, clip.end))),
        "cut_in_sentence": float(
            sum(_inside(edge, talk.sentences) for clip in spans for edge in (clip.start, clip.end))
        ),
        # A clip that begins within the answer, although its question was there to be had.
        "question_lost": float(
            sum(clip.start > moment.span.start + 0.3 for clip, moment in asked if clip.start < moment.span.end)
        ),
        "overlap_s": float(sum(_shared(a, b) for place, a in enumerate(spans) for b in spans[place + 1 :])),
    }
    return figures


def _ranking(talk: Labelled, clips: Sequence[Span]) -> dict[str, float]:
    hits = [any(_iou(clip, moment.span) >= _MATCH for moment in talk.moments) for clip in clips]
    found = [any(_iou(clip, moment.span) >= _MATCH for clip in clips) for moment in talk.moments]
    inside = [sum(_shared(clip, moment.span) for moment in talk.moments) / clip.duration for clip in clips]
    return {
        "precision_at_1": float(hits[0]) if hits else 0.0,
        "precision_at_k": float(np.mean(hits)) if hits else 0.0,
        "recall_at_k": float(np.mean(found)),
        "time_in_good": float(np.mean(inside)) if inside else 0.0,
    }


def _random(talk: Labelled) -> dict[str, float]:
    rng = np.random.default_rng(7)

    def draw() -> list[Span]:
        lengths = rng.uniform(15.0, 45.0, len(talk.moments))
        return [Span(start, start + length) for length in lengths for start in [rng.uniform(0, talk.duration - length)]]

    return _drawn(talk, draw)


def _tiled(talk: Labelled) -> dict[str, float]:
    found = tiles(talk.transcript, shortest=SHORTEST, longest=LONGEST)
    rng = np.random.default_rng(7)

    def draw() -> list[Span]:
        # Unranked: any of them is as likely to be posted.
        places = rng.choice(len(found), min(len(talk.moments), len(found)), replace=False)
        return [found[place] for place in places]

    return _drawn(talk, draw) | {"every_tile_recall": _ranking(talk, found)["recall_at_k"], "tiles": float(len(found))}


def _drawn(talk: Labelled, draw: Callable[[], list[Span]]) -> dict[str, float]:
    return _mean([_ranking(talk, draw()) for _ in range(_DRAWS)])


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.nanmean([row[name] for row in rows])), 3) for name in rows[0]}


def _words(talk: Labelled) -> list[Span]:
    return [Span(word.start, word.end) for word in talk.transcript.words]


def _inside(edge: float, spans: Sequence[Span]) -> bool:
    return any(span.start + _WORD_SLACK < edge < span.end - _WORD_SLACK for span in spans)


def _shared(one: Span, other: Span) -> float:
    return max(0.0, min(one.end, other.end) - max(one.start, other.start))


def _iou(one: Span, other: Span) -> float:
    return _shared(one, other) / (max(one.end, other.end) - min(one.start, other.start))
