"""The picture's plan: which camera is on when, who stands where, and how they move. Everything follows from the speech."""

from pathlib import Path
from typing import Literal

import msgspec

from cliply_assets.sample.truth import FPS, Figure, SampleTruth, Shot, SpeechTruth, cut_short, load_speech_truth

__all__ = ["film_truth", "load_truth", "plan_shots"]

View = Literal["wide", "host", "guest", "close", "walk", "slide"]

_CUT_BEFORE_WORDS = 0.15  # seconds; an editor cuts just before somebody speaks
_SHORTEST_SHOT = 0.8  # seconds

_CAMERAS: tuple[tuple[str, int, View], ...] = (
    ("welcome", 0, "wide"),
    ("welcome", 2, "host"),
    ("welcome", 4, "slide"),
    ("number", 0, "host"),
    ("number", 2, "guest"),
    ("number", 4, "close"),
    ("number", 6, "guest"),
    ("number", 7, "wide"),
    ("opinion", 0, "host"),
    ("opinion", 1, "guest"),
    ("opinion", 3, "close"),
    ("opinion", 5, "walk"),
    ("opinion", 7, "wide"),
    ("rooms", 0, "guest"),
    ("rooms", 1, "slide"),
    ("rooms", 3, "walk"),
    ("hammers", 0, "wide"),
    ("hammers", 1, "guest"),
    ("hammers", 3, "walk"),
    ("hammers", 5, "guest"),
    ("hammers", 7, "close"),
    ("hammers", 9, "guest"),
    ("hammers", 10, "close"),
    ("hammers", 12, "guest"),
    ("hammers", 13, "wide"),
    ("mother", 0, "host"),
    ("mother", 1, "guest"),
    ("mother", 3, "walk"),
    ("mother", 6, "close"),
    ("mother", 8, "wide"),
    ("remember", 0, "host"),
    ("remember", 2, "close"),
    ("remember", 4, "wide"),
    ("goodbye", 0, "host"),
    ("goodbye", 1, "slide"),
    ("goodbye", 3, "wide"),
)
"""Passage, number of the sentence in it (one past the last: the audience's reaction), and the camera from there on."""

_SLIDES: dict[str, tuple[str, ...]] = {
    "welcome": ("Count the hammers", "An evening about lists", "Coats: back room", "Parking: front desk"),
    "rooms": ("Three rooms", "The papers", "Copies of the papers", "A list of the other rooms"),
    "goodbye": ("Next event", "Thursday at seven", "Tickets: front desk"),
}


def plan_shots(speech: SpeechTruth, *, frames: int) -> tuple[Shot, ...]:
    """Shots that cover `frames` frames without gaps, cut on whole frames shortly before a sentence or a reaction starts."""
    cameras: list[tuple[int, View, str]] = []
    for passage, sentence, view in _CAMERAS:
        first = round((_moment(speech, passage, sentence) - _CUT_BEFORE_WORDS) * FPS) if cameras else 0
        if not cameras or frames - first >= _SHORTEST_SHOT * FPS:
            cameras.append((first, view, passage))
    ends = [first for first, _, _ in cameras[1:]] + [frames]
    return tuple(
        Shot(
            view=view,
            first_frame=first,
            frames=end - first,
            figures=_figures(view, turn=number),
            slide=_SLIDES[passage] if view == "slide" else (),
        )
        for number, ((first, view, passage), end) in enumerate(zip(cameras, ends, strict=True))
    )


def film_truth(speech: SpeechTruth, *, seconds: float | None = None, height: int = 1080) -> SampleTruth:
    """Everything about a film of `speech`, 16:9 and `height` pixels high, ended after `seconds` where given."""
    wanted = speech.duration if seconds is None else min(seconds, speech.duration)
    frames = int(wanted * FPS)
    shots = plan_shots(speech, frames=frames)
    speech = cut_short(speech, frames / FPS)
    return SampleTruth(
        title=speech.title,
        duration=frames / FPS,
        width=2 * round(height * 16 / 9 / 2),
        height=height,
        fps=FPS,
        frames=frames,
        segments=speech.segments,
        passages=speech.passages,
        reactions=speech.reactions,
        exchanges=speech.exchanges,
        shots=shots,
    )


def load_truth(path: Path | None = None) -> SampleTruth:
    """The truth of the whole film at 1080p, or of the film that the `truth.json` at `path` lies beside."""
    if path is not None:
        return msgspec.json.decode(path.read_bytes(), type=SampleTruth)
    return film_truth(load_speech_truth())


def _moment(speech: SpeechTruth, name: str, sentence: int) -> float:
    """When the sentence, or the audience's reaction after the last one, starts."""
    passage = next(one for one in speech.passages if one.name == name)
    starts = [one.start for one in speech.segments if passage.span.contains(one.start)]
    starts += [one.span.start for one in speech.reactions if passage.span.contains(one.span.start)]
    return starts[sentence]


def _figures(view: View, *, turn: int) -> tuple[Figure, ...]:
    """Who stands where; `turn` (the shot's number) lets people start from another side in the next shot of a view."""
    side = 1 if turn % 2 else -1
    if view == "wide":
        return (
            Figure(person="host", size=0.74, top=0.26, centre=0.27, sway=0.008, period=5.3),
            Figure(person="guest", size=0.76, top=0.24, centre=0.72, sway=0.012, period=4.1),
        )
    if view == "host":
        return (Figure(person="host", size=1.0, top=0.06, centre=0.5, sway=0.02 * side, period=6.2),)
    if view == "guest":
        return (Figure(person="guest", size=1.04, top=0.05, centre=0.5 - 0.06 * side, walk=0.12 * side, sway=0.012),)
    if view == "close":
        return (Figure(person="guest", size=1.6, top=-0.01, centre=0.54, sway=0.02 * side, period=4.6),)
    if view == "walk":
        return (
            Figure(
                person="guest", size=0.8, top=0.2, centre=0.5 - 0.27 * side, walk=0.54 * side, sway=0.004, period=0.9
            ),
        )
    return ()
