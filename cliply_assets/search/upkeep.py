"""Keeps a workspace's index equal to the documents that its uploads' steps have stored."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from cliply_assets.search.index import SearchIndex, open_index
from cliply_assets.steps.records import FinishedStep
from cliply_assets.steps.work import StoredObject
from cliply_resources.database import Database
from cliply_resources.database.models import Upload, UploadStep
from cliply_resources.errors import NotFound, TryLater
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage

__all__ = ["DOCUMENT", "Upkeep", "rebuild", "remove_upload", "synchronise"]

STEP = "frame_index"
DOCUMENT = "index.parquet"

LOCK_SECONDS = 300.0
"""An upload takes a second, a rebuild of a large workspace minutes."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What was done to the index."""

    indexed: int = 0
    removed: int = 0
    missing: tuple[UUID, ...] = ()
    """Uploads whose document is no longer stored; running such an upload again makes it anew."""


@dataclass(frozen=True, kw_only=True)
class _Difference:
    stale: dict[UUID, StoredObject]
    gone: tuple[UUID, ...]


def synchronise(
    database: Database,
    storage: Storage,
    settings: Settings,
    workspace_id: UUID,
    *,
    wait_seconds: float | None = LOCK_SECONDS,
) -> Upkeep:
    """Brings the index up to date: uploads it lacks or has an older document of, and uploads that were deleted.

    Safe at any time and from any number of processes; whatever an earlier one left half done is done now.

    Raises:
        TryLater: another process was at work on the index for all of `wait_seconds`.
    """
    index = open_index(settings, workspace_id)
    if not _any(_difference(database, workspace_id, index)):
        return Upkeep()
    with _alone(database, workspace_id, wait_seconds):
        return _apply(_difference(database, workspace_id, index), storage, index)


def rebuild(database: Database, storage: Storage, settings: Settings, workspace_id: UUID) -> Upkeep:
    """Throws the index away and derives it again from the stored documents of all uploads.

    Raises:
        TryLater: another process was at work on the index for minutes.
    """
    with _alone(database, workspace_id, LOCK_SECONDS):
        index = open_index(settings, workspace_id)
        index.clear()
        return _apply(_difference(database, workspace_id, index), storage, index)


def remove_upload(database: Database, settings: Settings, workspace_id: UUID, upload_id: UUID) -> None:
    """Nothing of the upload can be found any more, and its words are on no disk of the index.

    The upload should be marked as deleted first: one that is not is indexed again by the next upkeep.

    Raises:
        TryLater: another process was at work on the index for minutes.
    """
    with _alone(database, workspace_id, LOCK_SECONDS):
        open_index(settings, workspace_id).remove([upload_id])


@contextmanager
def _alone(database: Database, workspace_id: UUID, wait_seconds: float | None) -> Iterator[None]:
    with database.advisory_lock(f"search:{workspace_id}", wait_seconds=wait_seconds) as locked:
        if not locked:
            raise TryLater("Another process is at work on the search index; try again when it has ended.")
        yield


def _any(difference: _Difference) -> bool:
    return bool(difference.stale or difference.gone)


def _difference(database: Database, workspace_id: UUID, index: SearchIndex) -> _Difference:
    indexed = index.documents()
    known, wanted = _stored_documents(database, workspace_id)
    return _Difference(
        stale={upload: stored for upload, stored in wanted.items() if indexed.get(upload) != stored.sha256},
        # An upload that is just being worked on again keeps its rows until the new ones are there.
        gone=tuple(upload for upload in indexed if upload not in known),
    )


def _stored_documents(database: Database, workspace_id: UUID) -> tuple[set[UUID], dict[UUID, StoredObject]]:
    alive = sa.select(Upload.id).where(Upload.workspace_id == workspace_id, Upload.deleted_at.is_(None))
    finished = sa.select(UploadStep.upload_id, UploadStep.output).where(
        UploadStep.workspace_id == workspace_id, UploadStep.step == STEP, UploadStep.state == "completed"
    )
    with database.pipeline(workspace_id) as session:
        known = set(session.scalars(alive))
        outputs: list[tuple[UUID, Any]] = [(row[0], row[1]) for row in session.execute(finished)]
    wanted = {upload: msgspec.convert(output, FinishedStep).objects for upload, output in outputs if upload in known}
    return known, {upload: objects[DOCUMENT] for upload, objects in wanted.items()}


def _apply(difference: _Difference, storage: Storage, index: SearchIndex) -> Upkeep:
    import polars as pl

    missing: list[UUID] = []
    for upload_id, stored in difference.stale.items():
        try:
            rows = pl.read_parquet(io.BytesIO(storage.get_bytes(stored.key)))
        except NotFound:
            missing.append(upload_id)
            continue
        index.replace(upload_id, stored.sha256, rows)
    if difference.gone:
        index.remove(difference.gone)
    elif len(missing) < len(difference.stale):
        index.tidy()
    return Upkeep(indexed=len(difference.stale) - len(missing), removed=len(difference.gone), missing=tuple(missing))
