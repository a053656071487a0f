"""What Cliply accepts: limits on a source, each one a setting."""

from cliply_resources.documents.media import SourceMedia
from cliply_resources.errors import MediaError
from cliply_resources.settings import Settings

__all__ = ["check_limits", "check_size"]


def check_size(size_bytes: int, settings: Settings) -> None:
    """Raises MediaError for a file that is too large to even look into."""
    if size_bytes > settings.max_source_bytes:
        raise MediaError(
            f"The file has {size_bytes / 1024**3:.2f} GiB and the limit is "
            f"{settings.max_source_bytes / 1024**3:.2f} GiB; give a smaller one, or raise CLIPLY_MAX_SOURCE_BYTES."
        )


def check_limits(media: SourceMedia, settings: Settings) -> None:
    """Returns for a source within the limits; raises MediaError naming value, limit and setting for any other."""
    check_size(media.size_bytes, settings)
    for refusal in (_too_long, _too_large, _too_dense, _too_silent):
        sentence = refusal(media, settings)
        if sentence:
            raise MediaError(sentence)


def _too_long(media: SourceMedia, settings: Settings) -> str:
    if media.duration <= settings.max_duration_seconds:
        return ""
    return (
        f"The video is {_hours(media.duration)} long and the limit is {_hours(settings.max_duration_seconds)}; "
        "give a shorter one, or raise CLIPLY_MAX_DURATION_SECONDS."
    )


def _too_large(media: SourceMedia, settings: Settings) -> str:
    width, height = media.video.width, media.video.height
    if width > settings.max_width:
        return (
            f"The picture is {width} pixels wide and the limit is {settings.max_width}; "
            "give a smaller one, or raise CLIPLY_MAX_WIDTH."
        )
    if height > settings.max_height:
        return (
            f"The picture is {height} pixels high and the limit is {settings.max_height}; "
            "give a smaller one, or raise CLIPLY_MAX_HEIGHT."
        )
    if width * height > settings.max_pixels:
        return (
            f"The picture is {width}×{height}, which is {width * height} pixels, and the limit is "
            f"{settings.max_pixels} (4K is 3840×2160); give a smaller one, or raise CLIPLY_MAX_PIXELS."
        )
    return ""


def _too_dense(media: SourceMedia, settings: Settings) -> str:
    if media.bit_rate <= settings.max_bit_rate:
        return ""
    return (
        f"The video has {media.bit_rate / 1e6:.1f} Mbit/s and the limit is {settings.max_bit_rate / 1e6:g} Mbit/s; "
        "give a more compressed one, or raise CLIPLY_MAX_BIT_RATE."
    )


def _too_silent(media: SourceMedia, settings: Settings) -> str:
    if media.audio or not settings.require_audio:
        return ""
    return (
        "The video has 0 sound tracks and at least 1 is needed; "
        "give one with sound, or set CLIPLY_REQUIRE_AUDIO=false to find clips by picture alone."
    )


def _hours(seconds: float) -> str:
    """4 h 00 min 00 s, or without the hours below one."""
    whole = int(seconds)
    text = f"{whole % 3600 // 60:02d} min {whole % 60:02d} s"
    return f"{whole // 3600} h {text}" if whole >= 3600 else text
