"""The tick that takes up wishes for new versions, over real rows."""

from uuid import UUID, uuid4

import dagster as dg
import pytest

from cliply_assets.definitions import defs
from cliply_assets.renders.wishes import ClaimedWish, WishRecords, wishes_to_start
from cliply_resources.database import Clip, Database, RenderWish, Upload
from sensors.render_wishes import render_wishes, wish_requests


@pytest.fixture
def wished(database: Database) -> tuple[UUID, UUID, UUID]:
    """Workspace, upload and wish."""
    workspace = database.local_workspace()
    with database.api(workspace) as session:
        upload = Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d")
        session.add(upload)
        session.flush()
        clip = Clip(upload_id=upload.id, rank=1, start_s=0.0, end_s=9.0, score=1.0)
        session.add(clip)
        session.flush()
        wish = RenderWish(
            clip_id=clip.id, aspects=["1:1"], style="none", start_s=0.0, end_s=9.0, settings_digest=uuid4().hex
        )
        session.add(wish)
        session.flush()
        return workspace, upload.id, wish.id


def test_a_claim_becomes_one_run_in_the_partition_of_its_upload_and_the_next_claim_another() -> None:
    workspace, upload, wish = uuid4(), uuid4(), uuid4()
    first, second = (
        wish_requests([ClaimedWish(workspace_id=workspace, upload_id=upload, wish_id=wish, attempt=attempt)])[0]
        for attempt in (1, 2)
    )
    assert first.partition_key == str(upload)
    assert first.tags["cliply/workspace"] == str(workspace)
    assert first.run_key == f"wish:{wish}:1"
    assert second.run_key == f"wish:{wish}:2"


def test_the_run_that_is_asked_for_is_one_that_the_job_accepts() -> None:
    (request,) = wish_requests([ClaimedWish(workspace_id=uuid4(), upload_id=uuid4(), wish_id=uuid4(), attempt=1)])
    job = defs.resolve_job_def("rerender")
    assert dg.validate_run_config(job, request.run_config)
    assert job.description
    assert "Runbook" in job.description
    assert render_wishes.job_name == "rerender"


def test_a_wish_is_offered_until_it_is_claimed_and_again_when_that_was_lost(
    database: Database, wished: tuple[UUID, UUID, UUID]
) -> None:
    workspace, upload, wish = wished
    assert wishes_to_start(database, 10) == [(workspace, wish)]
    assert wishes_to_start(database, 0) == []
    records = WishRecords(database, workspace)
    claimed = records.claim(wish)
    assert claimed == ClaimedWish(workspace_id=workspace, upload_id=upload, wish_id=wish, attempt=1)
    assert wishes_to_start(database, 10) == []
    assert records.begin(wish, 1, deadline_seconds=-1) is not None
    assert wishes_to_start(database, 10) == [(workspace, wish)], "its run has not been heard of"
    records.fail(wish, 1, "No.")
    assert wishes_to_start(database, 10) == []
