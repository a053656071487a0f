"""What `/metrics` says of the pipeline, out of real rows and Dagster's own tables; and that board and alert rules name nothing else."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._daemon.types import DaemonHeartbeat

from cliply_api.system.pipeline_metrics import HELP, PipelineMetrics, Sample, written
from cliply_api.web.metrics import HELP as OF_THE_PROCESS
from cliply_assets.housekeeping.alerts import ALERTS
from cliply_assets.runs import open_instance
from cliply_resources.database import Database, StorageTally, Upload, UploadStep, connect
from cliply_resources.database.migrate import libpq_url
from cliply_resources.settings import Settings, get_settings

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's records in the test's own server, as they are in an installation."""
    assert settings.database_url is not None
    monkeypatch.setenv("CLIPLY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPLY_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("DAGSTER_HOME", "")
    get_settings.cache_clear()
    with open_instance(settings) as opened:
        yield opened
    get_settings.cache_clear()


def values(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}


def test_rows_and_dagsters_records_become_metrics(
    settings: Settings, database: Database, instance: dg.DagsterInstance
) -> None:
    with database.pipeline(database.local_workspace()) as session:
        waiting, failed = (Upload(source_kind="file", source_uri="/a", settings_digest="d") for _ in range(2))
        session.add_all([waiting, failed])
        session.flush()
        for step, state, seconds in (
            ("scenes", "completed", 4),
            ("transcript", "failed", 90),
            ("renders", "running", 0),
        ):
            times = {"started_at": NOW - timedelta(seconds=seconds), "ended_at": NOW if state != "running" else None}
            session.add(UploadStep(upload_id=failed.id, step=step, state=state, **times))
        sums = {"source_bytes": 1, "analysis_bytes": 1, "clip_bytes": 1}
        for day, size in ((NOW - timedelta(days=1), 50), (NOW, 70)):
            session.add(StorageTally(day=day.date(), objects=3, bytes=size, **sums))
    for status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.STARTED):
        run = instance.add_run(dg.DagsterRun("make_clips", status=status))
    with psycopg.connect(libpq_url(database.dagster_url), autocommit=True) as records:
        # A run that is launched from a code location would be put so; this one has none.
        records.execute("UPDATE runs SET status = 'QUEUED' WHERE run_id = %s", [run.run_id])
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 40, "SENSOR", "id", []))
    found = values(PipelineMetrics(settings, database).text())
    assert found["cliply_database_up"] == found["cliply_dagster_up"] == found["cliply_uploads_waiting"] == 1
    assert found['cliply_steps_running{step="renders"}'] == 1
    buckets = {float(name.split('le="')[1][:-2]): n for name, n in found.items() if 'bucket{step="scenes"' in name}
    assert (buckets[2.5], buckets[5], buckets[float("inf")]) == (0, 1, 1)
    assert found['cliply_step_seconds_sum{step="transcript",state="failed"}'] == pytest.approx(90)
    assert found["cliply_storage_bytes"] == 70
    assert found['cliply_runs_recent{job="make_clips",outcome="failed"}'] == 1
    assert (found["cliply_runs_queued"], found["cliply_runs_running"]) == (1, 0)
    assert found['cliply_daemon_heartbeat_age_seconds{daemon="SENSOR"}'] == pytest.approx(40, abs=30)


def test_a_sensors_last_tick_is_known_by_its_name(
    settings: Settings, database: Database, instance: dg.DagsterInstance
) -> None:
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
    from dagster._core.scheduler.instigation import (
        InstigatorState,
        InstigatorStatus,
        SensorInstigatorData,
        TickData,
        TickStatus,
    )

    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("cliply"), "r"), "new_uploads")
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, SensorInstigatorData())
    instance.add_instigator_state(state)
    instance.create_tick(
        TickData(
            state.instigator_origin_id,
            "new_uploads",
            InstigatorType.SENSOR,
            TickStatus.SKIPPED,
            time.time() - 30,
            selector_id=state.selector_id,
        )
    )
    found = values(PipelineMetrics(settings, database).text())
    assert found['cliply_sensor_tick_age_seconds{sensor="new_uploads"}'] == pytest.approx(30, abs=30)


def test_a_database_that_is_away_is_a_metric_too(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "CONNECT_SECONDS", 0.2)
    with Database(connect._Outside("postgresql://nobody@127.0.0.1:1/none")) as away:
        assert values(PipelineMetrics(settings, away).text())["cliply_database_up"] == 0


def test_a_label_can_hold_anything() -> None:
    assert 'step="a\\"b\\\\c\\nd"} 1' in written([Sample("cliply_steps_running", 1, (("step", 'a"b\\c\nd'),))])


def test_what_was_asked_a_moment_ago_is_not_asked_again(settings: Settings, database: Database) -> None:
    metrics = PipelineMetrics(settings, database)
    first = metrics.text()
    with database.pipeline(database.local_workspace()) as session:
        session.add(Upload(source_kind="file", source_uri="/a", settings_digest="d"))
    assert metrics.text() is first


def named_in(expression: str) -> set[str]:
    return set(re.findall(r"\bcliply_\w+", expression))


KNOWN = {*HELP, *OF_THE_PROCESS} | {
    f"{name}{end}" for name, (kind, _) in OF_THE_PROCESS.items() if kind == "histogram" for end in ("_bucket", "_count")
}


def test_the_board_and_the_rules_name_only_metrics_that_there_are() -> None:
    board = json.loads((ROOT / "deploy/grafana/cliply.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for rule in rules()]
    assert len(asked) > 20
    for expression in asked:
        assert named_in(expression) or expression.startswith("up{"), expression
        assert named_in(expression) <= KNOWN, expression
    shown = set().union(*map(named_in, asked))
    assert set(HELP) - shown <= {"cliply_step_seconds_sum", "cliply_step_seconds_count", "cliply_storage_objects"}


def rules() -> list[dict]:
    document = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_every_panel_has_its_place_and_no_two_lie_over_each_other() -> None:
    board = json.loads((ROOT / "deploy/grafana/cliply.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_alert_has_a_section_in_the_runbook() -> None:
    headings = set(re.findall(r"^#+ (\w+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"page", "warn"}
    assert {*ALERTS, *(rule["alert"] for rule in rules())} <= headings
