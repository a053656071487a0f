"""The stored form of what can be found in one upload: one row for each passage and each picture."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cliply_assets.search.passages import Passage, nearest_passage
from cliply_resources.embedding import Embedder, Image, Vectors

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FRAME", "PASSAGE", "embed_frames", "make_documents"]

PASSAGE = "passage"
FRAME = "frame"

FRAME_SECONDS = 2.0
"""One picture in so many seconds is searched; a picture that stays shorter is not what anybody remembers."""
BATCH = 32
"""Pictures held in memory at once."""


def embed_frames(
    frames: Iterable[tuple[float, Image]], embedder: Embedder, *, rate: float
) -> Iterator[tuple[list[float], Vectors]]:
    """Yields times and vectors of one picture every 2 s, some at a time; `rate` is how many frames a second come in."""
    every = max(1, round(FRAME_SECONDS * rate))
    times: list[float] = []
    pictures: list[Image] = []
    for place, (time, picture) in enumerate(frames):
        if place % every:
            continue
        times.append(time)
        pictures.append(picture)
        if len(pictures) == BATCH:
            yield times, embedder.embed_images(pictures)
            times, pictures = [], []
    if pictures:
        yield times, embedder.embed_images(pictures)


def make_documents(
    passages: Sequence[Passage],
    *,
    duration: float,
    embedding: str | None = None,
    text_vectors: Vectors | None = None,
    frame_times: Sequence[float] = (),
    frame_vectors: Vectors | None = None,
) -> "pl.DataFrame":
    """The table `index.parquet`: passages in order, then pictures in order.

    Columns: `kind` (`passage` or `frame`), `number` within its kind, `passage` (the number of the passage that is heard, -1
    for none), `start` and `end` (s), `speaker`, `text` (null for pictures), `segments` (how many of the transcript), `vector`
    (null without a model) and `embedding` (whose vectors they are).
    """
    import polars as pl

    spoken = len(passages)
    shown = len(frame_times)
    vectors: list[np.ndarray | None] = list(text_vectors) if text_vectors is not None else [None] * spoken
    vectors += list(frame_vectors) if frame_vectors is not None else [None] * shown
    return pl.DataFrame(
        {
            "kind": [PASSAGE] * spoken + [FRAME] * shown,
            "number": [*range(spoken), *range(shown)],
            "passage": [*range(spoken), *(nearest_passage(passages, time) for time in frame_times)],
            "start": [*(passage.start for passage in passages), *frame_times],
            "end": [
                *(passage.end for passage in passages),
                *(min(time + FRAME_SECONDS, max(duration, time)) for time in frame_times),
            ],
            "speaker": [*(passage.speaker for passage in passages), *[None] * shown],
            "text": [*(passage.text for passage in passages), *[None] * shown],
            "segments": [*(passage.segments for passage in passages), *[0] * shown],
            "vector": [None if vector is None else vector.tolist() for vector in vectors],
            "embedding": [None if vector is None else embedding for vector in vectors],
        },
        schema={
            "kind": pl.String,
            "number": pl.Int32,
            "passage": pl.Int32,
            "start": pl.Float64,
            "end": pl.Float64,
            "speaker": pl.String,
            "text": pl.String,
            "segments": pl.Int32,
            "vector": pl.List(pl.Float32),
            "embedding": pl.String,
        },
    )
