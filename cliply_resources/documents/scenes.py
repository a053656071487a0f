"""Where the picture cuts."""

import msgspec

from cliply_resources.documents.spans import Span

__all__ = ["Scenes"]


class Scenes(msgspec.Struct, frozen=True, kw_only=True):
    """Shots in order, covering the whole source without gaps; a source without cuts is one shot."""

    shots: tuple[Span, ...]
    detector: str

    @property
    def cuts(self) -> tuple[float, ...]:
        """The presentation time of the first frame of every shot but the first."""
        return tuple(shot.start for shot in self.shots[1:])
