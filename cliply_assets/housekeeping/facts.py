"""Finds out what the alerts are judged by: one look at rows, Dagster's records, the storage and the disk."""

import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_assets.housekeeping.alerts import Facts
from cliply_resources.database import Database
from cliply_resources.errors import CliplyError
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

__all__ = ["UNHEALTHY", "find_facts"]

UNHEALTHY = "unhealthy"
"""Metadata of the asset `tool_health`: what is wrong with each tool, a line each."""
PROBE_KEY = "00000000-0000-7000-8000-000000000001/uploads/00000000-0000-7000-8000-000000000000/probe"


def find_facts(settings: Settings, database: Database, instance: dg.DagsterInstance) -> Facts:
    """Everything that can be found out; what cannot be asked is said where it counts, and left out elsewhere."""
    found: dict[str, Any] = {
        "storage": _storage(settings),
        "disk_free": _disk_free(settings.home),
        "disk_wanted": settings.min_free_bytes,
    }
    try:
        with database.across() as session:
            found |= _rows(session)
    except CliplyError as failure:
        return Facts(database=str(failure), **found)
    return Facts(**found, **_dagster(instance))


def _storage(settings: Settings) -> str:
    try:
        open_storage(settings).exists(PROBE_KEY)
    except (CliplyError, OSError) as failure:
        return str(failure)
    return ""


def _disk_free(folder: Path) -> int:
    while not folder.exists() and folder != Path(folder.anchor):
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _rows(session: Session) -> Mapping[str, Any]:
    gauges = {row.name: row.value for row in session.execute(sa.text("SELECT * FROM app.pipeline_gauges()"))}
    failed = session.execute(sa.text("SELECT number, lately FROM app.failed_uploads()")).one()
    return {
        "upload_wait": float(gauges["upload_wait_seconds"]),
        "stuck_steps": int(gauges["steps_overdue"]),
        "dead_letters": failed.number,
        "dead_letters_lately": failed.lately,
        "accounts_to_reconnect": session.scalar(sa.text("SELECT app.accounts_to_reconnect()")),
    }


def _dagster(instance: dg.DagsterInstance) -> Mapping[str, Any]:
    now = time.time()
    hour = datetime.now(UTC) - timedelta(hours=1)

    def ended(*statuses: dg.DagsterRunStatus) -> int:
        return instance.get_runs_count(dg.RunsFilter(statuses=list(statuses), updated_after=hour))

    failed = ended(dg.DagsterRunStatus.FAILURE)
    return {
        "heartbeats": {kind: now - beat.timestamp for kind, beat in instance.get_daemon_heartbeats().items()},
        "ticks": _ticks(instance, now),
        "runs_failed": failed,
        "runs_ended": failed + ended(dg.DagsterRunStatus.SUCCESS),
        "unhealthy_tools": _unhealthy_tools(instance),
    }


def _ticks(instance: dg.DagsterInstance, now: float) -> Mapping[str, float]:
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import InstigatorStatus

    ages: dict[str, float] = {}
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.status not in {InstigatorStatus.RUNNING, InstigatorStatus.DECLARED_IN_CODE}:
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks:
            ages[state.instigator_name] = now - max(ticks[0].timestamp, ticks[0].end_timestamp or 0.0)
    return ages


def _unhealthy_tools(instance: dg.DagsterInstance) -> tuple[str, ...]:
    event = instance.get_latest_materialization_event(dg.AssetKey("tool_health"))
    if event is None or event.asset_materialization is None:
        return ()
    said = event.asset_materialization.metadata.get(UNHEALTHY)
    return tuple(str(said.value).splitlines()) if said is not None else ()
