"""The checks behind readiness: each looks at one thing, within a few seconds, and says what is wrong in a sentence."""

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cliply_api.system.schemas import Check, Readiness
from cliply_resources.database import Database
from cliply_resources.database.migrate import libpq_url
from cliply_resources.errors import CliplyError
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage

__all__ = ["readiness"]

HEARTBEAT_SECONDS = 60.0
"""The daemon notes a heartbeat every 30 s."""
TICK_SECONDS = 120.0
"""Sensors tick every second or so; a long tick may take a while."""
PROBE_KEY = "00000000-0000-7000-8000-000000000001/uploads/00000000-0000-7000-8000-000000000000/readiness"

log = structlog.get_logger("cliply_api.system")


def readiness(settings: Settings, database: Database, storage: Callable[[], Storage]) -> Readiness:
    """All checks; ready when every one is fine. Never raises."""
    checks = [
        _checked("database", lambda: _database(database)),
        _checked("storage", lambda: _storage(storage())),
        _checked("disk", lambda: _disk(settings)),
    ]
    if checks[0].ok:
        checks += [
            _checked("daemon", lambda: _daemon(database)),
            _checked("sensors", lambda: _sensors(database)),
        ]
    return Readiness(ready=all(check.ok for check in checks), checks=checks)


class _Wrong(Exception):
    """What a check found."""


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, detail=look())
    except (_Wrong, CliplyError) as wrong:
        return Check(name=name, ok=False, detail=str(wrong))
    except (OSError, SQLAlchemyError, psycopg.Error) as failure:
        log.warning("a readiness check failed", check=name, exc_info=failure)
        return Check(name=name, ok=False, detail=f"It could not be asked ({type(failure).__name__}); see the log.")


def _database(database: Database) -> str:
    begun = time.perf_counter()
    with database.identity() as session:
        session.execute(text("SELECT 1"))
    return f"answers in {(time.perf_counter() - begun) * 1000:.0f} ms"


def _storage(storage: Storage) -> str:
    begun = time.perf_counter()
    storage.exists(PROBE_KEY)
    return f"answers in {(time.perf_counter() - begun) * 1000:.0f} ms"


def _disk(settings: Settings) -> str:
    folder = settings.home
    while not folder.exists() and folder != Path(folder.anchor):
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < settings.min_free_bytes:
        raise _Wrong(
            f"Only {free / 1e9:.1f} GB are free where {settings.home} lies; make room for at least "
            f"{settings.min_free_bytes / 1e9:.1f} GB."
        )
    return f"{free / 1e9:.0f} GB free"


NOT_RUNNING = "Nothing works on uploads. Start it with: cliply up"


def _daemon(database: Database) -> str:
    rows = _ask_dagster(database, "SELECT daemon_type, timestamp, body FROM daemon_heartbeats")
    ages = {str(kind): _age(moment) for kind, moment, _ in rows}
    if not ages:
        raise _Wrong(f"The Dagster daemon has never run. {NOT_RUNNING}")
    newest = min(ages.values())
    if newest > HEARTBEAT_SECONDS:
        raise _Wrong(f"The Dagster daemon's last heartbeat is {newest:.0f} s old. {NOT_RUNNING}")
    stuck = sorted(
        kind for kind, age in ages.items() if kind in {"SENSOR", "QUEUED_RUN_COORDINATOR"} and age > HEARTBEAT_SECONDS
    )
    if stuck:
        raise _Wrong(f"Parts of the Dagster daemon have stopped: {', '.join(stuck)}. Restart it.")
    broken = sorted(
        str(kind) for kind, _, body in rows if kind in {"SENSOR", "QUEUED_RUN_COORDINATOR"} and _errors_of(body)
    )
    if broken:
        raise _Wrong(f"Parts of the Dagster daemon report errors: {', '.join(broken)}. See its log.")
    return f"last heartbeat {newest:.0f} s ago"


def _sensors(database: Database) -> str:
    rows = _ask_dagster(
        database, "SELECT status, timestamp FROM job_ticks WHERE type = 'SENSOR' ORDER BY timestamp DESC LIMIT 20"
    )
    if not rows:
        raise _Wrong(f"No sensor has ever ticked. {NOT_RUNNING}")
    newest = min(_age(moment) for _, moment in rows)
    if newest > TICK_SECONDS:
        raise _Wrong(f"The last sensor tick was {newest:.0f} s ago. {NOT_RUNNING}")
    if all(status == "FAILURE" for status, _ in rows):
        raise _Wrong("The sensors' last ticks all failed; see the Dagster daemon's log.")
    return f"last tick {newest:.0f} s ago"


def _ask_dagster(database: Database, query: str) -> list[tuple[object, ...]]:
    """Dagster keeps its records in a database of its own; these tables have been the same since its version 1.0."""
    with psycopg.connect(libpq_url(database.dagster_url), connect_timeout=5, autocommit=True) as connection:
        try:
            return connection.execute(query.encode()).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def _age(moment: object) -> float:
    assert isinstance(moment, datetime)
    return (datetime.now(UTC) - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))).total_seconds()


def _errors_of(body: object) -> bool:
    try:
        return bool(json.loads(str(body)).get("errors"))
    except (ValueError, AttributeError):
        return False
