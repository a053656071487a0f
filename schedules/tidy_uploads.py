"""Deletes what came through signed links and nobody took: unconfirmed uploads, and the stored objects of deleted uploads and clips."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple
from uuid import UUID

import dagster as dg
import sqlalchemy as sa

from cliply_assets.pipeline import Pipeline
from cliply_resources.database import Database
from cliply_resources.database.models import Clip, Upload
from cliply_resources.settings import get_settings
from cliply_resources.storage import Storage
from cliply_resources.storage.keys import incoming_key, workspace_prefix
from cliply_resources.uploads import clips_to_purge, uploads_to_tidy

__all__ = ["Leftover", "Tidying", "purge_clip", "tidy_upload", "tidy_uploads", "tidy_uploads_hourly", "what_to_delete"]

BATCH = 200
"""Uploads tidied up by one tick at most; the next one takes the rest."""


class Leftover(NamedTuple):
    """An upload whose signed link has ended."""

    workspace_id: UUID
    upload_id: UUID
    suffix: str
    """Of its source: `.mp4`; empty where it has none of ours."""
    confirmed: bool
    deleted: bool
    incoming_until: datetime


class Tidying(NamedTuple):
    """What is to go."""

    keys: tuple[str, ...] = ()
    """Single objects."""
    prefixes: tuple[str, ...] = ()
    """Whole folders of objects."""
    row: bool = False
    """The upload itself, of which nothing ever came."""


def what_to_delete(upload: Leftover, *, now: datetime, keep: timedelta) -> Tidying | None:
    """What of an upload is to go now; nothing before `keep` has passed since its link's end.

    * never confirmed: everything, the row too
    * deleted by its owner: source, analyses and (`purge_clip`) clips; the rows stay, since the audit log names them
    * confirmed: what was put through the link after the confirmation
    """
    if now - upload.incoming_until < keep:
        return None
    home = workspace_prefix(upload.workspace_id)
    of_upload = (f"{home}/uploads/{upload.upload_id}",)
    if not upload.confirmed:
        return Tidying(prefixes=of_upload, row=True)
    if upload.deleted:
        return Tidying(prefixes=(*of_upload, f"{home}/analysis/{upload.upload_id}"))
    return Tidying(keys=(incoming_key(upload.workspace_id, upload.upload_id, upload.suffix),) if upload.suffix else ())


def tidy_upload(
    database: Database, storage: Storage, workspace_id: UUID, upload_id: UUID, *, now: datetime, keep: timedelta
) -> bool:
    """Does it for one upload; true where something was due. Interrupted halfway, the next tick does it again."""
    with database.pipeline(workspace_id) as session:
        # The lock keeps a late confirmation out while the bytes go.
        row = session.get(Upload, (workspace_id, upload_id), with_for_update=True)
        if row is None or row.incoming_until is None:
            return False
        due = what_to_delete(
            Leftover(
                workspace_id=workspace_id,
                upload_id=upload_id,
                suffix=PurePosixPath(row.source_uri).suffix if row.source_kind == "stored" else "",
                confirmed=row.confirmed_at is not None,
                deleted=row.deleted_at is not None,
                incoming_until=row.incoming_until,
            ),
            now=now,
            keep=keep,
        )
        if due is None:
            return False
        for key in due.keys:
            storage.delete(key)
            storage.abort_parts(key)
        for prefix in due.prefixes:
            storage.delete_prefix(prefix)
        if due.row:
            session.delete(row)
            return True
        if row.deleted_at is not None:
            for clip in session.scalars(_unpurged(workspace_id).where(Clip.upload_id == upload_id)):
                _purge(storage, clip, now)
        row.incoming_until = None
    return True


def purge_clip(database: Database, storage: Storage, workspace_id: UUID, clip_id: UUID, *, now: datetime) -> bool:
    """Deletes the files of a deleted clip in all its versions; true where there was something to do. Safe to repeat."""
    with database.pipeline(workspace_id) as session:
        query = _unpurged(workspace_id).where(Clip.id == clip_id, Clip.deleted_at.is_not(None))
        clip = session.scalar(query.with_for_update())
        if clip is None:
            return False
        _purge(storage, clip, now)
    return True


def _unpurged(workspace_id: UUID) -> sa.Select[Clip]:
    return sa.select(Clip).where(Clip.workspace_id == workspace_id, Clip.purged_at.is_(None))


def _purge(storage: Storage, clip: Clip, now: datetime) -> None:
    storage.delete_prefix(f"{workspace_prefix(clip.workspace_id)}/clips/{clip.id}")
    clip.purged_at = now


@dg.op(description="Deletes uploads that were never confirmed, and stored objects that nobody needs any more.")
def tidy_up(context: dg.OpExecutionContext, pipeline: Pipeline) -> int:
    """Returns how many uploads were tidied up after."""
    now, keep = datetime.now(UTC), timedelta(hours=get_settings().keep_unconfirmed_hours)
    database, storage = pipeline.database(), pipeline.storage()
    due = uploads_to_tidy(database, links_ended_before=now - keep, most=BATCH)
    done = sum(tidy_upload(database, storage, *ids, now=now, keep=keep) for ids in due)
    clips = clips_to_purge(database, deleted_before=now - keep, most=BATCH)
    purged = sum(purge_clip(database, storage, *ids, now=now) for ids in clips)
    context.log.info(f"{done} uploads were tidied up after, and the files of {purged} deleted clips went.")
    return done


@dg.job(
    description="Frees the storage of films that nobody confirmed or that were deleted.",
    executor_def=dg.in_process_executor,
)
def tidy_uploads() -> None:
    """One op."""
    tidy_up()


tidy_uploads_hourly = dg.ScheduleDefinition(
    name="tidy_uploads_hourly",
    job=tidy_uploads,
    cron_schedule="41 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
