"""What an upload that waits is told, how many may wait, and what work is charged."""

from uuid import UUID

import psycopg
import pytest
from api_people import sign_up
from sqlalchemy import func

from cliply_resources.database import Upload, UploadRun, UploadStep


@pytest.fixture
def eve(client):
    """Somebody with an empty workspace."""
    return sign_up(client, "eve")


@pytest.fixture
def database(shared_database):
    """The one that the application uses."""
    return shared_database


@pytest.fixture
def waiting(eve, database):
    """Adds uploads of eve that wait for their turn; their ids, the oldest first."""

    def add(number):
        with database.pipeline(UUID(eve.workspace_id)) as session:
            rows = [Upload(source_kind="file", source_uri="/a.mp4", settings_digest=f"d{n}") for n in range(number)]
            for row in rows:
                session.add(row)
                session.flush()
            return [row.id for row in rows]

    return add


def shown(eve, upload):
    return eve("GET", f"/api/uploads/{upload}").json()["upload"]


def end_a_run(database, eve, upload, *, seconds):
    with database.pipeline(UUID(eve.workspace_id)) as session:
        times = {"begun_at": func.now() - func.make_interval(0, 0, 0, 0, 0, 0, seconds), "ended_at": func.now()}
        session.add(UploadRun(upload_id=upload, number=1, attempt=1, state="succeeded", **times))


def test_an_upload_that_waits_says_its_place_and_how_long_and_a_running_one_says_nothing(eve, database, waiting):
    uploads = waiting(4)
    assert [shown(eve, upload)["queue"]["position"] for upload in uploads] == [1, 2, 3, 4]
    assert shown(eve, uploads[0])["queue"]["expected_wait_seconds"] is None
    end_a_run(database, eve, waiting(1)[0], seconds=120)
    late = shown(eve, uploads[3])
    assert late["queue"] == {"position": 4, "expected_wait_seconds": 180.0}
    assert late["doing"] == "Waiting for its turn: number 4 in line, in about 3 min"
    listed = eve("GET", "/api/uploads?limit=100").json()["data"]
    assert {one["id"]: one["queue"] for one in listed}[str(uploads[3])] == late["queue"]
    with database.pipeline(UUID(eve.workspace_id)) as session:
        session.get_one(Upload, (UUID(eve.workspace_id), uploads[0])).started_attempt = 1
    assert shown(eve, uploads[0])["queue"] is None


def test_no_more_uploads_are_taken_than_the_plan_allows(eve, shared_url, waiting):
    with psycopg.connect(shared_url, autocommit=True) as connection:
        connection.execute("UPDATE workspaces SET plan = 'free' WHERE id = %s", [eve.workspace_id])
    waiting(19)
    wanted = {"file": {"name": "a.mp4", "size": 5, "content_type": "video/mp4"}}
    assert eve("POST", "/api/uploads", json=wanted).status_code == 201
    refused = eve("POST", "/api/uploads", json=wanted)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert int(refused.headers["Retry-After"]) >= 1
    said = refused.json()["error"]["message"]
    assert "20 unfinished uploads" in said
    assert "cancel" in said


def test_only_completed_work_is_charged(eve, database, waiting):
    [upload] = waiting(1)
    took = {"cpu_seconds": 2.5, "gpu_seconds": 1, "read_bytes": 10, "tokens_in": 7, "tokens_out": 3, "cost": 0.25}
    with database.pipeline(UUID(eve.workspace_id)) as session:
        for step, state in (("source_video", "completed"), ("media_proxy", "failed"), ("rerender", "completed")):
            facts = {"part": "0" * 32} if step == "rerender" else {}
            session.add(
                UploadStep(upload_id=upload, step=step, state=state, usage=took, started_at=func.now(), **facts)
            )
    found = eve("GET", f"/api/uploads/{upload}/usage").json()
    assert (found["cpu_seconds"], found["tokens_in"], found["cost"], found["read_bytes"]) == (5.0, 14, 0.5, 20)
    charged = {line["step"]: line["cost"] for line in found["steps"]}
    assert charged == {"source_video": 0.25, "media_proxy": 0.0, "rerender": 0.25}
