"""How work tells the world how far it is."""

from collections.abc import Callable

__all__ = ["Progress", "part_of", "silent"]

Progress = Callable[[float, str], None]
"""Called with the done fraction (0 to 1, never falling) and what is being done right now ("decoding, 41 s of 175 s")."""


def silent(fraction: float, doing: str) -> None:
    """Tells nobody."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """Maps a part's own 0 to 1 onto `start` to `end` of the whole."""

    def report(fraction: float, doing: str) -> None:
        progress(start + (end - start) * min(max(fraction, 0.0), 1.0), doing)

    return report
