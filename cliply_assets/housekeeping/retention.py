"""Lets go of what nobody needs any more: films and intermediate files after a week, steps after a quarter, clips never.

* 7 days after the last work on an upload ended (`keep_object_days`): its source, and what was derived from it but for the documents
  that people still read and search (transcript, candidates, search passages).
* 90 days after (`keep_step_days`): its steps and those documents. Its clips stay; an upload of which nothing stays is deleted.

Work on an expired upload makes its objects anew where the source can still be had, and it expires again later.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_assets.housekeeping.across import every_workspace, uploads_to_expire, uploads_to_forget
from cliply_assets.steps.records import FinishedStep
from cliply_resources.database import Clip, Database, Event, Render, StorageTally, Upload, UploadStep, WebhookDelivery
from cliply_resources.settings import Settings
from cliply_resources.storage import ListedObject, Storage
from cliply_resources.storage.keys import workspace_prefix

__all__ = [
    "KEPT_STEPS",
    "Swept",
    "expire_upload",
    "expired_keys",
    "forget_upload",
    "sweep_deliveries",
    "sweep_events",
    "sweep_uploads",
]

KEPT_STEPS = frozenset({"transcript", "clip_candidates", "frame_index"})
"""Steps whose small documents stay as long as the steps: captions, reasons and the search read them."""
EVENT_BATCH = 10_000
"""Events deleted of one workspace at a time, so that no transaction is long."""
TALLY_DAYS = 400
"""Of daily storage tallies; over a year, so that the same month of last year can be compared."""


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What one sweep did, or with dry-run would have done."""

    expired: tuple[UUID, ...] = ()
    """Uploads that lost source and intermediate objects."""
    forgotten: tuple[UUID, ...] = ()
    """Uploads that lost steps and documents, too."""
    objects: int = 0
    bytes: int = 0
    events: int = 0
    deliveries: int = 0
    """Webhooks that were delivered or given up, and are forgotten."""


class _Freed(NamedTuple):
    objects: int
    bytes: int


def expired_keys(listed: Iterable[ListedObject], steps: Mapping[str, Collection[str]]) -> list[ListedObject]:
    """The objects of an upload that go when it expires: all but those that a step of `KEPT_STEPS` names.

    `steps` maps the upload's completed steps to the keys that each wrote.
    """
    kept = {key for step in KEPT_STEPS for key in steps.get(step, ())}
    return [found for found in listed if found.key not in kept]


def sweep_uploads(
    database: Database, storage: Storage, settings: Settings, *, now: datetime, most: int, dry_run: bool = False
) -> Swept:
    """Expires and forgets what is due, at most so many uploads of each."""
    ended_before = now - timedelta(days=settings.keep_object_days)
    # An upload expires `keep_object_days` after its end, or later.
    apart = max(settings.keep_step_days - settings.keep_object_days, 0)
    expired_before = now - timedelta(days=apart)
    expired, freed = [], []
    for ids in uploads_to_expire(database, ended_before=ended_before, most=most):
        done = expire_upload(database, storage, *ids, ended_before=ended_before, dry_run=dry_run)
        if done is not None:
            expired.append(ids[1])
            freed.append(done)
    forgotten = []
    for ids in uploads_to_forget(database, expired_before=expired_before, most=most):
        done = forget_upload(database, storage, *ids, expired_before=expired_before, now=now, dry_run=dry_run)
        if done is not None:
            forgotten.append(ids[1])
            freed.append(done)
    return Swept(
        expired=tuple(expired),
        forgotten=tuple(forgotten),
        objects=sum(each.objects for each in freed),
        bytes=sum(each.bytes for each in freed),
    )


def expire_upload(
    database: Database,
    storage: Storage,
    workspace_id: UUID,
    upload_id: UUID,
    *,
    ended_before: datetime,
    dry_run: bool = False,
) -> _Freed | None:
    """Deletes the upload's source and intermediate objects; nothing where it is worked on again. Safe to repeat."""
    with database.pipeline(workspace_id) as session:
        row = session.get(Upload, (workspace_id, upload_id), with_for_update=True)
        if row is None or row.expired_at is not None or _worked_on(session, row, since=ended_before):
            return None
        due = expired_keys(_objects_of(storage, workspace_id, upload_id), _written_by(session, row))
        if row.deleted_at is not None:
            due = _objects_of(storage, workspace_id, upload_id)
        if not dry_run:
            _delete(storage, due)
            # A step that has begun since then has stored new objects, or will; they are let go later.
            if not _worked_on(session, row, since=ended_before):
                row.expired_at = datetime.now(UTC)
    return _Freed(len(due), sum(found.size for found in due))


