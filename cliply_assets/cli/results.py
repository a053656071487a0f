"""What an upload came to: finished clips as documents, as a table, and as files in a folder."""

import os
import re
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cliply_assets.steps.rules import STEPS
from cliply_resources.database import Database
from cliply_resources.database.models import Clip, Render, Upload, UploadStep
from cliply_resources.documents import UploadSettings
from cliply_resources.errors import CallerError, StepFailed
from cliply_resources.storage import Storage

__all__ = ["ClipResult", "Result", "StepTiming", "check_folder", "deliver", "print_result", "read_result"]

FILES = {
    "video": ".mp4",
    "thumbnail": ".jpg",
    "srt": ".srt",
    "edl": ".edl",
    "xml": ".xml",
    "fcpxml": ".fcpxml",
    "provenance": ".json",
}
"""Every file of a rendered clip and the suffix it is delivered with; the largest comes first, and with it a full disk."""


class StepTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How long one step took; `reused` ones were found done."""

    step: str
    part: str
    state: str
    seconds: float
    started: float
    """Seconds after the first step of this run."""
    reused: bool
    cpu_seconds: float = 0.0
    """Of its process and of the programs that it ran."""


class ClipResult(msgspec.Struct, frozen=True, kw_only=True):
    """One clip and where its files are, for each aspect ratio; `files` are those of the first."""

    id: str
    start: float
    end: float
    duration: float
    score: float
    subscores: dict[str, float]
    title: str
    description: str
    hashtags: tuple[str, ...]
    reasons: tuple[str, ...]
    files: dict[str, str]
    aspects: dict[str, dict[str, str]]
    problem: str | None = None
    """Why it could not be rendered."""
    seconds: float | None = None
    """How long the finished file of the first aspect ratio is; `duration` is that of its span."""
    removed_s: float = 0.0
    """Seconds of pauses and filler words that were taken out of it."""
    removed_words: int = 0
    """How many filler words these were."""
    noise_reduced_db: float = 0.0
    """By how much further the speech stands above a steady noise than in the source; 0 where the sound was left as it is."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The one document that `cliply clip --json` prints."""

    upload: str
    run: str
    state: str
    engine: str
    """What made the transcript."""
    note: str
    steps: tuple[StepTiming, ...]
    clips: tuple[ClipResult, ...]
    problems: tuple[str, ...] = ()
    """What failed, a sentence each; empty when all was done."""


def read_result(
    database: Database,
    workspace_id: UUID,
    upload_id: UUID,
    *,
    run_id: str,
    state: str,
    failures: Sequence[str] = (),
) -> Result:
    """The upload's clips with their object keys as files; `deliver` turns these into paths."""
    with database.pipeline(workspace_id) as session:
        # What was rendered again on request has steps of its own, which are no part of what this command does.
        steps = session.scalars(
            sa.select(UploadStep).where(
                UploadStep.workspace_id == workspace_id, UploadStep.upload_id == upload_id, UploadStep.step.in_(STEPS)
            )
        ).all()
        clips = session.scalars(
            sa.select(Clip)
            .where(
                Clip.workspace_id == workspace_id,
                Clip.upload_id == upload_id,
                Clip.state != "rejected",
                Clip.deleted_at.is_(None),
            )
            .order_by(Clip.rank)
        ).all()
        renders = session.scalars(
            sa.select(Render)
            .where(Render.workspace_id == workspace_id, Render.clip_id.in_([clip.id for clip in clips]))
            .order_by(Render.version)
        ).all()
        upload = session.get_one(Upload, (workspace_id, upload_id))
        order = msgspec.convert(upload.settings, UploadSettings).aspects
        return Result(
            upload=str(upload_id),
            run=run_id,
            state=state,
            engine=str(_summary(steps, "transcript").get("engine", "none")),
            note=" ".join(
                str(note) for step in ("transcript", "clip_candidates") if (note := _summary(steps, step).get("note"))
            ),
            steps=_timings(steps, run_id),
            clips=tuple(_clip(clip, [r for r in renders if r.clip_id == clip.id], steps, order) for clip in clips),
            problems=_problems(steps, failures),
        )


def _problems(steps: Sequence[UploadStep], failures: Sequence[str]) -> tuple[str, ...]:
    told = tuple(f"{STEPS[row.step].label}: {row.reason}" for row in steps if row.state == "failed" and row.reason)
    # A step that failed before it could write its row is known to the run alone.
    return told or tuple(failures)


def _summary(steps: Sequence[UploadStep], name: str) -> Mapping[str, object]:
    return next((row.summary or {} for row in steps if row.step == name), {})


def _timings(steps: Sequence[UploadStep], run_id: str) -> tuple[StepTiming, ...]:
    order = list(STEPS)
    begun = [row for row in steps if row.started_at is not None and row.ended_at is not None]
    of_this_run = [row.started_at for row in begun if row.run_id == run_id and row.started_at]
    first = min(of_this_run, default=None)
    timings = []
    for row in sorted(begun, key=lambda row: (order.index(row.step), row.started_at)):
        assert row.started_at is not None
        assert row.ended_at is not None
        fresh = row.run_id == run_id and row.reused_from is None
        timings.append(
            StepTiming(
                step=row.step,
                part=row.part,
                state=row.state,
                seconds=round((row.ended_at - row.started_at).total_seconds(), 3),
                started=round((row.started_at - first).total_seconds(), 3) if first and fresh else 0.0,
                reused=not fresh,
                cpu_seconds=float(row.usage.get("cpu_seconds") or 0.0),
            )
        )
    return tuple(timings)


