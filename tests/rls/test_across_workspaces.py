"""The few questions that span workspaces, and their answers."""

from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import func, text

from cliply_resources.database import Clip, Upload, UploadStep

LOCAL = UUID("00000000-0000-7000-8000-000000000001")


@pytest.fixture
def workspace(database, settings):
    """Makes workspaces."""

    def make():
        made = uuid4()
        with psycopg.connect(settings.database_url.get_secret_value()) as connection:
            connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w')", [made])
        return made

    return make


def upload(database, workspace, **facts):
    with database.pipeline(workspace) as session:
        made = Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d", **facts)
        session.add(made)
        session.flush()
        return made.id


def to_start(database, at_most=10):
    with database.across() as session:
        return [tuple(row) for row in session.execute(text("SELECT * FROM app.uploads_to_start(:n)"), {"n": at_most})]


def test_the_local_workspace_is_made_once_and_is_always_the_same(database):
    assert database.local_workspace() == database.local_workspace() == LOCAL
    with database.api(LOCAL) as session:
        assert session.execute(text("SELECT name FROM workspaces")).scalars().all() == ["Local"]


def test_an_upload_and_a_clip_are_found_by_their_id_alone(database, workspace):
    home = workspace()
    of_upload = upload(database, home)
    with database.pipeline(home) as session:
        clip = Clip(upload_id=of_upload, rank=1, start_s=1, end_s=2, score=1)
        session.add(clip)
        session.flush()
        of_clip = clip.id
    with database.across() as session:
        assert session.scalar(func.app.workspace_of_upload(of_upload)) == home
        assert session.scalar(func.app.workspace_of_clip(of_clip)) == home
        assert session.scalar(func.app.workspace_of_upload(uuid4())) is None


def test_a_new_upload_is_to_be_started_until_a_step_of_it_begins(database, workspace):
    home = workspace()
    new = upload(database, home)
    assert to_start(database) == [(home, new)]
    with database.pipeline(home) as session:
        session.add(UploadStep(upload_id=new, step="source_video"))
    assert to_start(database) == [(home, new)]
    with database.pipeline(home) as session:
        session.query(UploadStep).update({"state": "running"})
    assert to_start(database) == []


@pytest.mark.parametrize("moment", ["cancelled_at", "paused_at", "deleted_at", "completed_at"])
def test_an_upload_that_nobody_wants_now_is_not_to_be_started(database, workspace, moment):
    upload(database, workspace(), **{moment: func.now()})
    assert to_start(database) == []


def test_each_workspace_gets_its_first_turn_before_anybody_gets_a_second(database, workspace):
    busy, quiet = workspace(), workspace()
    first, second = upload(database, busy), upload(database, busy)
    other = upload(database, quiet)
    assert to_start(database) == [(busy, first), (quiet, other), (busy, second)]
    assert to_start(database, 2) == [(busy, first), (quiet, other)]
    assert to_start(database, -1) == []


def change(database, home, **facts):
    with database.pipeline(home) as session:
        session.query(Upload).update(facts)


def test_an_upload_whose_bytes_nobody_has_looked_at_is_not_to_be_started(database, workspace):
    home = workspace()
    upload(database, home)
    change(database, home, confirmed_at=None)
    assert to_start(database) == []


def test_an_upload_that_is_to_go_on_waits_for_the_step_that_is_still_at_work(database, workspace):
    home = workspace()
    again = upload(database, home, retry_at=func.now())
    with database.pipeline(home) as session:
        session.add(UploadStep(upload_id=again, step="source_video", state="completed"))
        session.add(UploadStep(upload_id=again, step="scenes", state="failed"))
        session.add(UploadStep(upload_id=again, step="transcript", state="running"))
    assert to_start(database) == []
    with database.pipeline(home) as session:
        session.query(UploadStep).filter_by(step="transcript").update(
            {"deadline_at": func.now() - text("interval '1 s'")}
        )
    assert to_start(database) == [(home, again)], "nobody works past a deadline"
    change(database, home, retry_at=None)
    assert to_start(database) == []


def test_links_that_ended_long_ago_are_to_be_tidied_up_after_the_longest_first(database, workspace):
    home = workspace()
    upload(database, home)
    newer = upload(database, home, incoming_until=func.now() - text("interval '2 h'"))
    older = upload(database, home, incoming_until=func.now() - text("interval '3 h'"))
    upload(database, home, incoming_until=func.now())

    def to_tidy(at_most):
        query = text("SELECT * FROM app.uploads_to_tidy(now() - interval '1 h', :n)")
        with database.across() as session:
            return [tuple(row) for row in session.execute(query, {"n": at_most})]

    assert to_tidy(10) == [(home, older), (home, newer)]
    assert to_tidy(1) == [(home, older)]
