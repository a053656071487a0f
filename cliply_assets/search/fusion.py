"""Makes one ranking of several."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

__all__ = ["fuse"]

Key = TypeVar("Key", bound=Hashable)

DAMPING = 60
"""Keeps the first place of one list from outweighing good places in two (Cormack, Clarke and Büttcher, SIGIR 2009)."""


def fuse(rankings: Sequence[Sequence[Key]]) -> list[tuple[Key, float]]:
    """Reciprocal rank fusion: each thing once, best first, with the sum of 1 / (60 + place) over the lists that name it.

    A thing that a list names twice counts with its better place. Equal sums keep the order of first mention.
    """
    sums: dict[Key, float] = {}
    for ranking in rankings:
        for place, key in enumerate(dict.fromkeys(ranking), start=1):
            sums[key] = sums.get(key, 0.0) + 1.0 / (DAMPING + place)
    return sorted(sums.items(), key=lambda pair: -pair[1])
