"""Streams the pictures of a proxy, one at a time: memory stays flat whatever the length."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cliply_resources.errors import StepFailed

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["count_frames", "read_frames", "read_motion"]

_MOTION_CHUNK_FRAMES = 256  # 1.8 MB at 64×36: few system calls, small memory
_MICROSECONDS = 1_000_000


def read_frames(
    path: Path, *, start: float = 0.0, end: float | None = None
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yields (time, picture) for every frame with start <= time < end, in order.

    `path` is a proxy's `frames.mkv`; a picture is height × width × 3, BGR, and its own memory. Time is exactly
    k / rate seconds. Seeks to `start`, so a late stretch costs no more than an early one. Raises StepFailed when the
    file cannot be read.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        assert stream.average_rate is not None
        rate = stream.average_rate
        if start > 0:
            container.seek(int(start * _MICROSECONDS), backward=True)
        for frame in container.decode(stream):
            if frame.pts is None:
                raise StepFailed(f"The file {path.name} has a frame without a time; decode the source again.")
            # Matroska rounds to milliseconds; the grid gives the exact time back.
            time = float(round(frame.pts * stream.time_base * rate) / rate)
            if time < start:
                continue
            if end is not None and time >= end:
                return
            yield time, np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)


def count_frames(path: Path) -> int:
    """How many pictures a proxy's `frames.mkv` holds, without decoding them."""
    with _open(path) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def read_motion(path: Path, width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """Yields every source frame of a proxy's `motion.bin` as a read-only height × width × 3 BGR picture, in order.

    Raises StepFailed when the file is not a whole number of such pictures.
    """
    frame_bytes = width * height * 3
    with path.open("rb") as file:
        while chunk := file.read(frame_bytes * _MOTION_CHUNK_FRAMES):
            if len(chunk) % frame_bytes:
                raise StepFailed(f"The file {path.name} ends in the middle of a picture; decode the source again.")
            yield from np.frombuffer(chunk, dtype=np.uint8).reshape(-1, height, width, 3)


def _open(path: Path) -> "InputContainer":
    import av

    try:
        return av.open(
            f"file:{path.absolute()}", options={"format_whitelist": "matroska", "protocol_whitelist": "file"}
        )
    except av.error.FFmpegError as error:
        raise StepFailed(f"The file {path.name} cannot be read; decode the source again.", detail=str(error)) from error
