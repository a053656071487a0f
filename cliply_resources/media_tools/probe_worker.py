"""The child process behind `probe`: opens one file with PyAV, guarded, and prints one JSON answer.

python -m cliply_resources.media_tools.probe_worker PATH
"""

import struct
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import atan2, degrees
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from cliply_resources.documents.audience import Chapter
from cliply_resources.documents.media import AudioStream, SourceMedia, SubtitleStream, VideoStream
from cliply_resources.media_tools.guards import (
    CONTAINERS,
    DECODERS,
    MAX_PIXELS,
    MAX_STREAMS,
    PROTOCOLS,
    READABLE_CODECS,
)
from cliply_resources.media_tools.probe import Answer

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream as AvVideoStream

__all__ = ["Refused", "examine", "main", "orientation", "varies"]

_TIMED_PACKETS = 300  # ten seconds at 30 frames a second: enough to see an uneven clock
_PATIENCE_PACKETS = 600  # a broadcast recording may need twenty seconds of packets before its first whole picture
_TEXT_CHARACTERS = 300
_COMPLETE_FRACTION = 0.9  # of the promised duration; less is a truncated file
_BELIEVABLE_PIXEL_ASPECT = (Fraction(1, 8), Fraction(8))
_MICROSECONDS = 1_000_000


class Refused(Exception):
    """The rest of a sentence that begins with "The file NAME"."""


def main(arguments: list[str]) -> int:
    """Prints the answer for one path; only a defect of Cliply itself ends in a traceback."""
    path = Path(arguments[0])
    try:
        answer = Answer(media=examine(path))
    except Refused as refusal:
        answer = Answer(refused=str(refusal))
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


def examine(path: Path) -> SourceMedia:
    """What the file holds; raises Refused when it is not one complete, readable video."""
    import av

    av.logging.set_level(av.logging.PANIC)
    try:
        with _open(path) as container:
            return _describe(container, path)
    except av.error.FFmpegError as error:
        raise Refused(_cannot_open(path, error.strerror or "unknown")) from error


def _open(path: Path) -> "InputContainer":
    import av

    return av.open(
        f"file:{path}",
        options={
            "protocol_whitelist": PROTOCOLS,
            "format_whitelist": ",".join(CONTAINERS),
            "codec_whitelist": ",".join(DECODERS),
            "max_streams": str(MAX_STREAMS),
            "max_pixels": str(MAX_PIXELS),
        },
        metadata_errors="replace",
    )


def _cannot_open(path: Path, reason: str) -> str:
    if _breaks_off_before_its_index(path):
        return (
            "is truncated: it breaks off before its index (moov), so it was not copied or recorded to its end; "
            "copy or download it again."
        )
    return f"is not a video that Cliply reads ({reason}); give an MP4, MOV, MKV, WebM, MPEG-TS, AVI or FLV file."


def _breaks_off_before_its_index(path: Path) -> bool:
    """Walks the top-level boxes of an MP4 or MOV file and says whether the index never comes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        position, looks_like_mp4 = 0, False
        while position + 8 <= size:
            file.seek(position)
            length, kind = int.from_bytes(file.read(4)), file.read(4)
            looks_like_mp4 = looks_like_mp4 or kind == b"ftyp"
            if kind == b"moov" or not looks_like_mp4:
                # An index that reaches past the end is as good as none.
                return kind == b"moov" and position + length > size
            if length == 1:
                length = int.from_bytes(file.read(8))
            if length < 8:
                break
            position += length
    return looks_like_mp4


def _describe(container: "InputContainer", path: Path) -> SourceMedia:
    stream = _picture(container)
    audio = tuple(_sound(container))
    timestamps, frame = _first_packets(container, stream)
    duration = _duration(container, stream)
    if duration <= 0:
        raise Refused("is 0 s long; give a video with at least one picture.")
    _refuse_truncated(container, stream, duration)
    size = path.stat().st_size
    return SourceMedia(
        container=container.format.name,
        duration=duration,
        size_bytes=size,
        bit_rate=int(size * 8 / duration),
        video=_as_seen(stream, frame, timestamps),
        audio=audio,
        subtitles=tuple(
            SubtitleStream(index=track.index, codec=_codec(track), language=_language(track))
            for track in container.streams.subtitles
        ),
        chapters=tuple(_chapters(container, duration)),
        title=_text(container.metadata.get("title")),
    )


def _picture(container: "InputContainer") -> "AvVideoStream":
    """The moving picture: never cover art or thumbnails; of several, the largest."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    found = [track for track in container.streams.video if not Disposition(track.disposition) & still]
    if not found:
        what = "has sound but no video" if container.streams.audio else "holds no video"
        raise Refused(f"{what}; give a file with moving pictures.")
    readable = [track for track in found if _codec(track) in READABLE_CODECS]
    if not readable:
        raise Refused(f"has its picture coded as {_codec(found[0])}, which Cliply does not read; convert it to H.264.")
    return max(readable, key=lambda track: (track.codec_context.width * track.codec_context.height, -track.index))


