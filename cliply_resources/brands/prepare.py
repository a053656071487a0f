"""Turns a file that somebody gave us into one that renders may use."""

import shutil
import sys
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from cliply_resources.brands.fonts import FontFacts
from cliply_resources.brands.pictures import PictureFacts
from cliply_resources.documents.brands import BrandFile, BrandFont, BrandMark, BrandOutro, Placement
from cliply_resources.errors import DeadlineExceeded, MediaError, StepFailed
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.media_tools.loudness import read_summary
from cliply_resources.media_tools.probe import probe, worker_environment
from cliply_resources.media_tools.process import ProcessLimits, run
from cliply_resources.progress import silent
from cliply_resources.settings import Settings
from cliply_resources.storage.files import hash_file

__all__ = [
    "DEFAULT_PLACEMENTS",
    "KINDS",
    "LONGEST_OUTRO",
    "MOST_BYTES",
    "FileKind",
    "PreparedFile",
    "part_of_kit",
    "prepare_file",
]

FileKind = Literal["logo", "watermark", "font", "outro"]
KINDS: tuple[FileKind, ...] = get_args(FileKind)

MOST_BYTES: dict[FileKind, int] = {
    "logo": 10 * 1024**2,
    "watermark": 10 * 1024**2,
    "font": 8 * 1024**2,
    "outro": 100 * 1024**2,
}
"""Of the file that is given."""

LONGEST_OUTRO = 10.0
SHORTEST_OUTRO = 0.5
"""Seconds."""

DEFAULT_PLACEMENTS: dict[FileKind, Placement] = {
    "logo": Placement(corner="top_left", opacity=1.0, width_percent=16.0),
    "watermark": Placement(corner="bottom_right", opacity=0.5, width_percent=12.0),
}
"""Where pictures lie until somebody says otherwise."""

_DEADLINE_SECONDS = 60.0
_OUTRO_DEADLINE_SECONDS = 90.0
_LIMITS = ProcessLimits(
    address_space_bytes=3 * 1024**3, cpu_seconds=45, file_bytes=64 * 1024**2, open_files=64, stdout_bytes=64 * 1024
)


class PreparedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of ours, and what is known of it."""

    kind: FileKind
    path: Path
    sha256: str
    size: int
    facts: dict[str, Any]
    """What `part_of_kit` needs; plain JSON."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    facts: dict[str, Any] | None = None
    refused: str = ""


def prepare_file(kind: FileKind, source: Path, into: Path, settings: Settings) -> PreparedFile:
    """Writes what renders may use of the file at `source` into the existing folder `into`.

    Raises:
        MediaError: it is not what it should be, or over a limit; the sentence says which.
        StepFailed: it could not be examined here.
    """
    _check_size(kind, source)
    if kind == "outro":
        return _prepare_outro(source, into, settings)
    answer = _examine("font" if kind == "font" else "picture", source, into / f"{kind}.rewritten")
    suffix = answer["suffix"] if kind == "font" else ".png"
    path = (into / f"{kind}.rewritten").replace(into / f"{kind}-new{suffix}")
    return _described(kind, path, answer)


def part_of_kit(
    kind: FileKind, file: BrandFile, facts: dict[str, Any], placement: Placement | None = None
) -> BrandFont | BrandMark | BrandOutro:
    """The prepared file as a part of a kit, once it is stored; `placement` is for pictures."""
    if kind == "font":
        return BrandFont(file=file, family=msgspec.convert(facts, FontFacts).family)
    if kind == "outro":
        return msgspec.convert({**facts, "file": file}, BrandOutro)
    size = msgspec.convert(facts, PictureFacts)
    where = placement or DEFAULT_PLACEMENTS[kind]
    return BrandMark(file=file, width=size.width, height=size.height, placement=where)


def _check_size(kind: FileKind, source: Path) -> None:
    try:
        size = source.stat().st_size
    except OSError as error:
        raise MediaError(f"The file {source} cannot be read ({error.strerror}); check the path.") from error
    if not source.is_file() or size == 0:
        raise MediaError(f"The {kind} {source.name} is empty or no ordinary file.")
    if size > MOST_BYTES[kind]:
        raise MediaError(
            f"The {kind} has {size / 1024**2:.1f} MiB, and at most {MOST_BYTES[kind] // 1024**2} MiB are taken; give a smaller one."
        )


def _examine(what: str, source: Path, target: Path) -> dict[str, Any]:
    try:
        finished = run(
            [sys.executable, "-P", "-m", "cliply_resources.brands.worker", what, str(source.absolute()), str(target)],
            deadline_seconds=_DEADLINE_SECONDS,
            limits=_LIMITS,
            env=worker_environment(),
        )
    except DeadlineExceeded as error:
        raise MediaError(f"The {what} takes longer to read than any ordinary one; it is damaged or hostile.") from error
    if finished.returncode < 0:
        raise MediaError(f"The {what} crashes or exhausts its reader; it is damaged or hostile.")
    if finished.returncode != 0:
        raise StepFailed(f"The {what} could not be examined.", detail=finished.stderr)
    answer = msgspec.json.decode(finished.stdout, type=_Answer)
    if answer.facts is None:
        raise MediaError(answer.refused)
    return answer.facts


def _prepare_outro(source: Path, into: Path, settings: Settings) -> PreparedFile:
    media = probe(source, settings=settings)
    if not SHORTEST_OUTRO <= media.duration <= LONGEST_OUTRO:
        raise MediaError(
            f"The outro is {media.duration:.1f} s long, and {SHORTEST_OUTRO:g} to {LONGEST_OUTRO:g} s are taken; cut it."
        )
    width, height = media.video.width, media.video.height
    if max(width, height) > max(settings.max_width, settings.max_height) or width * height > settings.max_pixels:
        raise MediaError(f"The outro is {width} × {height} pixels, which is more than 4K; give a smaller one.")
    sound = media.audio[0].index if media.audio else None
    level = _decode_whole(source, has_sound=bool(media.audio))
    path = into / f"outro-new{source.suffix.lower() or '.mp4'}"
    shutil.copyfile(source, path)
    return _described(
        "outro",
        path,
        {
            "duration": media.duration,
            "width": width,
            "height": height,
            "audio_stream": sound,
            "integrated_lufs": level,
        },
    )


def _decode_whole(source: Path, *, has_sound: bool) -> float | None:
    """The loudness of the outro, `None` for silence; a file that breaks halfway would break every clip."""
    sound = ("-map", "0:a:0", "-af", "ebur128=peak=true:framelog=quiet") if has_sound else ()
    log = run_ffmpeg(
        [*guarded_input(source, "-xerror"), "-map", "0:V:0", *sound, "-f", "null", "-"],
        duration=None,
        progress=silent,
        deadline_seconds=_OUTRO_DEADLINE_SECONDS,
        doing="reading the outro",
        log_level="info",
    ).log
    level = read_summary(log) if has_sound else None
    return round(level[0], 2) if level else None


def _described(kind: FileKind, path: Path, facts: dict[str, Any]) -> PreparedFile:
    with path.open("rb") as file:
        stored = hash_file(file)
    return PreparedFile(kind=kind, path=path, sha256=stored.sha256, size=stored.size, facts=facts)
