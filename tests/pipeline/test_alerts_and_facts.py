"""What the alerts are judged by, found out from a real database, storage and Dagster instance."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._daemon.types import DaemonHeartbeat
from pydantic import SecretStr

from cliply_assets.cli.alerts import print_alerts, send_test
from cliply_assets.housekeeping.alerts import alerts_for
from cliply_assets.housekeeping.facts import UNHEALTHY, find_facts
from cliply_resources.database import Database, Upload, UploadStep, connect
from cliply_resources.settings import Settings

NOW = datetime.now(UTC)


def found(settings: Settings, database: Database, instance: dg.DagsterInstance) -> set[str]:
    return {alert.name for alert in alerts_for(find_facts(settings, database, instance))}


def test_a_new_installation_has_nothing_to_tell(settings: Settings, database: Database, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert found(settings, database, instance) == set()


def test_rows_and_records_become_alerts(settings: Settings, database: Database, tmp_path: Path) -> None:
    workspace = database.local_workspace()
    with database.pipeline(workspace) as session:
        waiting = Upload(source_kind="file", source_uri="/a", settings_digest="d")
        failed = Upload(source_kind="file", source_uri="/b", settings_digest="d")
        session.add_all([waiting, failed])
        session.flush()
        session.execute(
            sa.update(Upload).values(created_at=NOW - timedelta(hours=2), confirmed_at=NOW - timedelta(hours=2))
        )
        of_failed = {"upload_id": failed.id, "started_at": NOW}
        session.add(UploadStep(step="scenes", state="failed", ended_at=NOW, **of_failed))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for kind, age in (("SENSOR", 1000), ("SCHEDULER", 1)):
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - age, kind, "id", []))
        for _ in range(4):
            instance.add_run(dg.DagsterRun("make_clips", status=dg.DagsterRunStatus.FAILURE))
        metadata = {UNHEALTHY: "yt-dlp: it is old\nfaces: no weights"}
        instance.report_runless_asset_event(dg.AssetMaterialization("tool_health", metadata=metadata))
        with database.pipeline(workspace) as session:
            account = "INSERT INTO accounts (platform, remote_id, name, state, reason) VALUES ('x', '1', 'n', 'reconnect', 'r')"
            session.execute(sa.text(account))
        low = settings.model_copy(update={"min_free_bytes": 10**18})
        assert found(low, database, instance) == {
            "CliplyUploadsWait",
            "CliplyDeadLettersGrow",
            "CliplyDaemonSilent",
            "CliplyRunsFail",
            "CliplyToolUnhealthy",
            "CliplyDiskLow",
            "CliplyAccountsToReconnect",
        }
        with database.pipeline(workspace) as session:
            late = {"state": "running", "deadline_at": NOW - timedelta(hours=1)}
            session.execute(sa.update(UploadStep).values(**late))
        assert {"CliplyStuckSteps"} <= found(settings, database, instance)
        assert "CliplyDeadLettersGrow" not in found(settings, database, instance)


def test_a_storage_out_of_reach_is_an_alert(settings: Settings, database: Database, tmp_path: Path) -> None:
    away = settings.model_copy(update={"storage_url": "s3://bucket", "s3_endpoint": "http://127.0.0.1:1"})
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        patch.setenv("AWS_ACCESS_KEY_ID", "a")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        assert found(away, database, instance) == {"CliplyStorageUnreachable"}


def test_the_command_tells_of_a_database_that_is_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "CONNECT_SECONDS", 0.2)
    away = Settings(home=tmp_path, database_url=SecretStr("postgresql://nobody:pw@127.0.0.1:1/none?connect_timeout=1"))
    assert print_alerts(away, send=True, as_json=True) == 5
    (alert,) = json.loads(capsys.readouterr().out)["alerts"]
    assert alert["name"] == "CliplyDatabaseUnreachable"
    (line,) = (tmp_path / "alerts" / "alerts.jsonl").read_text().splitlines()
    assert "pw@" not in line


def test_a_test_alert_can_be_sent_over_and_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert send_test(Settings(home=tmp_path)) == 0
        assert "local  sent" in capsys.readouterr().out


def test_the_schedules_ask_for_a_run_only_where_there_is_something_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cliply_assets import pipeline
    from cliply_resources.settings import get_settings
    from schedules.alerts import alerts_every_minute, tell_alerts
    from schedules.stuck_steps import stuck_steps_often

    assert settings.database_url is not None
    monkeypatch.setenv("CLIPLY_HOME", str(settings.home))
    monkeypatch.setenv("CLIPLY_DATABASE_URL", settings.database_url.get_secret_value())
    get_settings.cache_clear()
    pipeline._open.cache_clear()
    try:
        with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
            resources = {"pipeline": pipeline.Pipeline()}

            def tick(schedule: dg.ScheduleDefinition) -> bool:
                context = dg.build_schedule_context(instance=instance, resources=resources)
                return bool(schedule.evaluate_tick(context).run_requests)

            assert (tick(alerts_every_minute), tick(stuck_steps_often)) == (False, False)
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 1000, "SENSOR", "id", []))
            assert tick(alerts_every_minute)
            assert tell_alerts.execute_in_process(instance=instance, resources=resources).success
            assert not tick(alerts_every_minute), "it was told"
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", "id", []))
            assert tick(alerts_every_minute), "that it is over is news, too"
    finally:
        get_settings.cache_clear()
        pipeline._open.cache_clear()
