"""How TikTok wants a video cut: whole chunks, and the last one takes the rest."""

from typing import NamedTuple

__all__ = ["CHUNK_BYTES", "ChunkPlan", "chunk_plan"]

CHUNK_BYTES = 10_000_000
"""Good for every size up to the 4 GB limit: between TikTok's 5 and 64 MB, and never more than 429 chunks."""


class ChunkPlan(NamedTuple):
    """What `source_info` says, and what follows from it."""

    size: int
    chunk: int
    chunks: int

    def end_of(self, offset: int) -> int:
        """Where the chunk ends that begins at `offset` (exclusive); a realigned offset may lie inside a chunk."""
        index = offset // self.chunk
        return self.size if index >= self.chunks - 1 else (index + 1) * self.chunk

    def is_last(self, offset: int) -> bool:
        """Whether the chunk from `offset` on carries the last byte."""
        return self.end_of(offset) == self.size


def chunk_plan(size: int, *, chunk: int = CHUNK_BYTES) -> ChunkPlan:
    """The plan for a video of `size` bytes: `chunks` is size divided by chunk, rounded down (at least one)."""
    if size <= chunk:
        return ChunkPlan(size, size, 1)
    return ChunkPlan(size, chunk, size // chunk)