def _clip(clip: Clip, renders: Sequence[Render], steps: Sequence[UploadStep], order: Sequence[str]) -> ClipResult:
    # Versions come in order, so the newest ready one of each aspect wins.
    ready = {render.aspect: render for render in renders if render.state == "ready"}
    aspects = {aspect: dict(ready[aspect].objects or {}) for aspect in order if aspect in ready}
    first = next((ready[aspect] for aspect in aspects), None)
    failed = next(
        (row for row in steps if row.step == "renders" and row.part == clip.id.hex and row.state == "failed"), None
    )
    return ClipResult(
        id=str(clip.id),
        start=clip.span.start,
        end=clip.span.end,
        duration=round(clip.span.duration, 3),
        score=clip.score,
        subscores=dict(clip.subscores),
        title=clip.title,
        description=clip.description,
        hashtags=tuple(clip.hashtags),
        reasons=tuple(clip.reasons),
        files=next(iter(aspects.values()), {}),
        aspects=aspects,
        problem=failed.reason if failed is not None else None,
        seconds=round(first.duration, 3) if first is not None and first.duration is not None else None,
        removed_s=first.sound.get("removed_s", 0.0) if first is not None else 0.0,
        removed_words=first.sound.get("removed_words", 0) if first is not None else 0,
        noise_reduced_db=first.sound.get("noise_reduced_db", 0.0) if first is not None else 0.0,
    )


def check_folder(folder: Path) -> None:
    """Makes the folder and tries it, before an hour of work finds out that it cannot be written.

    Raises:
        CallerError: naming the folder and why not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CallerError(
            f"The clips cannot be written to {folder} ({error.strerror}); name another folder with --out."
        ) from error


def deliver(result: Result, storage: Storage, folder: Path) -> Result:
    """Copies every finished file into `folder` under a readable name; each appears whole or not at all.

    Raises:
        StepFailed: the disk is full or the folder went away; nothing half-written is left.
    """
    clips = []
    for rank, clip in enumerate(result.clips, start=1):
        stem = f"{rank:02d}-{slug(clip.title)}"
        aspects = {}
        for aspect, objects in clip.aspects.items():
            name = stem if len(clip.aspects) == 1 else f"{stem}-{aspect.replace(':', 'x')}"
            aspects[aspect] = {
                kind: str(_copy(storage, objects[kind], folder / f"{name}{suffix}"))
                for kind, suffix in FILES.items()
                if kind in objects
            }
        clips.append(msgspec.structs.replace(clip, aspects=aspects, files=next(iter(aspects.values()), {})))
    delivered = msgspec.structs.replace(result, clips=tuple(clips))
    _write(folder / "clips.json", msgspec.json.format(msgspec.json.encode(delivered), indent=2))
    return delivered


def _copy(storage: Storage, key: str, target: Path) -> Path:
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with storage.local_path(key) as path:
            shutil.copyfile(path, partial)
        partial.replace(target)
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _not_written(target: Path, error: OSError) -> StepFailed:
    return StepFailed(
        f"{target} could not be written ({error.strerror}). The clips are safe in Cliply's storage; "
        "make room or name another folder with --out, and run the same command again."
    )


def _write(target: Path, data: bytes) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        partial.unlink(missing_ok=True)


def slug(title: str) -> str:
    """A short file name for people: letters, digits and dashes only."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].rstrip("-") or "clip"


def clock(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _command() -> str:
    """How this shell can call us again."""
    return "cliply" if shutil.which("cliply") else sys.argv[0]


def print_result(console: Console, result: Result, folder: Path) -> None:
    """The table of clips, why each was chosen, and where to look next."""
    table = Table(title=None, show_lines=True, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("Time", no_wrap=True)
    table.add_column("Score", justify="right")
    table.add_column("Title and why", ratio=2, overflow="fold")
    table.add_column("File", ratio=1, overflow="fold")
    for rank, clip in enumerate(result.clips, start=1):
        why = Text(clip.title, style="bold")
        for reason in clip.reasons[:3]:
            why.append(f"\n• {reason}", style="not bold dim")
        files = "\n".join(Path(files["video"]).name for files in clip.aspects.values() if "video" in files)
        where = Text(files) if clip.problem is None else Text(clip.problem, style="red")
        length = f"{clip.duration:.1f} s"
        if clip.removed_s:
            length += f"\n−{clip.removed_s:.1f} s"
        table.add_row(str(rank), f"{clock(clip.start)}–{clock(clip.end)}\n{length}", f"{clip.score:.0f}", why, where)
    if result.clips:
        console.print(table)
    for problem in result.problems:
        console.print(Text(problem, style="red"), soft_wrap=True)
    if result.note:
        console.print(Text(result.note, style="yellow"))
    console.print(
        (
            f"Transcript by [bold]{result.engine}[/]. "
            f"Clips, thumbnails, subtitles and edit lists are in [bold]{folder}[/].\n"
            if result.clips
            else "No clips were made.\n"
        )
        + f"Look at the run: [bold]{_command()} up[/], then http://127.0.0.1:3000/assets (partition {result.upload}).",
        soft_wrap=True,
    )
