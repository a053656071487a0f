"""Where faces are on the first seconds of a clip, in output pixels, as the camera shows them; pure."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from cliply_resources.documents import CameraMove, Span
from cliply_resources.documents.clips import CameraPane

if TYPE_CHECKING:
    import polars as pl

__all__ = ["opening_faces"]

Box = tuple[float, float, float, float]

_LONGEST = 7.0
"""Seconds; longer than a title stands, since what was cut out of a clip brings later faces nearer to its start."""


def opening_faces(
    faces: "pl.DataFrame",
    camera: Sequence[CameraMove],
    span: Span,
    *,
    frame_rate: Fraction,
    source_size: tuple[int, int],
    size: tuple[int, int],
) -> tuple[Box, ...]:
    """Left, top, right and bottom of every face sample of the first seven seconds that is on the picture.

    `faces` is the table documented at `FaceTracks`, `camera` that of the clip, `span` where the clip lies in the source.
    """
    import polars as pl

    near = faces.filter(
        (pl.col("time") >= span.start - 0.002) & (pl.col("time") < min(span.end, span.start + _LONGEST))
    )
    across, down = source_size
    found: list[Box] = []
    for time, x, y, w, h in near.select("time", "x", "y", "w", "h").iter_rows():
        frame = max(0, round((time - span.start) * frame_rate))
        move = next((one for one in camera if one.first_frame <= frame < one.first_frame + one.frames), None)
        if move is not None:
            box = (x * across, y * down, (x + w) * across, (y + h) * down)
            found += _shown(box, move, frame - move.first_frame, source_size, size)
    return tuple(dict.fromkeys(found))


def _shown(box: Box, move: CameraMove, at: int, source: tuple[int, int], size: tuple[int, int]) -> Iterator[Box]:
    if move.layout == "panes":
        for pane in move.panes or ():
            yield from _through(box, pane, at, (pane.left, pane.top, pane.wide, pane.high))
    elif move.layout == "fit":
        window = (move.width, move.height) if move.width else source
        zoom = min(size[0] / window[0], size[1] / window[1])
        wide, high = window[0] * zoom, window[1] * zoom
        whole = CameraMove(
            layout="crop",
            first_frame=0,
            frames=move.frames,
            width=window[0],
            height=window[1],
            x=move.x or (0,),
            y=move.y or (0,),
        )
        yield from _through(box, whole, at, ((size[0] - wide) / 2, (size[1] - high) / 2, wide, high))
    else:
        yield from _through(box, move, at, (0, 0, *size))


def _through(
    box: Box, window: CameraMove | CameraPane, at: int, place: tuple[float, float, float, float]
) -> Iterator[Box]:
    """The box through a window of the source that fills a place of the picture; nothing where its middle is outside."""
    x, y = (path[at if len(path) > 1 else 0] for path in (window.x, window.y))
    left, top, wide, high = place
    if not (x <= (box[0] + box[2]) / 2 < x + window.width and y <= (box[1] + box[3]) / 2 < y + window.height):
        return
    shown = [
        place_start + min(max((value - start) / length, 0.0), 1.0) * place_length
        for value, start, length, place_start, place_length in (
            (box[0], x, window.width, left, wide),
            (box[1], y, window.height, top, high),
            (box[2], x, window.width, left, wide),
            (box[3], y, window.height, top, high),
        )
    ]
    yield round(shown[0], 1), round(shown[1], 1), round(shown[2], 1), round(shown[3], 1)