def forget_upload(
    database: Database,
    storage: Storage,
    workspace_id: UUID,
    upload_id: UUID,
    *,
    expired_before: datetime,
    now: datetime,
    dry_run: bool = False,
) -> _Freed | None:
    """Deletes the upload's steps and documents, and the upload itself where no clip of it is left. Safe to repeat."""
    with database.pipeline(workspace_id) as session:
        row = session.get(Upload, (workspace_id, upload_id), with_for_update=True)
        if row is None or row.expired_at is None or row.expired_at >= expired_before:
            return None
        due = _objects_of(storage, workspace_id, upload_id)
        if dry_run:
            return _Freed(len(due), sum(found.size for found in due))
        _delete(storage, due)
        of_upload = (UploadStep.workspace_id == workspace_id, UploadStep.upload_id == upload_id)
        session.execute(sa.delete(UploadStep).where(*of_upload))
        row.forgotten_at = now
        # Without steps it would look like one that nobody has begun.
        row.completed_at = row.completed_at or row.expired_at
        row.retry_at = None
        if not _has_clips(session, row):
            row.deleted_at = row.deleted_at or now
    return _Freed(len(due), sum(found.size for found in due))


def sweep_events(database: Database, settings: Settings, *, now: datetime) -> int:
    """Deletes what happened longer ago than steps are kept, and tallies of more than a year; returns how many events went."""
    before = now - timedelta(days=settings.keep_step_days)
    gone = 0
    for workspace_id in every_workspace(database):
        with database.pipeline(workspace_id) as session:
            old_days = StorageTally.day < (now - timedelta(days=TALLY_DAYS)).date()
            session.execute(sa.delete(StorageTally).where(StorageTally.workspace_id == workspace_id, old_days))
        while True:
            oldest = (
                sa.select(Event.seq)
                .where(Event.workspace_id == workspace_id)
                .order_by(Event.seq)
                .limit(EVENT_BATCH)
                .subquery()
            )
            with database.pipeline(workspace_id) as session:
                deleted = session.execute(
                    sa.delete(Event)
                    .where(
                        Event.workspace_id == workspace_id,
                        Event.seq.in_(sa.select(oldest.c.seq)),
                        Event.created_at < before,
                    )
                    .returning(Event.seq)
                ).all()
            gone += len(deleted)
            if len(deleted) < EVENT_BATCH:
                break
    return gone


def sweep_deliveries(database: Database, settings: Settings, *, now: datetime) -> int:
    """Deletes the log of webhooks that were over `keep_delivery_days` ago, with their attempts; returns how many went."""
    before = now - timedelta(days=settings.keep_delivery_days)
    gone = 0
    for workspace_id in every_workspace(database):
        mine = WebhookDelivery.workspace_id == workspace_id
        while True:
            old = sa.select(WebhookDelivery.id).where(
                mine, WebhookDelivery.state != "pending", WebhookDelivery.created_at < before
            )
            with database.pipeline(workspace_id) as session:
                deleted = session.execute(
                    sa.delete(WebhookDelivery)
                    .where(mine, WebhookDelivery.id.in_(old.order_by(WebhookDelivery.created_at).limit(EVENT_BATCH)))
                    .returning(WebhookDelivery.id)
                ).all()
            gone += len(deleted)
            if len(deleted) < EVENT_BATCH:
                break
    return gone


def _worked_on(session: Session, upload: Upload, *, since: datetime) -> bool:
    busy = sa.or_(UploadStep.state == "running", UploadStep.ended_at >= since, UploadStep.started_at >= since)
    mine = (UploadStep.workspace_id == upload.workspace_id, UploadStep.upload_id == upload.id)
    return bool(session.scalar(sa.select(sa.exists().where(*mine, busy))))


def _written_by(session: Session, upload: Upload) -> dict[str, set[str]]:
    query = sa.select(UploadStep.step, UploadStep.output).where(
        UploadStep.workspace_id == upload.workspace_id,
        UploadStep.upload_id == upload.id,
        UploadStep.state == "completed",
    )
    written: dict[str, set[str]] = {}
    for step, output in session.execute(query):
        found = _finished(output)
        written.setdefault(step, set()).update(stored.key for stored in found.objects.values())
    return written


def _finished(output: dict[str, Any]) -> FinishedStep:
    return msgspec.convert(output, FinishedStep) if output else FinishedStep(objects={})


def _has_clips(session: Session, upload: Upload) -> bool:
    kept = (
        Clip.workspace_id == upload.workspace_id,
        Clip.upload_id == upload.id,
        Clip.deleted_at.is_(None),
        Render.workspace_id == Clip.workspace_id,
        Render.clip_id == Clip.id,
        Render.state == "ready",
    )
    return bool(session.scalar(sa.select(sa.exists().where(*kept))))


def _objects_of(storage: Storage, workspace_id: UUID, upload_id: UUID) -> list[ListedObject]:
    home = workspace_prefix(workspace_id)
    return [
        found for family in ("uploads", "analysis") for found in storage.list_objects(f"{home}/{family}/{upload_id}")
    ]


def _delete(storage: Storage, due: Iterable[ListedObject]) -> None:
    for found in due:
        storage.delete(found.key)
