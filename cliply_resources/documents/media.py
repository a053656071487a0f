"""What a source is, where it came from, and the small copies that analysis reads."""

from fractions import Fraction

import msgspec
from msgspec import UNSET, UnsetType

from cliply_resources.documents.audience import Audience, Chapter, HeatmapPoint

__all__ = [
    "AudioStream",
    "MediaProxy",
    "Origin",
    "SourceMedia",
    "SourceVideo",
    "SubtitleStream",
    "VideoStream",
]


class VideoStream(msgspec.Struct, frozen=True, kw_only=True):
    """The picture as a viewer sees it: `width` and `height` are after rotation and pixel aspect."""

    index: int
    codec: str
    width: int
    height: int
    frame_rate: str
    """Average frames per second as an exact ratio, such as `30000/1001`."""
    variable_frame_rate: bool = False
    rotation: int = 0
    """Degrees clockwise that a player turns the stored picture: 0, 90, 180 or 270."""
    mirrored: bool = False
    """Whether a player also mirrors it, as some front cameras ask for."""

    @property
    def fps(self) -> Fraction:
        """Frames per second, exactly."""
        return Fraction(self.frame_rate)


class AudioStream(msgspec.Struct, frozen=True, kw_only=True):
    """One sound track."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    language: str | None = None


class SubtitleStream(msgspec.Struct, frozen=True, kw_only=True):
    """One subtitle track inside the file."""

    index: int
    codec: str
    language: str | None = None


class SourceMedia(msgspec.Struct, frozen=True, kw_only=True):
    """What probing found; nothing was decoded but headers and a few packets."""

    container: str
    duration: float
    size_bytes: int
    bit_rate: int
    video: VideoStream
    audio: tuple[AudioStream, ...]
    subtitles: tuple[SubtitleStream, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    title: str | None = None


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What the site said about a video that came from a URL; all of it is untrusted text."""

    url: str
    extractor: str
    title: str
    uploader: str | None = None
    chapters: tuple[Chapter, ...] = ()
    heatmap: tuple[HeatmapPoint, ...] = ()
    captions: str | None = None
    """WebVTT text of the site's captions, the uploader's own before automatic ones."""
    captions_language: str | None = None
    captions_automatic: bool = False
    audience: Audience | UnsetType = UNSET
    """What viewers wrote, where that was asked for and found; absent otherwise."""


class SourceVideo(msgspec.Struct, frozen=True, kw_only=True):
    """The stored source of an upload: `source.json` beside `source.mp4`."""

    sha256: str
    title: str
    media: SourceMedia
    origin: Origin | None = None


class MediaProxy(msgspec.Struct, frozen=True, kw_only=True):
    """What the one decode of the source wrote: `proxy.json` beside the files it describes.

    * `audio.wav`: 16 kHz mono 16-bit PCM; absent where `has_audio` is false.
    * `frames.mkv`: MJPEG, colour, the picture at `frames_width` × `frames_height`, exactly `frames_rate` frames a second
      (frame k shows the source at k / frames_rate s).
    * `motion.bin`: every source frame as `motion_width` × `motion_height` BGR bytes, back to back.
    * `timing.parquet`: one row a source frame: `time` (f64, seconds), `cut_score` (f32, ffmpeg scdet, 0 to 100).
    """

    duration: float
    has_audio: bool
    frames_width: int
    frames_height: int
    frames_rate: float
    frames_count: int
    motion_width: int
    motion_height: int
    source_frames: int
