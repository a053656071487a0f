"""State changes become numbered events; percentages only ring."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import IntegrityError, ProgrammingError

from cliply_resources.database import Clip, Event, EventHead, Render, Upload, UploadStep


@pytest.fixture
def workspace(shared_url):
    made = uuid4()
    with psycopg.connect(shared_url) as connection:
        connection.execute("INSERT INTO workspaces (id, name) VALUES (%s, 'w')", [made])
    return made


@pytest.fixture
def upload(shared_database, workspace):
    with shared_database.pipeline(workspace) as session:
        made = Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d")
        session.add(made)
    return made


def change(database, workspace, statement):
    with database.pipeline(workspace) as session:
        session.execute(statement)


def events(database, workspace):
    with database.api(workspace) as session:
        return session.scalars(select(Event).order_by(Event.seq)).all()


def kinds(database, workspace):
    return [event.kind for event in events(database, workspace)]


def test_an_upload_tells_its_whole_life(shared_database, workspace, upload):
    now = func.now()
    for facts in (
        {"paused_at": now},
        {"paused_at": None},
        {"title": "new"},
        {"completed_at": now},
        {"cancelled_at": now},
        {"deleted_at": now},
    ):
        change(shared_database, workspace, update(Upload).values(facts))
    told = ["created", "paused", "resumed", "completed", "cancelled", "deleted"]
    assert kinds(shared_database, workspace) == [f"upload.{kind}" for kind in told]


def test_a_step_tells_its_states_and_attempts_with_the_reason(shared_database, workspace, upload):
    with shared_database.pipeline(workspace) as session:
        session.add(UploadStep(upload_id=upload.id, step="scenes"))
    for facts in (
        {"state": "running", "attempt": 1},
        {"percent": 40},
        {"state": "running", "attempt": 2},
        {"state": "failed", "reason": "The disk is full."},
    ):
        change(shared_database, workspace, update(UploadStep).values(facts))
    told = events(shared_database, workspace)[1:]
    assert [(e.kind, e.payload["attempt"], e.payload["reason"]) for e in told] == [
        ("step.pending", 0, None),
        ("step.running", 1, None),
        ("step.running", 2, None),
        ("step.failed", 2, "The disk is full."),
    ]
    assert {(e.upload_id, e.payload["step"], e.payload["part"]) for e in told} == {(upload.id, "scenes", "")}


def test_clips_and_renders_tell_their_states(shared_database, workspace, upload):
    with shared_database.pipeline(workspace) as session:
        clip = Clip(upload_id=upload.id, rank=1, start_s=0, end_s=5, score=50)
        session.add(clip)
        session.flush()
        session.add(Render(clip_id=clip.id, aspect="9:16", style="karaoke"))
    change(shared_database, workspace, update(Clip).values(state="approved"))
    change(shared_database, workspace, update(Render).values(state="ready", sha256="a" * 64, spec_digest="s"))
    told = events(shared_database, workspace)[1:]
    assert [e.kind for e in told] == ["clip.proposed", "render.pending", "clip.approved", "render.ready"]
    assert told[-1].payload["clip"] == str(clip.id)
    assert told[-1].upload_id == upload.id


def test_a_render_cannot_be_ready_without_its_bytes(shared_database, workspace, upload):
    with shared_database.pipeline(workspace) as session:
        clip = Clip(upload_id=upload.id, rank=1, start_s=0, end_s=5, score=50)
        session.add(clip)
    with (
        pytest.raises(IntegrityError, match="renders_ready_means_made"),
        shared_database.pipeline(workspace) as session,
    ):
        session.add(Render(clip_id=clip.id, aspect="9:16", style="karaoke", state="ready"))


def test_what_is_undone_tells_nothing_and_leaves_no_gap(shared_database, workspace, upload):
    def undone():
        with shared_database.pipeline(workspace) as session:
            session.execute(update(Upload).values(paused_at=func.now()))
            raise KeyError

    with pytest.raises(KeyError):
        undone()
    change(shared_database, workspace, update(Upload).values(cancelled_at=func.now()))
    assert [(e.seq, e.kind) for e in events(shared_database, workspace)] == [
        (1, "upload.created"),
        (2, "upload.cancelled"),
    ]


def test_what_is_made_and_deleted_in_one_transaction_tells_nothing(shared_database, workspace):
    with shared_database.pipeline(workspace) as session:
        made = Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d")
        session.add(made)
        session.flush()
        session.add(UploadStep(upload_id=made.id, step="scenes"))
        session.flush()
        session.execute(delete(Upload))
    assert kinds(shared_database, workspace) == []


def test_events_outlive_their_upload(shared_database, workspace, upload):
    change(shared_database, workspace, delete(Upload))
    assert [(e.kind, e.upload_id) for e in events(shared_database, workspace)] == [("upload.created", None)]


def test_nobody_can_rewrite_what_happened(shared_database, workspace, upload):
    for opened in (shared_database.pipeline, shared_database.api):
        with pytest.raises(ProgrammingError, match="permission denied"), opened(workspace) as session:
            session.execute(update(Event).values(kind="upload.deleted"))


def test_writers_side_by_side_leave_no_gap_and_no_double(shared_database, workspace, upload):
    """Numbers are in the order of the commits: each reader that saw n finds every number below n."""

    def write(part):
        for state in ("pending", "running", "completed"):
            with shared_database.pipeline(workspace) as session:
                session.merge(
                    UploadStep(workspace_id=workspace, upload_id=upload.id, step="work", part=str(part), state=state)
                )

    def read():
        with shared_database.api(workspace) as session:
            seen = session.scalars(select(Event.seq).order_by(Event.seq)).all()
        assert seen == list(range(1, len(seen) + 1))
        return len(seen)

    with ThreadPoolExecutor(6) as pool:
        writing = [pool.submit(write, part) for part in range(5)]
        while not all(done.done() for done in writing):
            read()
        for done in writing:
            done.result()
    assert read() == 1 + 5 * 3
    with shared_database.api(workspace) as session:
        assert session.scalars(select(EventHead.last_seq)).one() == 16


def test_a_change_that_is_not_committed_yet_does_not_hold_up_another(shared_database, workspace, upload):
    """Were events numbered as rows change, the first would hold the number until it commits, and two could deadlock."""
    with shared_database.pipeline(workspace) as session:
        session.add_all([UploadStep(upload_id=upload.id, step=step) for step in ("a", "b")])
    with shared_database.pipeline(workspace) as slow:
        slow.execute(update(UploadStep).where(UploadStep.step == "a").values(state="running"))
        with shared_database.pipeline(workspace) as quick:
            quick.execute(text("SET LOCAL lock_timeout = '1s'"))
            quick.execute(update(UploadStep).where(UploadStep.step == "b").values(state="running"))
    assert [e.payload["step"] for e in events(shared_database, workspace)[3:]] == ["b", "a"]


def test_an_event_rings_with_ids_only(shared_database, workspace):
    bell = shared_database.listen("cliply_events", timeout=2)
    assert next(bell) is None
    with shared_database.pipeline(workspace) as session:
        session.add(Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d", title="secret plans"))
    assert json.loads(next(bell).payload) == {"workspace": str(workspace), "seq": 1}
    bell.close()


def test_a_percentage_rings_when_it_reaches_the_next_whole_one_and_leaves_no_row(shared_database, workspace, upload):
    with shared_database.pipeline(workspace) as session:
        session.add(UploadStep(upload_id=upload.id, step="scenes", state="running"))
    bell = shared_database.listen("cliply_progress", timeout=0.05)
    assert next(bell) is None
    before = kinds(shared_database, workspace)
    for percent in (0.4, 0.9, 1.1, 1.2, 57.0):
        change(shared_database, workspace, update(UploadStep).values(percent=percent))
    rung = [json.loads(next(bell).payload) for _ in range(2)]
    assert next(bell) is None
    assert rung == [{"workspace": str(workspace), "upload": str(upload.id), "step": "scenes", "part": ""}] * 2
    assert kinds(shared_database, workspace) == before
    bell.close()
