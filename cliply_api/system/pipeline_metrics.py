"""How the pipeline is doing, for Prometheus: sums over all workspaces, asked of the database at most every ten seconds.

Nothing is counted up in a process, since none of them lives as long as the numbers must: rows are the truth, and what is counted over a
time is counted over the last hour, so that these are gauges.
"""

import json
import math
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cliply_resources.database import Database
from cliply_resources.database.migrate import libpq_url
from cliply_resources.errors import CliplyError
from cliply_resources.settings import Settings

__all__ = ["HELP", "PipelineMetrics", "Sample", "written"]

KEEP_SECONDS = 10.0
"""Two scrapers, or a nervous one, do not make the database work twice."""

HELP: Mapping[str, str] = {
    "cliply_database_up": "1 while Cliply's database answers.",
    "cliply_dagster_up": "1 while Dagster's records can be read.",
    "cliply_uploads_waiting": "Uploads that wait for a run; counted up to 1000.",
    "cliply_upload_wait_seconds": "How long the first of them has been waiting.",
    "cliply_steps_running": "Steps at work.",
    "cliply_steps_overdue": "Steps that look running past their deadline.",
    "cliply_step_seconds_bucket": "Steps that ended within the last hour, by how long they took at most.",
    "cliply_step_seconds_sum": "Seconds that they took together.",
    "cliply_step_seconds_count": "How many they were.",
    "cliply_dead_letters": "Uploads that failed and that nobody has retried or given up.",
    "cliply_dead_letters_recent": "Of them, those of the last hour.",
    "cliply_accounts_to_reconnect": "Connected accounts that do not let Cliply publish any more.",
    "cliply_storage_bytes": "What all workspaces store, as of the last daily count.",
    "cliply_storage_objects": "In how many objects.",
    "cliply_disk_free_bytes": "Free where CLIPLY_HOME lies, on the machine that answers.",
    "cliply_runs_recent": "Runs that ended within the last hour.",
    "cliply_runs_queued": "Runs that wait in Dagster's queue.",
    "cliply_runs_running": "Runs at work.",
    "cliply_run_queue_wait_seconds": "How long the first of the queued runs has been waiting.",
    "cliply_sensor_tick_age_seconds": "Since the last tick of each sensor that is switched on.",
    "cliply_daemon_heartbeat_age_seconds": "Since the last heartbeat of each part of the Dagster daemon.",
}
"""All of them are gauges."""

NAMES = {
    "uploads_waiting": "cliply_uploads_waiting",
    "upload_wait_seconds": "cliply_upload_wait_seconds",
    "steps_running": "cliply_steps_running",
    "steps_overdue": "cliply_steps_overdue",
    "storage_bytes": "cliply_storage_bytes",
    "storage_objects": "cliply_storage_objects",
}
OUTCOMES = {"SUCCESS": "succeeded", "FAILURE": "failed", "CANCELED": "canceled"}

# The columns have been the same since Dagster 1.0; all are indexed.
RUNS = """
    SELECT pipeline_name, status, count(*) FROM runs
    WHERE status IN ('SUCCESS', 'FAILURE', 'CANCELED') AND update_timestamp > now() AT TIME ZONE 'utc' - interval '1 hour'
    GROUP BY pipeline_name, status
"""
QUEUE = """
    SELECT count(*) FILTER (WHERE status = 'QUEUED'), count(*) FILTER (WHERE status <> 'QUEUED'),
           coalesce(extract(epoch FROM now() AT TIME ZONE 'utc' - min(create_timestamp) FILTER (WHERE status = 'QUEUED')), 0)
    FROM runs WHERE status IN ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING')
"""
HEARTBEATS = "SELECT daemon_type, extract(epoch FROM now() AT TIME ZONE 'utc' - timestamp) FROM daemon_heartbeats"
TICKS = """
    SELECT i.instigator_body, extract(epoch FROM now() AT TIME ZONE 'utc' - t.timestamp)
    FROM instigators i
    CROSS JOIN LATERAL (SELECT max(timestamp) AS timestamp FROM job_ticks j WHERE j.selector_id = i.selector_id) t
    WHERE i.instigator_type = 'SENSOR' AND i.status <> 'STOPPED' AND t.timestamp IS NOT NULL
"""

log = structlog.get_logger("cliply_api.metrics")


