"""A repeated analysis and what people have done since the first one."""

from uuid import uuid4

import msgspec
import pytest
import sqlalchemy as sa

from cliply_assets.renders.records import ClipRecords, clip_id
from cliply_resources.database import Clip, ClipComment, Upload
from cliply_resources.documents import Candidate


def candidate(start, title="A title"):
    return Candidate(
        start=start, end=start + 20.0, score=50.0, subscores={}, title=title, description="", hashtags=(), reasons=()
    )


@pytest.fixture
def records(database):
    return ClipRecords(database, database.local_workspace())


@pytest.fixture
def upload(database, records):
    with database.pipeline(records.workspace_id) as session:
        made = Upload(source_kind="file", source_uri="/a.mp4", settings_digest="d")
        session.add(made)
        session.flush()
        return made.id


@pytest.fixture
def touch(database, records):
    def touching(clip, **values):
        with database.api(records.workspace_id) as session:
            session.execute(sa.update(Clip).where(Clip.id == clip).values(**values))

    return touching


@pytest.fixture
def titles(database, records):
    def asking():
        with database.pipeline(records.workspace_id) as session:
            return dict(session.execute(sa.select(Clip.start_s, Clip.title)).all())

    return asking


def test_proposals_are_replaced_and_improved(records, upload, titles):
    records.keep(upload, [candidate(0), candidate(100)])
    kept = records.keep(upload, [candidate(100, "Better"), candidate(200)])
    assert kept == [clip_id(upload, 100, 120), clip_id(upload, 200, 220)]
    assert titles() == {100: "Better", 200: "A title"}


def test_the_hook_of_a_candidate_is_kept_with_its_clip(records, upload):
    line = "We shipped a year too late"
    (kept,) = records.keep(upload, [msgspec.structs.replace(candidate(0), hook=line)])
    assert records.clip(kept).hook == line
    records.keep(upload, [msgspec.structs.replace(candidate(0), hook="Better")])
    assert records.clip(kept).hook == "Better"


@pytest.mark.parametrize("done", [{"state": "approved"}, {"state": "rejected"}, {"edited_at": sa.func.now()}])
def test_what_people_decided_or_edited_is_neither_changed_nor_removed(records, upload, touch, titles, done):
    first, second = records.keep(upload, [candidate(0), candidate(100)])
    touch(first, title="Mine", **done)
    touch(second, title="Mine", **done)
    records.keep(upload, [candidate(0, "Better")])
    assert titles() == {0: "Mine", 100: "Mine"}


def test_a_clip_that_people_talk_about_is_not_removed(database, records, upload, titles):
    (spoken_of,) = records.keep(upload, [candidate(0)])
    with database.api(records.workspace_id) as session:
        session.add(ClipComment(clip_id=spoken_of, body="Louder?", author_id=uuid4()))
    records.keep(upload, [candidate(100)])
    assert set(titles()) == {0, 100}


def test_a_deleted_clip_does_not_come_back(records, upload, touch):
    first, second = records.keep(upload, [candidate(0), candidate(100)])
    touch(first, deleted_at=sa.func.now())
    assert records.keep(upload, [candidate(0), candidate(100)]) == [second]
    records.keep(upload, [candidate(100)])
    assert records.keep(upload, [candidate(0), candidate(100)]) == [second]


@pytest.mark.parametrize(
    "done",
    [{"state": "approved"}, {"state": "rejected"}, {"edited_at": sa.func.now()}, {"deleted_at": sa.func.now()}],
    ids=["approved", "rejected", "edited", "deleted"],
)
@pytest.mark.parametrize("shift", [-8.0, -0.5, 0.04, 9.0])
def test_a_moment_that_people_dealt_with_is_not_proposed_again_a_little_moved(records, upload, touch, done, shift):
    (first,) = records.keep(upload, [candidate(100)])
    touch(first, **done)
    assert records.keep(upload, [candidate(100 + shift), candidate(300)]) == [clip_id(upload, 300, 320)]


def test_the_next_moment_and_an_untouched_one_are_no_obstacle(records, upload, touch):
    first, _ = records.keep(upload, [candidate(100), candidate(200)])
    touch(first, state="approved")
    moved = [candidate(112), candidate(201)]
    assert records.keep(upload, moved) == [clip_id(upload, 112, 132), clip_id(upload, 201, 221)]
