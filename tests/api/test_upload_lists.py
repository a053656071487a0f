"""Uploads narrowed by state, had back, and let go for good with their clips."""

import itertools
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from api_people import join, sign_up

from cliply_resources.database import Clip, Render, Upload, UploadStep
from cliply_resources.storage.keys import analysis_key, clip_key, source_key
from cliply_resources.uploads import clips_to_purge
from schedules.tidy_uploads import purge_clip, tidy_upload

NOW = datetime.now(UTC)
KEEP = timedelta(hours=24)


@pytest.fixture(scope="module")
def database(client):
    return client.app.state.database


@pytest.fixture
def eve(client):
    """Somebody with an empty workspace."""
    return sign_up(client, "eve")


def add_upload(database, person, *, digest="d", **facts):
    with database.pipeline(UUID(person.workspace_id)) as session:
        made = Upload(source_kind="stored", source_uri="", settings_digest=digest, **facts)
        session.add(made)
        session.flush()
        made.source_uri = source_key(person.workspace_id, made.id, ".mp4")
        return str(made.id)


def add_steps(database, person, upload, steps):
    with database.pipeline(UUID(person.workspace_id)) as session:
        for step, state in steps.items():
            session.add(UploadStep(upload_id=UUID(upload), step=step, state=state))


def add_clip(database, person, upload):
    """A clip with one finished render."""
    with database.pipeline(UUID(person.workspace_id)) as session:
        clip = Clip(upload_id=UUID(upload), rank=1, start_s=0, end_s=9, score=1)
        session.add(clip)
        session.flush()
        done = {"state": "ready", "spec_digest": "d", "sha256": "a" * 64}
        session.add(Render(clip_id=clip.id, aspect="1:1", style="none", **done))
        return str(clip.id)


def listed(person, query):
    return {found["id"] for found in person("GET", f"/api/uploads?limit=100&{query}").json()["data"]}


def test_a_list_by_state_holds_exactly_the_uploads_that_show_that_state(eve, database):
    steps = [
        {},
        {"source_video": "running"},
        {"media_proxy": "completed"},
        {"media_proxy": "completed", "scenes": "running"},
        {"media_proxy": "completed", "scenes": "failed"},
        {"clip_candidates": "completed"},
        {"clip_candidates": "completed", "renders": "running"},
        {"clip_candidates": "completed", "renders": "failed"},
        {"source_video": "pending", "frame_index": "failed"},
    ]
    flags = [{}, {"cancelled_at": NOW}, {"paused_at": NOW}, {"retry_at": NOW}]
    made = []
    for number, (facts, done) in enumerate(itertools.product(flags, steps)):
        made.append(add_upload(database, eve, **facts))
        add_steps(database, eve, made[-1], done)
        if number % 3 == 0:
            add_clip(database, eve, made[-1])
    shown = {found["id"]: found["state"] for found in eve("GET", "/api/uploads?limit=100").json()["data"]}
    assert shown.keys() == set(made)
    assert len(set(shown.values())) >= 9, "the rows above reach nearly every state"
    for state in {*shown.values(), "publishing"}:
        assert listed(eve, f"state={state}") == {one for one, its in shown.items() if its == state}, state
    assert eve("GET", "/api/uploads?state=eaten").status_code == 400


def test_a_deleted_upload_can_be_had_back_as_it_was(eve, client, database):
    upload = add_upload(database, eve)
    add_clip(database, eve, upload)
    before = eve("GET", f"/api/uploads/{upload}").json()["upload"]
    assert eve("POST", f"/api/uploads/{upload}/restore").status_code == 404
    eve("DELETE", f"/api/uploads/{upload}")
    assert listed(eve, "") == set()
    assert listed(eve, "deleted=true") == {upload}
    assert join(client, eve, "viewer")("POST", f"/api/uploads/{upload}/restore").status_code == 403
    assert eve("POST", f"/api/uploads/{upload}/restore").json() == before
    assert eve("GET", "/api/clips").json()["total"] == 1
    assert (listed(eve, ""), listed(eve, "deleted=true")) == ({upload}, set())


