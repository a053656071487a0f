"""What the user named as the source: looked at before anything is started."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from cliply_resources.documents import SourceMedia
from cliply_resources.errors import MediaError
from cliply_resources.media_tools.downloads import checked_source_url
from cliply_resources.media_tools.limits import check_limits
from cliply_resources.media_tools.probe import probe
from cliply_resources.settings import Settings

__all__ = ["FileSource", "UrlSource", "inspect_source"]

CHUNK = 4 * 1024 * 1024
"""Bytes read at once while hashing."""

WORTH_A_BAR = 512 * 1024 * 1024
"""Bytes; below this hashing is over before a bar could be read."""


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """A film on this machine that passed every check."""

    path: Path
    sha256: str
    size: int
    media: SourceMedia


@dataclass(frozen=True, kw_only=True)
class UrlSource:
    """An address on an allowed site."""

    url: str


def inspect_source(source: str, settings: Settings, console: Console) -> FileSource | UrlSource:
    """Tells file from URL and refuses what cannot work, before a database is started or a byte is decoded.

    Raises:
        MediaError: the file is missing, empty, broken, of a refused kind or over a limit.
        CallerError: the URL is of a site that is not allowed.
    """
    if urlsplit(source).scheme in ("http", "https"):
        url, _host = checked_source_url(source, settings)
        return UrlSource(url=url)
    path = Path(source).expanduser().absolute()
    media = probe(path, settings=settings)
    check_limits(media, settings)
    return FileSource(path=path, sha256=_sha256(path, console), size=path.stat().st_size, media=media)


def _sha256(path: Path, console: Console) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256()
    columns = (TextColumn("Reading {task.fields[name]}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        path.open("rb") as file,
        Progress(*columns, console=console, transient=True, disable=size < WORTH_A_BAR) as progress,
    ):
        task = progress.add_task("", total=size, name=path.name)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            progress.advance(task, len(chunk))
    if path.stat().st_size != size:
        raise MediaError(f"{path.name} is still being written; start again once it is finished.")
    return digest.hexdigest()
