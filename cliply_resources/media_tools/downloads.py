"""A video from a URL, with what its site says about it: yt-dlp behind an allowlist, a guard, and limits.

The URL's host and yt-dlp's extractors are both on a list; the process that yt-dlp runs in can connect to public
addresses only (`cliply_resources.media_tools.download_guard`). Nothing that a site sends names a file, an option or a
program.
"""

import json
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import idna
import msgspec

from cliply_resources.addresses import networks
from cliply_resources.documents import Audience, Origin
from cliply_resources.errors import CallerError, DeadlineExceeded, MediaError, StepFailed
from cliply_resources.media_tools.audience import MAX_AUDIENCE_BYTES, merge_audience, read_audience
from cliply_resources.media_tools.download_progress import DownloadProgress
from cliply_resources.media_tools.download_refusals import refusal_from
from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from cliply_resources.media_tools.guards import INPUT_GUARDS
from cliply_resources.media_tools.origins import CaptionChoice, choose_captions, clean_captions, origin_from_info
from cliply_resources.media_tools.process import Finished, ProcessLimits, run
from cliply_resources.outbound import PUBLIC, check_url
from cliply_resources.progress import Progress
from cliply_resources.settings import Settings

__all__ = ["checked_source_url", "download"]

PREFERRED_HEIGHT = 1080
"""Lines; clips are 1080 wide, and every pixel above costs decoding time in all later steps."""
SOCKET_SECONDS = 20
RETRIES = 4
RETRY_PAUSE = "exp=1:20"
"""Seconds between retries, doubling; a connection that breaks continues where it broke."""
VIEWER_SECONDS = 300.0
"""Nor longer on what viewers wrote."""
MOST_COMMENTS = 3000
CAPTION_SECONDS = 60.0
"""Captions are welcome, not needed: no longer than this is spent on them."""
PROGRESS_SECONDS = "0.5"
MAX_INFO_BYTES = 64 * 1024 * 1024

_SMUGGLED = "__youtubedl_smuggle"
"""In a URL, yt-dlp takes what follows for its own internal instructions."""
_VIDEO_HOSTS_WITH_LISTS = ("youtube.com", "youtu.be")
_LIST_PARAMETERS = {"list", "index", "start_radio", "playnext", "pp"}
_EXTRACTOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]*")
_SPECIAL_EXTRACTORS = {"all", "default", "end"}


def download(
    url: str,
    into: Path,
    *,
    settings: Settings,
    progress: Progress,
    deadline_seconds: float,
    language: str | None = None,
) -> tuple[Path, Origin]:
    """Downloads the single video at `url` to `into/source.<suffix>` and returns it with what its site says.

    Captions are taken in `language` (ISO 639-1; unset: the video's own). On any failure `into` holds nothing new.

    Raises:
        CallerError: the host, the kind of URL, or where it leads is not allowed; or it is a playlist or live.
        MediaError: private, removed, too long, too large, or otherwise not to be had.
        TryLater: the site or the network failed, and may not fail again.
        Rejected: the site refuses this server.
        DeadlineExceeded, StepFailed: it took too long, or failed here.
    """
    target, host = checked_source_url(url, settings)
    end = time.monotonic() + deadline_seconds
    with _work_folder(into) as folder:
        work = Path(folder)
        tool = _Tool(settings, work, host)
        follow = DownloadProgress(settings, host, progress)
        finished = tool.run(_video_options(settings), target, end - time.monotonic(), follow.line)
        video = _finished_file(finished, follow, work, host)
        info = _info(work, finished)
        choice = choose_captions(info, language=language)
        captions = _captions(tool, choice, end - time.monotonic()) if choice is not None else None
        audience = _viewers(tool, target, end - time.monotonic()) if settings.url_viewers else None
        origin = origin_from_info(info, captions=captions, choice=choice, audience=audience)
        final = into / f"source{_suffix(video)}"
        video.replace(final)
    progress(1.0, f"downloaded from {host}")
    return final, origin


def checked_source_url(url: str, settings: Settings) -> tuple[str, str]:
    """The URL as it will be asked for, and its host, if the settings allow it; nothing is connected to.

    Raises:
        CallerError: it is not a URL, has a scheme, port or user name that is not allowed, or another host.
    """
    policy = replace(PUBLIC, schemes=frozenset(settings.url_schemes), ports=None)
    parsed = check_url(url.strip(), policy)
    host = parsed.raw_host.decode("ascii").rstrip(".")
    if not any(_allows(allowed, host, parsed.port) for allowed in settings.url_hosts):
        named = host if parsed.port is None else f"{host}:{parsed.port}"
        raise CallerError(
            f"Videos from {named} are not accepted. Accepted are {', '.join(settings.url_hosts)}; "
            "download the video yourself and give the file instead."
        )
    if _SMUGGLED in url:
        raise CallerError(f"The URL at {host} contains {_SMUGGLED}, which no web page needs; leave it out.")
    return str(_without_list(parsed, host)), host


