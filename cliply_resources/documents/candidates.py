"""Moments proposed as clips, with the reasons."""

import msgspec

__all__ = ["Candidate", "Candidates", "Ranking"]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A whole thought worth posting."""

    start: float
    end: float
    score: float
    """0 to 100, comparable within one upload."""
    subscores: dict[str, float]
    """Named parts of the score, each 0 to 100."""
    title: str
    description: str
    hashtags: tuple[str, ...]
    reasons: tuple[str, ...]
    """Plain sentences, the strongest first: what in the film speaks for this moment."""
    text: str = ""
    """What is said in it; empty where there is no speech."""
    hook: str = ""
    """A line to show at the start, at most 60 characters, in words of the clip; empty where nothing is said."""


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """How a language model took part, and what it cost."""

    model: str
    prompt_version: str
    passes: int
    """1: scores alone; 2: the best were also compared with each other."""
    prompt_tokens: int
    completion_tokens: int
    """Of what was asked anew; an answer that was remembered costs nothing."""
    rated: int
    """Moments that it saw."""


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """`candidates.json`: best first, none overlapping another by more than a little."""

    ranker: str
    """`built-in`, or the model that re-ranked."""
    profile: str
    candidates: tuple[Candidate, ...]
    near_misses: tuple[Candidate, ...] = ()
    """The best moments that fell short; where `candidates` is empty, these say how close it was."""
    note: str = ""
    """A sentence for the user: why there are fewer than asked, or what went wrong with the ranking model."""
    ranking: Ranking | None = None
    """`None` where the built-in ranking stands alone."""
