"""Stretches of time."""

import msgspec

__all__ = ["Span"]


class Span(msgspec.Struct, frozen=True, order=True):
    """A stretch of the source, `[start, end)` in seconds. Empty and backward spans are refused."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"a span must end after it starts, not {self.start} to {self.end}")

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        return self.end - self.start

    def overlap(self, other: "Span") -> float:
        """Seconds that both have in common; 0 where they only touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def contains(self, moment: float) -> bool:
        """Whether `moment` lies inside."""
        return self.start <= moment < self.end