def _allows(allowed: str, host: str, port: int | None) -> bool:
    name, _, allowed_port = allowed.partition(":")
    try:
        name = idna.encode(name, uts46=True).decode("ascii") if not name.isascii() else name.lower()
    except idna.IDNAError:
        return False
    if port is not None and allowed_port != str(port):
        return False
    return host == name or host.endswith(f".{name}")


def _without_list(url: httpx2.URL, host: str) -> httpx2.URL:
    """A video's address as copied while a playlist was playing names both; the video is meant."""
    names_a_video = "v" in url.params or host.endswith("youtu.be")
    if names_a_video and any(_allows(known, host, None) for known in _VIDEO_HOSTS_WITH_LISTS):
        kept = [(name, value) for name, value in url.params.multi_items() if name not in _LIST_PARAMETERS]
        return url.copy_with(params=kept) if kept else url.copy_with(query=None)
    return url


class _Tool:
    """yt-dlp in its own process, behind the guard, in a folder of its own."""

    def __init__(self, settings: Settings, work: Path, host: str) -> None:
        self.work = work
        self._host = host
        self._proxy = settings.url_proxy
        self._max_file_bytes = settings.max_source_bytes
        self._extractors = _extractors(settings)
        try:
            own = [str(network) for network in networks(settings.url_private_networks)]
        except ValueError as error:
            raise StepFailed(f"CLIPLY_URL_PRIVATE_NETWORKS is not a list of networks: {error}.") from error
        self._walls = json.dumps(
            {
                "networks": own,
                "proxy_host": urlsplit(self._proxy).hostname if self._proxy else None,
                "ffmpeg": str(ffmpeg_path()),
            }
        )

    def run(
        self, options: Sequence[str], url: str | None, seconds: float, on_line: Callable[[str], None] | None = None
    ) -> Finished:
        """One run to its end; a return code other than 0 is a result."""
        command = [
            *(sys.executable, "-P", "-m", "cliply_resources.media_tools.download_guard", self._walls),
            *("--no-config", "--no-plugin-dirs", "--no-cache-dir", "--no-exec", "--no-remote-components"),
            *("--use-extractors", self._extractors),
            *("--proxy", self._proxy or ""),
            *("--color", "never", "--newline", "--no-mtime", "--fixup", "never"),
            *("--socket-timeout", str(SOCKET_SECONDS), "--retries", str(RETRIES), "--fragment-retries", str(RETRIES)),
            *("--extractor-retries", "2", "--file-access-retries", "0", "--retry-sleep", RETRY_PAUSE),
            *("--retry-sleep", f"fragment:{RETRY_PAUSE}"),
            *("--paths", str(self.work), "--output", "source.%(ext)s"),
            *(
                "--ffmpeg-location",
                str(ffmpeg_path()),
                "--postprocessor-args",
                f"Merger+ffmpeg_i:{shlex.join(INPUT_GUARDS)}",
            ),
            *options,
            *(("--", url) if url is not None else ()),
        ]
        try:
            return run(
                command,
                deadline_seconds=max(seconds, 0.1),
                # The kernel stops a file at the limit even where nobody announced its size.
                limits=ProcessLimits(file_bytes=self._max_file_bytes),
                on_stdout_line=on_line,
                cwd=self.work,
                env=self._environment(),
            )
        except DeadlineExceeded as error:
            raise DeadlineExceeded(
                f"The download from {self._host} was stopped because it took longer than it may. "
                "Try again later, choose a shorter video, or upload the file.",
                detail=error.detail,
            ) from error

    def _environment(self) -> dict[str, str]:
        """Only what is needed: no secrets of this process, no proxy, no home that could hold a configuration."""
        root = str(Path(__file__).parents[2])
        kept = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
        paths = [root, *(path for path in sys.path if path and path != root)]
        return {
            **kept,
            "HOME": str(self.work),
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(paths),
            "TMPDIR": str(self.work),
        }


