"""Reads what yt-dlp says while it works: how far it is, and reasons to stop it at once."""

import msgspec

from cliply_resources.errors import CallerError, MediaError
from cliply_resources.progress import Progress
from cliply_resources.settings import Settings

__all__ = ["DownloadProgress"]

ASKING = 0.02
"""The part of the bar that finding out about the video is worth."""

_ABOUT, _PARTS, _PROGRESS, _FILE = "cliply-about:", "cliply-parts:", "cliply-progress:", "cliply-file:"
_TOO_LARGE = "File is larger than max-filesize"


class _About(msgspec.Struct, frozen=True):
    duration: float | None = None
    is_live: bool | None = None
    live_status: str | None = None
    playlist_id: str | None = None
    playlist_count: int | None = None


class _Part(msgspec.Struct, frozen=True):
    filesize: float | None = None
    filesize_approx: float | None = None

    @property
    def size(self) -> float:
        return self.filesize or self.filesize_approx or 0.0


class _Step(msgspec.Struct, frozen=True):
    status: str | None = None
    downloaded_bytes: float | None = None
    total_bytes: float | None = None
    total_bytes_estimate: float | None = None
    fragment_index: int | None = None
    fragment_count: int | None = None


class DownloadProgress:
    """Turns yt-dlp's lines into a fraction that never falls, and refuses what is over a limit as soon as it is known.

    `line` raises MediaError for a video that is too long or too large, CallerError for a playlist or a live stream.
    """

    OPTIONS = (
        *("--print", f"pre_process:{_ABOUT}%(.{{duration,is_live,live_status,playlist_id,playlist_count}})j"),
        *("--print", f"before_dl:{_PARTS}%(requested_formats.:.{{format_id,filesize,filesize_approx}}|[])j"),
        *("--print", f"after_move:{_FILE}%(filepath)j"),
        "--progress-template",
        f"download:{_PROGRESS}%(progress.{{status,downloaded_bytes,total_bytes,total_bytes_estimate,fragment_index,fragment_count}})j",
    )
    """What makes yt-dlp say these lines."""

    def __init__(self, settings: Settings, host: str, progress: Progress) -> None:
        self.file: str | None = None
        """Where the finished video is, once it is."""
        self._settings = settings
        self._host = host
        self._progress = progress
        self._parts: list[_Part] = []
        self._done_parts = 0
        self._done_bytes = 0.0
        self._fraction = 0.0
        progress(0.0, f"asking {host}")

    def line(self, text: str) -> None:
        """Takes note of one line."""
        try:
            if text.startswith(_ABOUT):
                self._judge(msgspec.json.decode(text.removeprefix(_ABOUT), type=_About, strict=False))
            elif text.startswith(_PARTS):
                self._parts = msgspec.json.decode(text.removeprefix(_PARTS), type=list[_Part], strict=False)
            elif text.startswith(_PROGRESS):
                self._advance(msgspec.json.decode(text.removeprefix(_PROGRESS), type=_Step, strict=False))
            elif text.startswith(_FILE):
                self.file = msgspec.json.decode(text.removeprefix(_FILE), type=str)
            elif _TOO_LARGE in text and text.lstrip().startswith("[download]"):
                raise self._too_large()
        except msgspec.DecodeError:
            # The values come from the site; what cannot be read is not shown, and the limits hold without it.
            return

    def _judge(self, about: _About) -> None:
        longest = self._settings.max_duration_seconds
        unknown_list = about.playlist_id is not None and about.playlist_count is None
        if unknown_list or (about.playlist_count or 0) > 1:
            many = f"{about.playlist_count} videos" if about.playlist_count else "several videos"
            raise CallerError(f"The URL at {self._host} names {many}. Give the URL of one video.")
        if about.is_live or about.live_status in {"is_live", "is_upcoming"}:
            raise CallerError(
                f"The video at {self._host} is live, or not yet begun. Try again when the recording is complete."
            )
        if about.duration is not None and about.duration > longest:
            raise MediaError(
                f"The video at {self._host} lasts {_clock(about.duration)}; at most {_clock(longest)} are accepted. "
                "Choose a shorter one."
            )
        self._tell(ASKING, f"asking {self._host}")

    def _advance(self, step: _Step) -> None:
        here = step.downloaded_bytes or 0.0
        total = step.total_bytes or step.total_bytes_estimate or 0.0
        if self._done_bytes + max(here, step.total_bytes or 0.0) > self._settings.max_source_bytes:
            raise self._too_large()
        share = min(here / total, 1.0) if total else _ratio(step.fragment_index, step.fragment_count)
        if step.status == "finished":
            share = 1.0
        fraction = self._before() + self._weight() * share
        shown = f"{_megabytes(self._done_bytes + here)} MB"
        self._tell(ASKING + (1 - ASKING) * min(fraction, 1.0) * 0.999, f"downloading from {self._host}, {shown}")
        if step.status == "finished":
            self._done_parts += 1
            self._done_bytes += here

    def _weight(self, index: int | None = None) -> float:
        """How much of the whole one part (picture or sound) is."""
        index = self._done_parts if index is None else index
        sizes = [part.size for part in self._parts]
        if index >= len(sizes):
            return 1.0 if not sizes else 0.0
        return sizes[index] / sum(sizes) if all(sizes) else 1 / len(sizes)

    def _before(self) -> float:
        return sum(self._weight(index) for index in range(min(self._done_parts, len(self._parts))))

    def _tell(self, fraction: float, doing: str) -> None:
        self._fraction = max(self._fraction, fraction)
        self._progress(self._fraction, doing)

    def _too_large(self) -> MediaError:
        limit = self._settings.max_source_bytes
        return MediaError(
            f"The video at {self._host} is larger than the {_megabytes(limit)} MB that are accepted. Choose a smaller one."
        )


def _ratio(done: int | None, of: int | None) -> float:
    return min(max((done or 0) / of, 0.0), 1.0) if of else 0.0


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f}" if size < 1e7 else f"{size / 1e6:.0f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
