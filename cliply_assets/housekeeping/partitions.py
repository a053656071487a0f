"""Keeps Dagster's list of partitions to the uploads that are still worked with: its pages slow down beyond some 25,000."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import dagster as dg
import sqlalchemy as sa

from cliply_assets.housekeeping.across import every_workspace
from cliply_assets.partitions import uploads
from cliply_resources.database import Database, Upload

__all__ = ["partitions_to_retire", "retire_partitions"]

MOST_PARTITIONS = 20_000
"""Live ones that a sweep leaves at most: a day's uploads are added before the next."""


def partitions_to_retire(existing: Sequence[str], kept: Collection[str], *, most: int = MOST_PARTITIONS) -> list[str]:
    """Keys of uploads that are not kept, and of more than `most` that are, the oldest.

    Keys are upload ids, which sort by the time they were made. A run that is asked for later adds its key again.
    """
    gone = [key for key in existing if key not in kept]
    live = sorted(key for key in existing if key in kept)
    return gone + live[: max(len(live) - most, 0)]


def kept_uploads(database: Database) -> set[str]:
    """Uploads that have not expired, of all workspaces."""
    found: set[str] = set()
    for workspace_id in every_workspace(database):
        query = sa.select(Upload.id).where(Upload.workspace_id == workspace_id, Upload.expired_at.is_(None))
        with database.pipeline(workspace_id) as session:
            found.update(map(str, session.scalars(query)))
    return found


def retire_partitions(instance: dg.DagsterInstance, database: Database, *, dry_run: bool = False) -> list[str]:
    """Removes the keys of expired and deleted uploads; returns them. What was materialized stays in the event log."""
    # In this order: a key whose upload is made in between is not looked at.
    existing = list(instance.get_dynamic_partitions(str(uploads.name)))
    due = partitions_to_retire(existing, kept_uploads(database))
    if not dry_run:
        for key in _not_at_work(instance, due):
            instance.delete_dynamic_partition(str(uploads.name), key)
    return due


def _not_at_work(instance: dg.DagsterInstance, keys: Iterable[str]) -> Iterable[str]:
    """A run needs its partition until it has ended."""
    unfinished = [status for status in dg.DagsterRunStatus if status not in _ENDED]
    busy = {run.tags.get("dagster/partition") for run in instance.get_runs(dg.RunsFilter(statuses=unfinished))}
    return (key for key in keys if key not in busy)


_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def is_upload_id(key: str) -> bool:
    """Whether a partition key or a part of an object's key names an upload."""
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False
