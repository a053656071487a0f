"""Objects without rows, and rows without objects: found by comparing a workspace's listing with what its rows explain.

Rows come before their objects everywhere, so an object whose upload or clip has no row was left behind. Within an upload or clip, an
object that no row names may still be about to be named; it must be older than `SETTLED` and its upload at rest.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from cliply_assets.housekeeping.partitions import is_upload_id
from cliply_resources.database import Clip, Database, Render, Upload, UploadStep
from cliply_resources.storage import ListedObject, Storage
from cliply_resources.storage.keys import workspace_prefix

__all__ = ["Explained", "Orphans", "clean_up", "explained_by_rows", "find_orphans", "objects_without_rows"]

SETTLED = timedelta(hours=24)
"""No step takes this long; what is younger may belong to work that goes on."""
GONE = "The clip's file is no longer in the storage. Render it again."


class Explained(NamedTuple):
    """What the rows of a workspace account for."""

    uploads: frozenset[str]
    """Ids of all uploads."""
    busy: frozenset[str]
    """Uploads that are worked on, or wait for it, or whose signed link is open."""
    clips: Mapping[str, str]
    """Ids of all clips to those of their uploads."""
    keys: frozenset[str]
    """Objects that a step, a render or an upload names."""


class Orphans(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one workspace."""

    workspace_id: UUID
    objects: tuple[str, ...] = ()
    """Keys without rows."""
    bytes: int = 0
    renders: tuple[UUID, ...] = ()
    """Ready renders whose files are gone; cleaning up marks them as failed, so that they can be made again."""
    steps: tuple[str, ...] = ()
    """Completed steps (`upload/step`) whose files are gone; the next run of the upload makes them again by itself."""


def objects_without_rows(listed: Iterable[ListedObject], rows: Explained, *, now: datetime) -> list[ListedObject]:
    """Those of a workspace's objects that nothing accounts for; what lies in folders of other kinds is not judged."""
    return [found for found in listed if _is_orphan(found, rows, now=now)]


def _is_orphan(found: ListedObject, rows: Explained, *, now: datetime) -> bool:
    _, family, owner, *_ = [*found.key.split("/"), "", ""]
    if family not in {"uploads", "analysis", "clips"} or not is_upload_id(owner):
        return False
    if now - found.modified < SETTLED or found.key in rows.keys:
        return False
    upload = rows.clips.get(owner) if family == "clips" else owner
    return upload is None or upload not in rows.busy


def explained_by_rows(database: Database, workspace_id: UUID) -> Explained:
    """Reads all rows of the workspace that name objects."""
    with database.pipeline(workspace_id) as session:
        uploads = session.execute(
            sa.select(Upload.id, Upload.source_kind, Upload.source_uri, Upload.incoming_until, Upload.retry_at).where(
                Upload.workspace_id == workspace_id
            )
        ).all()
        steps = session.execute(
            sa.select(UploadStep.upload_id, UploadStep.state, UploadStep.output).where(
                UploadStep.workspace_id == workspace_id
            )
        ).all()
        clips = session.execute(sa.select(Clip.id, Clip.upload_id).where(Clip.workspace_id == workspace_id)).all()
        renders = session.execute(
            sa.select(Clip.upload_id, Render.state, Render.objects)
            .join(Clip, sa.and_(Clip.workspace_id == Render.workspace_id, Clip.id == Render.clip_id))
            .where(Render.workspace_id == workspace_id)
        ).all()
    keys = {row.source_uri for row in uploads if row.source_kind == "stored"}
    for row in steps:
        keys.update(_keys(row.output.get("objects", {})))
    for row in renders:
        keys.update(_keys(row.objects))
    begun = {row.upload_id for row in steps}
    busy = {row.id for row in uploads if row.incoming_until or row.retry_at or row.id not in begun}
    busy |= {row.upload_id for row in (*steps, *renders) if row.state in {"pending", "running"}}
    return Explained(
        uploads=frozenset(str(row.id) for row in uploads),
        busy=frozenset(map(str, busy)),
        clips={str(row.id): str(row.upload_id) for row in clips},
        keys=frozenset(keys),
    )


def _keys(objects: Mapping[str, object]) -> set[str]:
    return {key for value in objects.values() if (key := _key_of(value))}


def _key_of(value: object) -> str:
    """Steps write down key, size and hash of an object, renders the key alone."""
    return str(value.get("key", "")) if isinstance(value, dict) else str(value)


def find_orphans(database: Database, storage: Storage, workspace_id: UUID, *, now: datetime) -> Orphans:
    """Compares one workspace's objects with its rows; changes nothing."""
    # The listing first: an object in it had its row by then, so that the rows read later know it.
    listed = list(storage.list_objects(workspace_prefix(workspace_id)))
    lost = objects_without_rows(listed, explained_by_rows(database, workspace_id), now=now)
    there = {found.key for found in listed}
    renders, steps = _rows_without_objects(database, storage, workspace_id, there)
    return Orphans(
        workspace_id=workspace_id,
        objects=tuple(found.key for found in lost),
        bytes=sum(found.size for found in lost),
        renders=renders,
        steps=steps,
    )


def _rows_without_objects(
    database: Database, storage: Storage, workspace_id: UUID, there: set[str]
) -> tuple[tuple[UUID, ...], tuple[str, ...]]:
    with database.pipeline(workspace_id) as session:
        renders = session.execute(
            sa.select(Render.id, Render.objects)
            .join(Clip, sa.and_(Clip.workspace_id == Render.workspace_id, Clip.id == Render.clip_id))
            .where(Render.workspace_id == workspace_id, Render.state == "ready", Clip.deleted_at.is_(None))
        ).all()
        steps = session.execute(
            sa.select(UploadStep.upload_id, UploadStep.step, UploadStep.output)
            .join(Upload, sa.and_(Upload.workspace_id == UploadStep.workspace_id, Upload.id == UploadStep.upload_id))
            .where(
                UploadStep.workspace_id == workspace_id,
                UploadStep.state == "completed",
                Upload.expired_at.is_(None),
                Upload.deleted_at.is_(None),
            )
        ).all()

    def missing(objects: Mapping[str, object]) -> bool:
        # What was stored since the listing is asked for itself.
        return any(key not in there and not storage.exists(key) for key in _keys(objects))

    return (
        tuple(row.id for row in renders if missing(row.objects)),
        tuple(sorted({f"{row.upload_id}/{row.step}" for row in steps if missing(row.output.get("objects", {}))})),
    )


def clean_up(database: Database, storage: Storage, found: Orphans) -> None:
    """Deletes the objects without rows, and says of the renders without files that they are to be made again."""
    for key in found.objects:
        storage.delete(key)
    if found.renders:
        with database.pipeline(found.workspace_id) as session:
            session.execute(
                sa.update(Render)
                .where(Render.workspace_id == found.workspace_id, Render.id.in_(found.renders), Render.state == "ready")
                .values(state="failed", reason=GONE)
            )