class Sample(NamedTuple):
    """One value of a metric."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


class PipelineMetrics:
    """Asks, and remembers the answer for a moment. Safe to share between threads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._guard = threading.Lock()
        self._asked = -math.inf
        self._text = ""

    def text(self) -> str:
        """The lines that Prometheus reads. Never raises: a database that is away is a metric, too."""
        with self._guard:
            if time.monotonic() - self._asked > KEEP_SECONDS:
                self._text = written(self._samples())
                self._asked = time.monotonic()
            return self._text

    def _samples(self) -> Iterator[Sample]:
        yield Sample("cliply_disk_free_bytes", float(_disk_free(self._settings.home)))
        try:
            found = list(self._rows())
        except (CliplyError, SQLAlchemyError, OSError) as failure:
            log.warning("the database cannot be asked for metrics", reason=str(failure))
            yield Sample("cliply_database_up", 0.0)
            return
        yield Sample("cliply_database_up", 1.0)
        yield from found
        try:
            yield from [*self._dagster(), Sample("cliply_dagster_up", 1.0)]
        except (CliplyError, psycopg.Error, OSError) as failure:
            log.warning("Dagster's records cannot be read for metrics", reason=str(failure))
            yield Sample("cliply_dagster_up", 0.0)

    def _rows(self) -> Iterator[Sample]:
        with self._database.across() as session:
            gauges = session.execute(text("SELECT name, label, value FROM app.pipeline_gauges()")).all()
            durations = session.execute(
                text("SELECT step, state, up_to, number, seconds FROM app.step_durations(now() - interval '1 hour')")
            ).all()
            failed = session.execute(text("SELECT number, lately FROM app.failed_uploads()")).one()
            accounts = session.scalar(text("SELECT app.accounts_to_reconnect()"))
        for name, label, value in gauges:
            if name in NAMES:
                yield Sample(NAMES[name], float(value), (("step", label),) if label else ())
        for step, state, up_to, number, seconds in durations:
            labels = (("step", step), ("state", state))
            bound = "+Inf" if math.isinf(up_to) else f"{up_to:g}"
            yield Sample("cliply_step_seconds_bucket", number, (*labels, ("le", bound)))
            if math.isinf(up_to):
                yield Sample("cliply_step_seconds_count", number, labels)
                yield Sample("cliply_step_seconds_sum", float(seconds), labels)
        yield Sample("cliply_dead_letters", failed.number)
        yield Sample("cliply_dead_letters_recent", failed.lately)
        yield Sample("cliply_accounts_to_reconnect", accounts or 0)

    def _dagster(self) -> list[Sample]:
        url = libpq_url(self._database.dagster_url)
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            connection.execute("SET statement_timeout = '5s'")
            runs = connection.execute(RUNS).fetchall()
            queue = connection.execute(QUEUE).fetchall()
            beats = connection.execute(HEARTBEATS).fetchall()
            ticks = connection.execute(TICKS).fetchall()
        found = [
            Sample("cliply_runs_recent", number, (("job", _job(job)), ("outcome", OUTCOMES[status])))
            for job, status, number in runs
        ]
        for queued, running, wait in queue:
            found += [
                Sample("cliply_runs_queued", queued),
                Sample("cliply_runs_running", running),
                Sample("cliply_run_queue_wait_seconds", float(wait)),
            ]
        found += [
            Sample("cliply_daemon_heartbeat_age_seconds", float(age), (("daemon", daemon),)) for daemon, age in beats
        ]
        named = [(_instigator_name(body), age) for body, age in ticks]
        return found + [
            Sample("cliply_sensor_tick_age_seconds", float(age), (("sensor", name),)) for name, age in named if name
        ]


def written(samples: Iterable[Sample]) -> str:
    """The text format of Prometheus, version 0.0.4. Every metric is named, also those without a value now."""
    by_name: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_name[sample.name].append(sample)
    lines: list[str] = []
    for name, meaning in HELP.items():
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
        for sample in by_name[name]:
            labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in sample.labels)
            lines.append(f"{name}{{{labels}}} {sample.value:.10g}" if labels else f"{name} {sample.value:.10g}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _job(name: str) -> str:
    """Backfills run in jobs of Dagster's own, with a number in the name."""
    return "backfill" if name.startswith("__ASSET_JOB") else name


def _instigator_name(body: str) -> str:
    """The sensor's name in what Dagster wrote down of it."""
    try:
        origin = json.loads(body)["origin"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(origin.get("instigator_name") or origin.get("job_name") or "")


def _disk_free(folder: Path) -> int:
    while not folder.exists() and folder != Path(folder.anchor):
        folder = folder.parent
    return shutil.disk_usage(folder).free