def test_a_deleted_upload_that_was_given_again_stays_deleted(eve, database):
    twin = {"source_sha256": "b" * 64, "digest": "same"}
    upload = add_upload(database, eve, **twin)
    eve("DELETE", f"/api/uploads/{upload}")
    other = add_upload(database, eve, **twin)
    assert eve("POST", f"/api/uploads/{upload}/restore").status_code == 409
    assert listed(eve, "") == {other}


def stored(client, database, person):
    """An upload, its clip, and what of them is stored."""
    upload = add_upload(database, person)
    clip, storage = add_clip(database, person, upload), client.app.state.storage()
    keys = [
        source_key(person.workspace_id, upload, ".mp4"),
        analysis_key(person.workspace_id, upload, "transcript.json"),
        clip_key(person.workspace_id, clip, 1, "clip.mp4"),
        clip_key(person.workspace_id, clip, 2, "clip.mp4"),
    ]
    for key in keys:
        storage.put_bytes(key, b"x")
    return SimpleNamespace(upload=upload, clip=clip, keys=keys, storage=storage, place=UUID(person.workspace_id))


def test_after_a_day_a_deleted_upload_is_gone_with_its_clips(eve, client, database):
    found = stored(client, database, eve)
    eve("DELETE", f"/api/uploads/{found.upload}")
    identity, later = (found.place, UUID(found.upload)), datetime.now(UTC) + KEEP + timedelta(minutes=1)
    assert not tidy_upload(database, found.storage, *identity, now=datetime.now(UTC), keep=KEEP)
    assert all(map(found.storage.exists, found.keys))
    assert tidy_upload(database, found.storage, *identity, now=later, keep=KEEP)
    assert not any(map(found.storage.exists, found.keys))
    assert eve("POST", f"/api/uploads/{found.upload}/restore").status_code == 404
    assert listed(eve, "deleted=true") == set()


def test_after_a_day_a_deleted_clip_loses_its_files_and_its_upload_keeps_its_own(eve, client, database):
    found = stored(client, database, eve)
    assert eve("DELETE", f"/api/clips/{found.clip}").status_code == 204
    ids = (found.place, UUID(found.clip))
    assert ids not in clips_to_purge(database, deleted_before=datetime.now(UTC) - KEEP, most=1000)
    assert ids in clips_to_purge(database, deleted_before=datetime.now(UTC) + timedelta(minutes=1), most=1000)
    assert purge_clip(database, found.storage, *ids, now=NOW)
    assert not purge_clip(database, found.storage, *ids, now=NOW)
    assert [found.storage.exists(key) for key in found.keys] == [True, True, False, False]
    assert ids not in clips_to_purge(database, deleted_before=datetime.now(UTC) + timedelta(minutes=1), most=1000)


def test_a_clip_that_nobody_deleted_keeps_its_files(eve, client, database):
    found = stored(client, database, eve)
    assert not purge_clip(database, found.storage, found.place, UUID(found.clip), now=NOW)
    assert all(map(found.storage.exists, found.keys))


def test_requests_to_render_again_have_a_bucket_of_their_own(start):
    client = start(renders_per_hour=2)
    eve = sign_up(client, "eve")
    upload = add_upload(client.app.state.database, eve)
    clip = add_clip(client.app.state.database, eve, upload)
    replies = [
        eve("POST", f"/api/clips/{clip}/rerender", json={"style": style}) for style in ("none", "karaoke", "bounce")
    ]
    assert [reply.status_code == 429 for reply in replies] == [False, False, True]
    assert int(replies[2].headers["Retry-After"]) > 60
    assert eve("GET", f"/api/clips/{clip}").status_code == 200


def test_each_clip_of_a_batch_counts_as_one_request_to_render_again(start):
    client = start(renders_per_hour=3)
    eve = sign_up(client, "eve")
    database = client.app.state.database
    clips = [add_clip(database, eve, add_upload(database, eve)) for _ in range(2)]
    first, second = (
        eve("POST", "/api/clips/batch/rerender", json={"clip_ids": clips, "style": style})
        for style in ("none", "bounce")
    )
    assert (first.status_code, second.status_code) == (202, 429)
    assert eve("POST", f"/api/clips/{clips[0]}/rerender", json={"style": "bounce"}).status_code == 202
