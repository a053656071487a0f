"""Backfills: many uploads' assets made again, as Dagster's own backfills, so that its UI shows and stops them, too.

What is due is decided by the steps' digests: a step whose inputs and version have not changed is found done. So a backfill that was
stopped halfway is gone on with by starting it again, and nothing is made twice.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import dagster as dg
import msgspec
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.utils import make_new_backfill_id
from dagster._time import get_current_timestamp
from dagster_shared.error import DagsterError

from cliply_assets.housekeeping.across import uploads_to_backfill
from cliply_assets.partitions import uploads
from cliply_assets.steps.rules import STEPS
from cliply_resources.database import Database
from cliply_resources.errors import CallerError, Conflict, NotFound

__all__ = [
    "BACKFILL_PRIORITY",
    "BackfillView",
    "cancel_backfill",
    "chosen_assets",
    "due_uploads",
    "list_backfills",
    "resume_backfill",
    "start_backfill",
    "view_backfill",
]

BACKFILL_TAG = "dagster/backfill"
"""Dagster puts it on every run of a backfill; `dagster.yaml` bounds how many of them are at work at once."""
BACKFILL_PRIORITY = -10
"""Below everything that a person waits for."""
MOST = 10_000
"""Uploads of one backfill."""

GOING_ON = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING)


class BackfillView(msgspec.Struct, frozen=True, kw_only=True):
    """A backfill as it is listed."""

    id: str
    state: str
    title: str
    assets: tuple[str, ...]
    uploads: int
    done: int
    """Uploads whose run succeeded."""
    failed: int
    working: int
    """Uploads whose run is queued or at work."""
    started_at: datetime

    @property
    def percent(self) -> float:
        """Of the uploads, those whose run has ended."""
        return 100.0 * (self.done + self.failed) / self.uploads if self.uploads else 100.0


def chosen_assets(graph: object, selection: str) -> list[str]:
    """The steps that a selection such as `clip_candidates+` names (that one and everything made from it), in order.

    Raises:
        CallerError: it names nothing, or is not a selection.
    """
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

    assert isinstance(graph, BaseAssetGraph)
    # A bare name's plus would mean one level only; by its key it means everything that comes after.
    keyed = re.sub(rf'(?<![\w:"])({"|".join(STEPS)})(?![\w"])', r'key:"\1"', selection)
    try:
        found = dg.AssetSelection.from_string(keyed).resolve(graph)
    except DagsterError as error:
        raise CallerError(
            f"{selection!r} names no assets; write for example clip_candidates+, and choose from {', '.join(STEPS)}."
        ) from error
    names = {key.to_user_string() for key in found}
    chosen = [name for name in STEPS if name in names]
    if not chosen:
        raise CallerError(f"{selection!r} names no asset of an upload; choose from {', '.join(STEPS)}.")
    return chosen


def due_uploads(
    database: Database, assets: Collection[str], *, since: datetime, workspace_id: UUID | None = None, most: int = MOST
) -> list[UUID]:
    """Uploads since then that have everything the assets are made from, and that nobody works on; the newest first."""
    needed = {step for name in assets for step in STEPS[name].after} - set(assets) or {"source_video"}
    ready: list[UUID] | None = None
    for step in sorted(needed):
        found = uploads_to_backfill(database, since=since, workspace_id=workspace_id, after_step=step, most=most)
        ids = [upload for _, upload in found]
        ready = ids if ready is None else [upload for upload in ready if upload in set(ids)]
    return ready or []


def start_backfill(
    instance: dg.DagsterInstance, graph: object, assets: Sequence[str], keys: Iterable[str], *, title: str
) -> str:
    """Asks for it; the Dagster daemon carries it out. Returns its id."""
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

    assert isinstance(graph, BaseAssetGraph)
    names = list(keys)
    instance.add_dynamic_partitions(str(uploads.name), names)
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=make_new_backfill_id(),
        asset_graph=graph,
        partition_names=names,
        asset_selection=[dg.AssetKey(name) for name in assets],
        backfill_timestamp=get_current_timestamp(),
        tags={"dagster/priority": str(BACKFILL_PRIORITY)},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=title,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id


def list_backfills(instance: dg.DagsterInstance, graph: object, *, limit: int = 20) -> list[BackfillView]:
    """The newest ones, whoever asked for them."""
    return [_view(instance, graph, backfill) for backfill in instance.get_backfills(limit=limit)]


def view_backfill(instance: dg.DagsterInstance, graph: object, backfill_id: str) -> BackfillView:
    """How far it is.

    Raises:
        NotFound: there is none of that id.
    """
    return _view(instance, graph, _one(instance, backfill_id))


def cancel_backfill(instance: dg.DagsterInstance, backfill_id: str) -> None:
    """Nothing more of it is started, and what runs is stopped; the daemon does it. What is finished stays.

    Raises:
        NotFound: there is none of that id.
        Conflict: it has ended.
    """
    backfill = _one(instance, backfill_id)
    if backfill.status not in GOING_ON:
        raise Conflict(f"The backfill {backfill_id} has ended ({backfill.status.value.lower()}).")
    # Dagster has not annotated it.
    instance.update_backfill(backfill.with_status(BulkActionStatus.CANCELING))  # type: ignore[no-untyped-call]


def resume_backfill(instance: dg.DagsterInstance, graph: object, backfill_id: str) -> str:
    """Asks for what a cancelled or failed one has not done, as a new one; returns its id.

    Raises:
        NotFound: there is none of that id.
        Conflict: it still goes on, or everything was done.
    """
    backfill = _one(instance, backfill_id)
    if backfill.status in GOING_ON:
        raise Conflict(f"The backfill {backfill_id} still goes on; cancel it first.")
    succeeded = {key for key, status in _runs(instance, backfill_id).items() if status == dg.DagsterRunStatus.SUCCESS}
    left = [key for key in _partitions(graph, backfill) if key not in succeeded]
    if not left:
        raise Conflict(f"Everything of the backfill {backfill_id} is done.")
    assets = [key.to_user_string() for key in backfill.asset_selection or ()]
    return start_backfill(instance, graph, assets, left, title=f"continues {backfill_id}")


def _one(instance: dg.DagsterInstance, backfill_id: str) -> PartitionBackfill:
    found = instance.get_backfill(backfill_id)
    if found is None:
        raise NotFound(f"There is no backfill {backfill_id}; `cliply backfill status` lists them.")
    return found


def _runs(instance: dg.DagsterInstance, backfill_id: str) -> Mapping[str, dg.DagsterRunStatus]:
    """The newest run of each upload."""
    runs = instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill_id}))
    return {run.tags.get("dagster/partition", ""): run.status for run in reversed(list(runs))}


def _partitions(graph: object, backfill: PartitionBackfill) -> list[str]:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

    assert isinstance(graph, BaseAssetGraph)
    if not backfill.is_asset_backfill:
        return list(backfill.partition_names or ())
    target = backfill.get_asset_backfill_data(graph).target_subset
    return sorted({part.partition_key for part in target.iterate_asset_partitions() if part.partition_key})


def _view(instance: dg.DagsterInstance, graph: object, backfill: PartitionBackfill) -> BackfillView:
    runs = list(_runs(instance, backfill.backfill_id).values())
    done, failed = runs.count(dg.DagsterRunStatus.SUCCESS), runs.count(dg.DagsterRunStatus.FAILURE)
    canceled = runs.count(dg.DagsterRunStatus.CANCELED)
    return BackfillView(
        id=backfill.backfill_id,
        state=backfill.status.value.lower(),
        title=backfill.title or "",
        assets=tuple(key.to_user_string() for key in backfill.asset_selection or ()),
        uploads=len(_partitions(graph, backfill)),
        done=done,
        failed=failed,
        working=len(runs) - done - failed - canceled,
        started_at=datetime.fromtimestamp(backfill.backfill_timestamp, UTC),
    )
