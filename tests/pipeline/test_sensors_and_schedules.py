"""What starts by itself: new uploads, and the purge of old runs."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import dagster as dg
import pytest
import sqlalchemy as sa

from cliply_assets.steps.rules import STEPS
from cliply_resources.database import Database
from cliply_resources.database.models import Upload
from cliply_resources.documents import UploadSettings
from cliply_resources.settings import Settings
from cliply_resources.steps import LABELS
from cliply_resources.storage import open_storage
from cliply_resources.storage.keys import incoming_key, source_key
from cliply_resources.uploads import (
    claim_upload,
    find_or_create_file_upload,
    reset_unfinished_steps,
    uploads_to_start,
    uploads_to_tidy,
)
from schedules.purge_runs import purge_runs, runs_to_purge
from schedules.tidy_uploads import Leftover, Tidying, tidy_upload, what_to_delete

NOW = datetime(2026, 11, 20, tzinfo=UTC)


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


def test_people_and_the_pipeline_call_the_steps_the_same() -> None:
    assert {name: rules.label for name, rules in STEPS.items()}.items() <= LABELS.items()
    assert [name for name in LABELS if name in STEPS] == list(STEPS)


DAY = timedelta(hours=24)
OLD = NOW - timedelta(hours=25)


def leftover(**facts: object) -> Leftover:
    known = {"suffix": ".mp4", "confirmed": True, "deleted": False, "incoming_until": OLD}
    return Leftover(workspace_id=uuid4(), upload_id=uuid4(), **(known | facts))


@pytest.mark.parametrize("confirmed", [True, False])
def test_nothing_goes_before_a_day_after_the_links_end(confirmed: bool) -> None:
    young = leftover(confirmed=confirmed, incoming_until=NOW - timedelta(hours=23))
    assert what_to_delete(young, now=NOW, keep=DAY) is None


def test_an_upload_that_was_never_confirmed_goes_whole() -> None:
    upload = leftover(confirmed=False)
    home = f"{upload.workspace_id}/uploads/{upload.upload_id}"
    assert what_to_delete(upload, now=NOW, keep=DAY) == Tidying(prefixes=(home,), row=True)


def test_a_deleted_upload_keeps_its_row_and_loses_its_bytes() -> None:
    upload = leftover(deleted=True, suffix="")
    due = what_to_delete(upload, now=NOW, keep=DAY)
    assert due is not None
    assert not due.row
    assert [prefix.split("/")[1] for prefix in due.prefixes] == ["uploads", "analysis"]


def test_of_a_confirmed_upload_only_what_was_put_afterwards_goes() -> None:
    upload = leftover()
    key = incoming_key(upload.workspace_id, upload.upload_id, ".mp4")
    assert what_to_delete(upload, now=NOW, keep=DAY) == Tidying(keys=(key,))
    assert what_to_delete(leftover(suffix=""), now=NOW, keep=DAY) == Tidying()


@pytest.mark.parametrize("confirmed", [True, False])
def test_tidying_up_is_done_once_and_spares_what_was_taken(
    database: Database, settings: Settings, confirmed: bool
) -> None:
    workspace, storage = database.local_workspace(), open_storage(settings)
    with database.pipeline(workspace) as session:
        row = Upload(source_kind="stored", source_uri="", settings_digest="d", incoming_until=OLD)
        session.add(row)
        session.flush()
        row.source_uri = source_key(workspace, row.id, ".mp4")
        upload = row.id
    if not confirmed:
        with database.pipeline(workspace) as session:
            session.execute(sa.update(Upload).values(confirmed_at=None))
    kept, lost = source_key(workspace, upload, ".mp4"), incoming_key(workspace, upload, ".mp4")
    for key in (kept, lost):
        storage.put_bytes(key, b"film")
    (due,) = uploads_to_tidy(database, links_ended_before=NOW - DAY, most=10)
    assert due == (workspace, upload)
    assert tidy_upload(database, storage, *due, now=NOW, keep=DAY)
    assert not tidy_upload(database, storage, *due, now=NOW, keep=DAY)
    assert uploads_to_tidy(database, links_ended_before=NOW, most=10) == []
    assert (storage.exists(kept), storage.exists(lost)) == (confirmed, False)
    with database.pipeline(workspace) as session:
        assert (session.get(Upload, (workspace, upload)) is not None) == confirmed
