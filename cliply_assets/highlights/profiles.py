"""What kind of film it is, told from its signals, and what counts in such a film."""

from collections.abc import Sequence

import numpy as np

from cliply_assets.highlights.sentences import Sentence
from cliply_assets.highlights.text_signals import Reading
from cliply_assets.highlights.timeline import Timeline

__all__ = ["SIGNAL_WEIGHTS", "SUBSCORE_WEIGHTS", "profile_of"]

_TALKING = {
    "text": 4.0,
    "energy": 1.2,
    "rise": 0.3,
    "pitch_range": 1.2,
    "pace": 0.5,
    "laughter": 1.0,
    "applause": 1.0,
    "cuts": 0.3,
    "motion": 0.4,
    "faces": 0.4,
    "replayed": 2.0,
    "comments": 1.5,
    "chat": 1.5,
}
_SHOWING = {
    "text": 1.5,
    "energy": 2.0,
    "rise": 1.5,
    "pitch_range": 0.5,
    "pace": 0.3,
    "laughter": 1.5,
    "applause": 1.5,
    "beats": 0.3,
    "cuts": 1.0,
    "motion": 2.0,
    "faces": 0.5,
    "replayed": 2.0,
    "comments": 1.5,
    "chat": 1.5,
}

SIGNAL_WEIGHTS: dict[str, dict[str, float]] = {
    "talk": _TALKING,
    "podcast": _TALKING,
    "interview": _TALKING,
    "gaming": _SHOWING,
    "event": {**_SHOWING, "applause": 2.5, "laughter": 2.0},
    "music": {**_SHOWING, "text": 0.3, "beats": 1.5, "rise": 2.0},
    "picture": {**_SHOWING, "motion": 3.0, "cuts": 1.5},
}
"""How the signals mix into one curve. Editorial judgement: words lead where people talk, movement and sound elsewhere."""

_TALKING_PARTS = {
    "hook": 2.2,
    "payoff": 2.0,
    "substance": 2.2,
    "emotion": 1.2,
    "coherence": 2.2,
    "delivery": 0.9,
    "room": 1.2,
    "picture": 0.3,
    "audience": 1.5,
    "topic": 4.0,
}
_SHOWING_PARTS = {
    "hook": 0.8,
    "payoff": 0.8,
    "substance": 0.8,
    "emotion": 0.8,
    "coherence": 1.0,
    "delivery": 2.2,
    "room": 2.0,
    "picture": 2.0,
    "audience": 2.0,
    "topic": 4.0,
}
SUBSCORE_WEIGHTS: dict[str, dict[str, float]] = {
    "talk": _TALKING_PARTS,
    "podcast": _TALKING_PARTS,
    "interview": {**_TALKING_PARTS, "payoff": 2.4},
    "gaming": _SHOWING_PARTS,
    "event": {**_SHOWING_PARTS, "room": 3.0},
    "music": {**_SHOWING_PARTS, "hook": 0.3, "payoff": 0.3, "substance": 0.3},
    "picture": _SHOWING_PARTS,
}
"""How the subscores of a moment mix into its score."""

_TALKED_THROUGH = 0.35  # share of the film in which somebody speaks, above which words lead
_HARDLY_SPOKEN = 0.12


def profile_of(timeline: Timeline, sentences: Sequence[Sentence], readings: Sequence[Reading]) -> str:
    """`talk`, `podcast`, `interview`, `gaming`, `event`, `music` or `picture`."""
    spoken = sum(sentence.duration for sentence in sentences) / max(timeline.duration, 1e-9)
    beats = timeline.columns.get("beats")
    music = float((beats > 0.4).mean()) if beats is not None else 0.0
    if spoken >= _TALKED_THROUGH:
        return _talk_of(timeline, sentences, readings)
    if music >= 0.5 and spoken < _TALKED_THROUGH:
        return "music"
    if spoken >= _HARDLY_SPOKEN:
        return "gaming" if _room_share(timeline) < 0.02 and "motion" in timeline.columns else "event"
    return "picture" if "energy" not in timeline.columns else "event"


def _talk_of(timeline: Timeline, sentences: Sequence[Sentence], readings: Sequence[Reading]) -> str:
    asked = sum(
        reading.strength("question") >= 0.5 and len(sentence.tokens) >= 4
        for sentence, reading in zip(sentences, readings, strict=True)
    )
    a_minute = asked / max(timeline.duration / 60.0, 0.5)
    voices = {sentence.speaker for sentence in sentences if sentence.speaker}
    if len(voices) >= 2:
        return "interview" if a_minute >= 0.4 else "podcast"
    return "interview" if not voices and a_minute >= 1.0 else "talk"


def _room_share(timeline: Timeline) -> float:
    rows = [timeline.columns[name] for name in ("laughter", "applause") if name in timeline.columns]
    return float((np.max(rows, axis=0) > 0.5).mean()) if rows else 0.0