def _sound(container: "InputContainer") -> Iterator[AudioStream]:
    unreadable = ""
    count = 0
    for track in container.streams.audio:
        if _codec(track) not in READABLE_CODECS:
            unreadable = _codec(track)
            continue
        context = track.codec_context
        if context.sample_rate and context.layout.nb_channels:
            count += 1
            yield AudioStream(
                index=track.index,
                codec=_codec(track),
                channels=context.layout.nb_channels,
                sample_rate=context.sample_rate,
                language=_language(track),
            )
    if unreadable and not count:
        raise Refused(f"has its sound coded as {unreadable}, which Cliply does not read; convert it to AAC.")


def _codec(track: "Stream") -> str:
    context = track.codec_context
    # libdav1d and libaom are programs, av1 is what they read; the canonical name is the coding's.
    return context.codec.canonical_name if context is not None else "an unknown coding"


def _language(track: "Stream") -> str | None:
    language = _text(track.language)
    return None if language in (None, "und") else language


def _text(value: str | None) -> str | None:
    """Text from the file: printable, one line, bounded."""
    if value is None:
        return None
    plain = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(plain.split())[:_TEXT_CHARACTERS] or None


def _chapters(container: "InputContainer", duration: float) -> Iterator[Chapter]:
    for chapter in container.chapters():
        unit = chapter["time_base"] or Fraction(1, _MICROSECONDS)
        start, end = float(chapter["start"] * unit), min(float(chapter["end"] * unit), duration)
        if 0 <= start < end:
            yield Chapter(start=start, end=end, title=_text(chapter["metadata"].get("title")) or "")


def _first_packets(container: "InputContainer", stream: "AvVideoStream") -> tuple[list[int], "VideoFrame | None"]:
    """Presentation timestamps of the first packets, and the first picture that decodes."""
    import av

    timestamps: list[int] = []
    frame: VideoFrame | None = None
    context = stream.codec_context
    # A size of 0 means that the header's was missing or refused; only a decoded picture can say it then.
    decodable = context.width * context.height <= MAX_PIXELS
    for number, packet in enumerate(container.demux(stream)):
        if packet.pts is not None:
            timestamps.append(packet.pts)
        if frame is None and decodable:
            try:
                frame = next(iter(packet.decode()), None)
            except av.error.FFmpegError:
                # The start of a recording is often damaged; the next packets may be whole.
                frame = None
        if number >= _PATIENCE_PACKETS or (number >= _TIMED_PACKETS and (frame is not None or not decodable)):
            break
    if decodable and (frame is None or not 0 < context.width * context.height <= MAX_PIXELS):
        raise Refused(
            "has a picture track in which no picture can be decoded: it is damaged, or claims more than "
            f"{MAX_PIXELS} pixels; copy or download it again."
        )
    return timestamps, frame


