"""Uploads as rows: asking for one, and what its facts add up to."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cliply_resources.database import Database
from cliply_resources.database.models import Upload, UploadStep
from cliply_resources.documents import UploadSettings
from cliply_resources.errors import CallerError, NotFound

__all__ = [
    "ASIDE_STEPS",
    "INGEST_STEPS",
    "StepFact",
    "UploadState",
    "attempt_of",
    "check_settings",
    "claim_upload",
    "clips_to_purge",
    "derive_state",
    "find_or_create_file_upload",
    "find_or_create_url_upload",
    "part_size_for",
    "part_sizes",
    "reset_unfinished_steps",
    "settings_digest",
    "uploads_to_start",
    "uploads_to_tidy",
    "when_expired",
    "workspace_of_upload",
]

UploadState = Literal[
    "created",
    "ingesting",
    "analyzing",
    "clips_generated",
    "rendering",
    "review",
    "publishing",
    "completed",
    "failed",
    "cancelled",
    "paused",
]

MAX_CLIPS = 50
SHORTEST_CLIP = 3.0
"""Seconds; platforms refuse shorter ones."""
LONGEST_CLIP = 600.0
"""Seconds; beyond this it is an excerpt, not a short clip."""
LONGEST_TOPIC = 200
"""Characters; a topic is a few words."""
MOST_EXCLUDED = 100

MAX_PARTS = 10_000
"""Of one film, as S3 allows at most."""

INGEST_STEPS = frozenset({"source_video", "media_proxy"})
RENDER_STEPS = frozenset({"renders", "rerender"})
ASIDE_STEPS = frozenset({"frame_index"})
"""Their state says nothing about the clips."""


def check_settings(settings: UploadSettings) -> None:
    """Refuses what cannot be done, in a sentence.

    Raises:
        CallerError: naming the value, the limit and the remedy.
    """
    if not 1 <= settings.clips <= MAX_CLIPS:
        raise CallerError(f"{settings.clips} clips cannot be made of one upload; ask for 1 to {MAX_CLIPS}.")
    if settings.min_seconds < SHORTEST_CLIP:
        raise CallerError(
            f"A clip of {settings.min_seconds:g} s is too short; --min must be at least {SHORTEST_CLIP:g} s."
        )
    if settings.max_seconds > LONGEST_CLIP:
        raise CallerError(f"A clip of {settings.max_seconds:g} s is too long; --max may be at most {LONGEST_CLIP:g} s.")
    if settings.min_seconds >= settings.max_seconds:
        raise CallerError(
            f"The shortest clip ({settings.min_seconds:g} s) must be shorter than the longest ({settings.max_seconds:g} s)."
        )
    if not settings.aspects:
        raise CallerError("Name at least one aspect ratio, for example 9:16.")
    if settings.topic is not UNSET and not 1 <= len(settings.topic) <= LONGEST_TOPIC:
        raise CallerError(
            f"A topic has 1 to {LONGEST_TOPIC} characters, and this one has {len(settings.topic)}; name it in a few words."
        )
    if settings.exclude is not UNSET and len(settings.exclude) > MOST_EXCLUDED:
        raise CallerError(
            f"{len(settings.exclude)} ranges are excluded, and at most {MOST_EXCLUDED} can be; join some."
        )


def settings_digest(settings: UploadSettings) -> str:
    """Equal for settings that ask for the same."""
    return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()


def part_size_for(size: int, usual: int) -> int:
    """Bytes of each part of a film of `size` bytes: the usual, or in whole MiB what makes do with 10,000 parts (S3's limit)."""
    mebibyte = 1024**2
    least = -(-size // MAX_PARTS)
    return usual if least <= usual else -(-least // mebibyte) * mebibyte


def part_sizes(size: int, part_size: int) -> list[int]:
    """The parts of a film of `size` bytes: all are of `part_size` bytes but the last, which has the rest."""
    whole, rest = divmod(size, part_size)
    return [part_size] * whole + ([rest] if rest else [])


def workspace_of_upload(database: Database, upload_id: UUID) -> UUID:
    """Whose upload it is; for work that starts from a partition key alone.

    Raises:
        NotFound: there is no such upload.
    """
    with database.across() as session:
        found = session.execute(sa.text("SELECT app.workspace_of_upload(:upload)"), {"upload": upload_id}).scalar()
    if found is None:
        raise NotFound(f"There is no upload {upload_id}; it may have been deleted.")
    return UUID(str(found))


def attempt_of(database: Database, workspace_id: UUID, upload_id: UUID) -> int:
    """How often the upload was asked for: the first time, and each retry and resumption."""
    with database.pipeline(workspace_id) as session:
        found = session.scalar(
            sa.select(Upload.attempt).where(Upload.workspace_id == workspace_id, Upload.id == upload_id)
        )
    return found or 1


def uploads_to_tidy(database: Database, *, links_ended_before: datetime, most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and upload ids whose signed link ended before that moment and was not tidied up after, over all workspaces."""
    query = sa.text("SELECT * FROM app.uploads_to_tidy(:before, :most)")
    with database.across() as session:
        rows = session.execute(query, {"before": links_ended_before, "most": most}).all()
    return [(row[0], row[1]) for row in rows]


def clips_to_purge(database: Database, *, deleted_before: datetime, most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and clip ids of clips that were deleted before that moment and whose files are still stored, over all workspaces."""
    query = sa.text("SELECT * FROM app.clips_to_purge(:before, :most)")
    with database.across() as session:
        rows = session.execute(query, {"before": deleted_before, "most": most}).all()
    return [(row[0], row[1]) for row in rows]


def uploads_to_start(database: Database, most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and upload ids of uploads that nobody has begun or that are to go on, the oldest first, over all workspaces."""
    with database.across() as session:
        rows = session.execute(sa.text("SELECT * FROM app.uploads_to_start(:most)"), {"most": most}).all()
    return [(row[0], row[1]) for row in rows]


def find_or_create_file_upload(
    session: Session, workspace_id: UUID, *, path: str, title: str, sha256: str, size: int, settings: UploadSettings
) -> tuple[UUID, bool]:
    """The upload of these bytes with these settings, and whether it is new; two callers at once get the same one."""
    values = {
        "workspace_id": workspace_id,
        "title": title,
        "source_kind": "file",
        "source_uri": path,
        "source_sha256": sha256,
        "source_size": size,
        "settings": msgspec.to_builtins(settings),
        "settings_digest": settings_digest(settings),
    }
    created = session.execute(insert(Upload).values(values).on_conflict_do_nothing().returning(Upload.id)).scalar()
    if created is not None:
        return created, True
    same = (
        Upload.workspace_id == workspace_id,
        Upload.source_sha256 == sha256,
        Upload.settings_digest == values["settings_digest"],
        Upload.source_kind == "file",
        Upload.deleted_at.is_(None),
    )
    found = session.execute(sa.select(Upload.id).where(*same)).scalar_one()
    # The file may have moved since; the bytes are the same.
    session.execute(sa.update(Upload).where(*same).values(source_uri=path))
    return found, False


def find_or_create_url_upload(
    session: Session, workspace_id: UUID, *, url: str, settings: UploadSettings
) -> tuple[UUID, bool]:
    """The unfinished upload of this address with these settings, and whether it is new.

    A finished one is not taken again: what the address shows may have changed.
    """
    digest = settings_digest(settings)
    steps = (UploadStep.workspace_id == Upload.workspace_id, UploadStep.upload_id == Upload.id)
    unfinished = sa.select(Upload.id).where(
        Upload.workspace_id == workspace_id,
        Upload.source_kind == "url",
        Upload.source_uri == url,
        Upload.settings_digest == digest,
        Upload.cancelled_at.is_(None),
        Upload.deleted_at.is_(None),
        sa.or_(~sa.exists().where(*steps), sa.exists().where(*steps, UploadStep.state != "completed")),
    )
    found = session.execute(unfinished.order_by(Upload.created_at.desc()).limit(1)).scalar()
    if found is not None:
        return found, False
    values = {
        "workspace_id": workspace_id,
        "title": url,
        "source_kind": "url",
        "source_uri": url,
        "settings": msgspec.to_builtins(settings),
        "settings_digest": digest,
    }
    return session.execute(insert(Upload).values(values).returning(Upload.id)).scalar_one(), True


def claim_upload(session: Session, workspace_id: UUID, upload_id: UUID) -> None:
    """Keeps the sensor's hands off an upload that its creator is about to run: its first step counts as begun.

    Whoever runs it by hand wants it, so that an earlier wish to cancel or pause it is over.
    """
    session.execute(
        sa.update(Upload)
        .where(
            Upload.workspace_id == workspace_id,
            Upload.id == upload_id,
            sa.or_(Upload.cancelled_at.is_not(None), Upload.paused_at.is_not(None), Upload.retry_at.is_not(None)),
        )
        .values(cancelled_at=None, paused_at=None, retry_at=None)
    )
    session.execute(
        sa.update(Upload)
        .where(Upload.workspace_id == workspace_id, Upload.id == upload_id, Upload.started_attempt < Upload.attempt)
        .values(started_attempt=Upload.attempt)
    )
    claim = {"state": "running", "doing": "about to start"}
    first = {"workspace_id": workspace_id, "upload_id": upload_id, "step": "source_video", **claim}
    statement = insert(UploadStep).values(first)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id", "upload_id", "step", "part"],
            set_=claim,
            where=UploadStep.state == "pending",
        )
    )


def reset_unfinished_steps(session: Session, workspace_id: UUID, upload_id: UUID) -> None:
    """Steps that an earlier run left unfinished wait again. Only for the holder of the upload's run lock."""
    session.execute(
        sa.update(UploadStep)
        .where(
            UploadStep.workspace_id == workspace_id,
            UploadStep.upload_id == upload_id,
            UploadStep.state.in_(("running", "failed", "cancelled")),
        )
        .values(state="pending", percent=0.0, doing="", reason=None, raw_error=None)
    )


@dataclass(frozen=True, kw_only=True)
class StepFact:
    """One step's state, as far as it matters for the upload's."""

    step: str
    state: str


def derive_state(
    steps: Collection[StepFact],
    *,
    cancelled: bool,
    paused: bool,
    ready_clips: int,
    waiting: bool = False,
    due_posts: int = 0,
    published_posts: int = 0,
) -> UploadState:
    """What an upload's facts add up to; the one place that says so. `waiting`: it was asked for again, and is not begun yet."""
    steps = [fact for fact in steps if fact.step not in ASIDE_STEPS]
    # A clip that is rendered again counts while it is: what becomes of it is in its own wish.
    steps = [fact for fact in steps if fact.step != "rerender" or fact.state == "running"]
    running = {fact.step for fact in steps if fact.state == "running"}
    ended = {fact.state for fact in steps}
    chosen = any(fact.step == "clip_candidates" and fact.state == "completed" for fact in steps)
    # The first that holds: what people decided, then what is going on, then what has come of it.
    verdicts: tuple[tuple[bool, UploadState], ...] = (
        (cancelled, "cancelled"),
        (paused, "paused"),
        (due_posts > 0, "publishing"),
        (published_posts > 0, "completed"),
        (bool(running & INGEST_STEPS), "ingesting"),
        (bool(running & RENDER_STEPS), "rendering"),
        (bool(running), "analyzing"),
        (ready_clips > 0, "review"),
        ("failed" in ended and not waiting, "failed"),
        (chosen, "clips_generated"),
        ("completed" in ended, "analyzing"),
    )
    return next((state for holds, state in verdicts if holds), "created")


def when_expired(source_kind: str, expired_at: datetime) -> str:
    """Why nothing can be made of an upload whose film was deleted, and what to do, as sentences for the user."""
    gone = f"The film of this upload was deleted on {expired_at:%Y-%m-%d}, as every film is some days after the last work on it"
    if source_kind == "stored":
        return f"{gone}. Its clips stay; upload the film again to make others."
    return f"{gone}. Retry the upload first, which fetches it again."
