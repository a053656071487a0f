"""What starts by itself: new uploads, and the purge of old runs."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import dagster as dg

from cliply_assets.steps.rules import STEPS
from cliply_resources.database import Database
from cliply_resources.documents import UploadSettings
from cliply_resources.steps import LABELS
from cliply_resources.uploads import (
    claim_upload,
    find_or_create_file_upload,
    reset_unfinished_steps,
    uploads_to_start,
)
from schedules.purge_runs import purge_runs, runs_to_purge
from sensors.new_uploads import ReadyUpload, start_requests

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_a_new_upload_is_started_once_and_in_its_own_partition() -> None:
    workspace, upload = uuid4(), uuid4()
    (request,) = start_requests([ReadyUpload(workspace, upload)])
    assert request.partition_key == str(upload)
    assert request.tags["cliply/workspace"] == str(workspace)
    assert request.run_key == f"start:{upload}"


def test_a_claimed_upload_is_not_offered_to_the_sensor(database: Database) -> None:
    workspace = database.local_workspace()
    with database.pipeline(workspace) as session:
        upload, _ = find_or_create_file_upload(
            session, workspace, path="/f.mp4", title="f", sha256="a" * 64, size=1, settings=UploadSettings()
        )
    assert uploads_to_start(database, 10) == [(workspace, upload)]
    with database.pipeline(workspace) as session:
        reset_unfinished_steps(session, workspace, upload)
        claim_upload(session, workspace, upload)
    assert uploads_to_start(database, 10) == []


def test_only_old_runs_that_ended_are_purged_and_the_oldest_first() -> None:
    ended, alive = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.STARTED
    runs = [
        ("young", NOW - timedelta(days=29), ended),
        ("old", NOW - timedelta(days=31), ended),
        ("alive", NOW - timedelta(days=90), alive),
        ("oldest", NOW - timedelta(days=60), ended),
    ]
    assert runs_to_purge(runs, now=NOW, keep=timedelta(days=30)) == ["oldest", "old"]


def test_the_purge_job_leaves_young_runs_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = purge_runs.execute_in_process(instance=instance)
        second = purge_runs.execute_in_process(instance=instance)
        assert second.output_for_node("delete_old_runs") == 0
        assert instance.get_run_by_id(first.run_id) is not None


def test_a_retried_upload_gets_a_run_key_of_its_own() -> None:
    workspace, upload = uuid4(), uuid4()
    first, second = start_requests([ReadyUpload(workspace, upload), ReadyUpload(workspace, upload, 2)])
    assert first.run_key != second.run_key


def test_people_and_the_pipeline_call_the_steps_the_same() -> None:
    assert {name: rules.label for name, rules in STEPS.items()} == dict(LABELS)
    assert list(LABELS) == list(STEPS)
