"""What a file may contain before anything of Cliply decodes it.

A media file comes from a stranger. These lists keep ffmpeg and PyAV away from everything that follows references
(playlists, concat scripts, network protocols) and from rarely used decoders, where memory errors are found.
"""

from pathlib import Path

__all__ = [
    "CONTAINERS",
    "DECODERS",
    "INPUT_GUARDS",
    "MAX_PIXELS",
    "MAX_STREAMS",
    "PROTOCOLS",
    "READABLE_CODECS",
    "guarded_input",
]

PROTOCOLS = "file"

CONTAINERS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "mpegts", "mpeg", "avi", "flv"),
    *("wav", "mp3", "flac", "ogg", "aac"),
)
"""Demuxer names; none of them opens another file or address."""

_VIDEO_DECODERS = (
    *("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "libaom-av1", "mpeg1video", "mpeg2video", "mpeg4"),
    *("h263", "flv", "prores", "dnxhd", "mjpeg", "ffv1"),
)
_AUDIO_DECODERS = (
    *("aac", "ac3", "eac3", "mp1", "mp2", "mp3", "mp1float", "mp2float", "mp3float", "opus", "libopus", "vorbis"),
    *("flac", "alac", "dca", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
    *("pcm_f32le", "pcm_f32be", "pcm_u8", "pcm_mulaw", "pcm_alaw"),
)
_TEXT_DECODERS = ("ass", "ssa", "subrip", "srt", "mov_text", "webvtt", "text")

DECODERS = (*_VIDEO_DECODERS, *_AUDIO_DECODERS, *_TEXT_DECODERS)
"""Decoder names ffmpeg may open; `libdav1d` is how av1 is read."""

READABLE_CODECS = frozenset(DECODERS) | {"dts"}
"""Codec names as a probe reports them; `dts` is what the decoder `dca` reads."""

MAX_PIXELS = 64 * 1024**2
"""Of one picture: 8K with room. A header that claims more is an attack on memory, whatever the settings allow."""

MAX_STREAMS = 64
"""Players' own files have fewer than ten."""

INPUT_GUARDS: tuple[str, ...] = (
    *("-protocol_whitelist", PROTOCOLS),
    *("-format_whitelist", ",".join(CONTAINERS)),
    *("-codec_whitelist", ",".join(DECODERS)),
    *("-max_pixels", str(MAX_PIXELS)),
    *("-max_streams", str(MAX_STREAMS)),
)
"""ffmpeg options that belong before every `-i`."""


def guarded_input(path: Path, *options: str) -> list[str]:
    """The arguments that open one file and nothing else, whatever its name or content; `options` apply to it."""
    # `file:` keeps names such as `-i.mp4` or `concat:a.mp4` from being read as anything but a path.
    return [*INPUT_GUARDS, *options, "-i", f"file:{path.absolute()}"]
