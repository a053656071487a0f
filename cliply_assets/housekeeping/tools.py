"""Whether the tools that age or go missing still do their work: yt-dlp, the media tools, and the configured models.

Nothing here uses the network: yt-dlp's own version is its date.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec

from cliply_resources.errors import CliplyError, ToolMissing
from cliply_resources.settings import Settings

__all__ = ["ToolFinding", "examine_tools", "version_date"]


class ToolFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One tool or model that was looked at; `says` is a sentence."""

    name: str
    ok: bool
    says: str


def version_date(version: str) -> date | None:
    """The day in a version such as `2026.10.26` or `2026.10.26.232900.dev0`; nothing where it names none."""
    found = re.match(r"(\d{4})\.(\d{1,2})\.(\d{1,2})(?:\.|$)", version)
    if found is None:
        return None
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        return None


def examine_tools(settings: Settings, *, today: date | None = None) -> Iterator[ToolFinding]:
    """Looks at one after the other; loads what it can, as the first step that needs it would."""
    day = today or datetime.now(UTC).date()
    for name, look in (
        ("yt-dlp", lambda: _yt_dlp(day, timedelta(days=settings.yt_dlp_max_days))),
        ("ffmpeg", _ffmpeg),
        ("speech", lambda: _speech(settings)),
        ("faces", lambda: _faces(settings)),
        ("pictures", lambda: _pictures(settings)),
    ):
        yield _looked(name, look)


def _looked(name: str, look: Callable[[], str]) -> ToolFinding:
    try:
        return ToolFinding(name=name, ok=True, says=look())
    except CliplyError as wrong:
        return ToolFinding(name=name, ok=False, says=str(wrong))
    except Exception as error:  # noqa: BLE001 - whatever a model's library raises on a broken file is the finding
        return ToolFinding(name=name, ok=False, says=f"It cannot be loaded ({type(error).__name__}): {error}")


def _yt_dlp(today: date, oldest: timedelta) -> str:
    from yt_dlp.version import __version__ as version

    released = version_date(version)
    if released is not None and today - released > oldest:
        raise ToolMissing(
            f"yt-dlp {version} is {(today - released).days} days old; sites change more often than that.",
            remedy="Update it: uv pip install --upgrade yt-dlp",
        )
    return f"yt-dlp {version}"


def _ffmpeg() -> str:
    from cliply_resources.media_tools.ffmpeg import ffmpeg_version

    return f"ffmpeg {ffmpeg_version()}"


def _speech(settings: Settings) -> str:
    from cliply_resources.speech import engine_reasons

    reasons = engine_reasons(settings)
    ready = [name for name, reason in reasons.items() if reason is None]
    if not ready:
        raise ToolMissing(
            "No speech engine can be used: " + " ".join(str(reason) for reason in reasons.values()),
            remedy="Install or configure one of them; `cliply doctor` says how.",
        )
    return f"{ready[0]} recognises speech" + (f"; in its place, {', '.join(ready[1:])}" if ready[1:] else "")


def _faces(settings: Settings) -> str:
    from cliply_resources.vision import open_detector

    return f"{open_detector(settings).name} finds faces"


def _pictures(settings: Settings) -> str:
    if settings.clip_weights is None:
        return "no CLIP checkpoint is configured; pictures are not searched"
    from cliply_resources.embedding import open_embedder

    open_embedder(settings)
    return f"{settings.clip_model} searches pictures"