def _extractors(settings: Settings) -> str:
    # yt-dlp reads these as patterns, and a few words as whole groups; the settings mean exact names.
    for name in settings.url_extractors:
        if not _EXTRACTOR.fullmatch(name) or name.lower() in _SPECIAL_EXTRACTORS:
            raise StepFailed(f"CLIPLY_URL_EXTRACTORS contains {name!r}, which is not the name of one extractor.")
    return ",".join(re.escape(name) for name in settings.url_extractors)


def _video_options(settings: Settings) -> list[str]:
    longest = f"{settings.max_duration_seconds:g}"
    return [
        *("--no-playlist", "--playlist-items", "1", "--no-live-from-start"),
        *("--max-filesize", str(settings.max_source_bytes)),
        *("--match-filters", f"!is_live & duration<=?{longest}"),
        *("--format", "bestvideo*+bestaudio/best"),
        *("--format-sort", f"res:{PREFERRED_HEIGHT},vcodec:h264,acodec:aac"),
        *("--merge-output-format", "mp4/mkv"),
        # A film with a hole in it is worse than none.
        *("--abort-on-unavailable-fragments", "--abort-on-error"),
        # Without this, sites' playlists may be handed to ffmpeg, which the guard would refuse.
        *("--downloader", "m3u8:native", "--downloader", "dash:native"),
        *("--write-info-json", "--no-simulate", "--no-quiet", "--progress", "--progress-delta", PROGRESS_SECONDS),
        *DownloadProgress.OPTIONS,
    ]


def _work_folder(into: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        into.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=into, prefix=".download-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StepFailed(
            f"Nothing can be downloaded to {into}: {error.strerror}. Make sure that it is writable."
        ) from error


def _finished_file(finished: Finished, follow: DownloadProgress, work: Path, host: str) -> Path:
    if finished.returncode != 0 or follow.file is None:
        raise refusal_from(finished.stderr, host=host, returncode=finished.returncode)
    video = Path(follow.file)
    if video.parent != work or not video.is_file() or video.is_symlink():
        raise StepFailed(f"The download from {host} left no file.", detail=finished.stderr)
    if video.stat().st_size == 0:
        raise MediaError(f"The video at {host} is empty. Give the URL of another one, or upload the file.")
    return video


def _info(work: Path, finished: Finished) -> dict[str, object]:
    path = work / "source.info.json"
    try:
        if path.stat().st_size > MAX_INFO_BYTES:
            raise StepFailed(
                f"The site describes its video in more than {MAX_INFO_BYTES} bytes.", detail=finished.stderr
            )
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise StepFailed("The download left no readable description.", detail=finished.stderr) from error
    return found if isinstance(found, dict) else {}


def _captions(tool: _Tool, choice: CaptionChoice, seconds: float) -> str | None:
    """The track's text, or `None`: a video whose captions cannot be had is still a video."""
    if seconds <= 0:
        return None
    options = [
        *("--load-info-json", str(tool.work / "source.info.json"), "--skip-download", "--sub-format", "vtt"),
        "--write-auto-subs" if choice.automatic else "--write-subs",
        *("--sub-langs", re.escape(choice.language)),
    ]
    try:
        tool.run(options, None, min(seconds, CAPTION_SECONDS))
    except DeadlineExceeded:
        return None
    found = sorted(tool.work.glob("source.*.vtt"))
    return clean_captions(found[0].read_bytes()) if found else None


def _viewers(tool: _Tool, url: str, seconds: float) -> Audience | None:
    """Comments and chat as far as the site gives them; what cannot be had is left out, and never costs the video.

    Asked for in a run of their own: a site that fails over its comments has still given its video.
    """
    if seconds <= 0:
        return None
    options = [
        *("--no-playlist", "--playlist-items", "1", "--skip-download", "--write-info-json", "--write-comments"),
        *("--extractor-args", f"youtube:comment_sort=top;max_comments={MOST_COMMENTS},all,0,0"),
        *("--write-subs", "--sub-langs", "live_chat", "--sub-format", "json", "--output", "viewers.%(ext)s"),
    ]
    # What was written until the deadline is read all the same.
    with suppress(DeadlineExceeded):
        tool.run(options, url, min(seconds, VIEWER_SECONDS))
    parts = []
    for path in sorted(tool.work.glob("viewers.*json")):
        try:
            if path.stat().st_size <= MAX_AUDIENCE_BYTES:
                parts.append(read_audience(path.read_bytes(), name=path.name))
        except (MediaError, OSError):
            continue
    found = merge_audience(parts)
    # The heatmap and the chapters are the description's own.
    found = msgspec.structs.replace(found, heatmap=(), chapters=())
    return None if found.is_empty else found


def _suffix(video: Path) -> str:
    return video.suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", video.suffix) else ".bin"