def _duration(container: "InputContainer", stream: "AvVideoStream") -> float:
    """Seconds from the first to the last presented moment, from the header where it says so, else from packets."""
    # A fragmented MP4 has no frame count, and what its header says is then a guess from the bit rate.
    guessed = container.format.name.startswith("mov") and stream.frames == 0 and stream.duration is None
    if container.duration is not None and container.duration > 0 and not guessed:
        return container.duration / _MICROSECONDS
    container.seek(0, any_frame=True, backward=True)
    start, end = float("inf"), float("-inf")
    for packet in container.demux(video=0, audio=0) if container.streams.audio else container.demux(stream):
        if packet.pts is not None and packet.time_base is not None:
            start = min(start, float(packet.pts * packet.time_base))
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return max(end - start, 0.0)


def _refuse_truncated(container: "InputContainer", stream: "AvVideoStream", duration: float) -> None:
    """Looks for any picture or sound in the last tenth that the header promises."""
    start = (container.start_time or 0) / _MICROSECONDS
    wanted = start + _COMPLETE_FRACTION * duration
    container.seek(int(wanted * _MICROSECONDS), backward=True)
    streams = [stream, *container.streams.audio[:1]]
    for packet in container.demux(streams):
        if packet.pts is None or packet.time_base is None:
            continue
        if float((packet.pts + (packet.duration or 0)) * packet.time_base) >= wanted:
            return
    raise Refused(
        f"is truncated: its header promises {duration:.1f} s, but the data ends before {wanted - start:.1f} s; "
        "copy or download it again."
    )


def _as_seen(stream: "AvVideoStream", frame: "VideoFrame | None", timestamps: list[int]) -> VideoStream:
    context = stream.codec_context
    rotation, mirrored = orientation(_display_matrix(frame))
    width, height = context.width, context.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    smallest, largest = _BELIEVABLE_PIXEL_ASPECT
    if smallest <= aspect <= largest:
        width = max(round(width * aspect), 1)
    if rotation in (90, 270):
        width, height = height, width
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
    return VideoStream(
        index=stream.index,
        codec=_codec(stream),
        width=width,
        height=height,
        frame_rate=f"{rate.numerator}/{rate.denominator}",
        variable_frame_rate=varies(timestamps) or _rates_disagree(stream.average_rate, stream.base_rate),
        rotation=rotation,
        mirrored=mirrored,
    )


def _display_matrix(frame: "VideoFrame | None") -> tuple[int, ...] | None:
    if frame is None:
        return None
    # PyAV's stubs take the container for a mapping of names; iterating gives the entries.
    entries: Iterator[Any] = iter(frame.side_data)
    for entry in entries:
        if entry.type.name == "DISPLAYMATRIX":
            return struct.unpack("9i", bytes(entry))
    return None


def orientation(matrix: tuple[int, ...] | None) -> tuple[int, bool]:
    """Degrees clockwise (0, 90, 180 or 270) and whether the picture is mirrored, from a display matrix.

    The angle is that of the matrix's first row, as ffmpeg's own rotation takes it; a negative determinant mirrors.
    Angles between quarter turns count as the nearest one.
    """
    if matrix is None or matrix[0] == matrix[1] == 0:
        return 0, False
    quarter_turns = round(degrees(atan2(matrix[1], matrix[0])) / 90) % 4
    return quarter_turns * 90, matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0


def varies(timestamps: list[int]) -> bool:
    """Whether presentation times are spaced unevenly by more than rounding: any gap half off the median gap."""
    ordered = sorted(set(timestamps))
    # Packets come in decoding order, so those at the cut edge may lack neighbours that were never read; and recorders
    # hold the very first picture until the sound has started.
    inner = ordered[1 : len(ordered) - 8] if len(ordered) >= _TIMED_PACKETS else ordered[1:]
    gaps = [later - earlier for earlier, later in pairwise(inner)]
    if len(gaps) < 2:
        return False
    usual = median(gaps)
    return any(abs(gap - usual) > max(usual / 2, 1) for gap in gaps)


def _rates_disagree(average: Fraction | None, base: Fraction | None) -> bool:
    """Whether the whole file's average differs from the frame grid of its start; a field rate of twice is no sign."""
    if not average or not base:
        return False
    return min(abs(average / base - 1), abs(2 * average / base - 1)) > Fraction(2, 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
