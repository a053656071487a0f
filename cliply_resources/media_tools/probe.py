"""What a file is, found out by a child process that can crash, hang or swell without harm."""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

import cliply_resources
from cliply_resources.documents.media import SourceMedia
from cliply_resources.errors import MediaError, StepFailed
from cliply_resources.media_tools.limits import check_size
from cliply_resources.media_tools.process import ProcessLimits, run
from cliply_resources.settings import Settings

__all__ = ["Answer", "probe", "worker_environment"]

_HEAD_BYTES = 4096
_WORKER_LIMITS = ProcessLimits(
    address_space_bytes=4 * 1024**3,  # one decoded 8K picture and PyAV itself need 1 GiB of addresses
    file_bytes=0,
    open_files=64,
    stdout_bytes=4 * 1024**2,
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker prints: the media, or the sentence that refuses it."""

    media: SourceMedia | None = None
    refused: str = ""


def probe(path: Path, *, settings: Settings, deadline_seconds: float = 30) -> SourceMedia:
    """Says what a video file holds, without trusting it and without following anything it refers to.

    Reads headers, a few packets and one picture. Raises MediaError, with a sentence that names the file, for anything
    that is not one complete, readable video file; a video without sound is answered with `audio == ()`. Limits are a
    separate question (`limits.check_limits`), except that a file over `max_source_bytes` is not opened at all.
    """
    check_size(_size_of_file(path), settings)
    with path.open("rb") as file:
        _refuse_text(path, file.read(_HEAD_BYTES))
    finished = run(
        [sys.executable, "-P", "-m", "cliply_resources.media_tools.probe_worker", str(path.absolute())],
        deadline_seconds=deadline_seconds,
        limits=_WORKER_LIMITS,
        env=worker_environment(),
    )
    if finished.returncode < 0:
        raise MediaError(f"The file {path.name} cannot be read: it crashes the reader, so it is damaged or hostile.")
    if finished.returncode != 0:
        raise StepFailed(f"The file {path.name} could not be examined.", detail=finished.stderr)
    answer = msgspec.json.decode(finished.stdout, type=Answer)
    if answer.media is None:
        raise MediaError(f"The file {path.name} {answer.refused}")
    return answer.media


def _size_of_file(path: Path) -> int:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise MediaError(f"{path} is a folder; give one video file.")
        if not path.is_file():
            raise MediaError(f"{path} is not an ordinary file; give one video file.")
        if not os.access(path, os.R_OK):
            raise MediaError(f"The file {path} may not be read by this user; change its permissions.")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaError(f"There is no file {path}; check the spelling.") from error
    except PermissionError as error:
        raise MediaError(f"The file {path} may not be read by this user; change its permissions.") from error
    if size == 0:
        raise MediaError(f"The file {path.name} is empty (0 bytes); copy or download it again.")
    return size


def _refuse_text(path: Path, head: bytes) -> None:
    """Names what only pretends to be a video; the guards would stop it too, with less to say."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"#EXTM3U", b"ffconcat", b"[playlist]", b"[Reference]")) or b"<MPD" in head:
        raise MediaError(
            f"The file {path.name} is a playlist that points to other files, which are not followed; "
            "give the video file itself."
        )
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # Cutting at 4096 bytes may split one character; anything earlier is no text.
        if error.start < len(head) - 4:
            return
        text = head[: error.start].decode("utf-8")
    if all(character.isprintable() or character in "\t\r\n\f" for character in text):
        raise MediaError(f"The file {path.name} is a text file, not a video; give a video file.")


def worker_environment() -> dict[str, str]:
    """The worker needs this code and nothing else of ours: no keys, no settings."""
    root = str(Path(cliply_resources.__file__).resolve().parents[1])
    kept: dict[str, Any] = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
