"""Failures that wait for somebody: over HTTP, and from the command line."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from api_people import sign_up
from sqlalchemy import func

from cliply_assets.cli.letters import Letter, chosen_uploads, since_of
from cliply_resources.database import Upload, UploadRun, UploadStep
from cliply_resources.dead_letters import count_dead_letters, uploads_with_dead_letters
from cliply_resources.errors import CallerError, NotFound


@pytest.fixture
def eve(client):
    """Somebody with an empty workspace."""
    return sign_up(client, "eve")


@pytest.fixture
def failed(eve, shared_database):
    """Makes an upload of eve whose step failed."""

    def make(step="media_proxy", **facts):
        with shared_database.pipeline(UUID(eve.workspace_id)) as session:
            row = Upload(source_kind="file", source_uri="/a.mp4", settings_digest=uuid4().hex, title="Talk", **facts)
            session.add(row)
            session.flush()
            broken = {"reason": "It broke.", "raw_error": "secret", "attempt": 2, "max_attempts": 2}
            session.add(UploadStep(upload_id=row.id, step=step, state="failed", ended_at=func.now(), **broken))
            return row.id

    return make


def listed(eve, query=""):
    return [UUID(one["upload_id"]) for one in eve("GET", f"/api/dead-letters{query}").json()["data"]]


def decide(eve, what, *uploads):
    reply = eve("POST", f"/api/dead-letters/{what}", json={"upload_ids": [str(upload) for upload in uploads]})
    assert reply.status_code == 200, reply.text
    return [UUID(upload) for upload in reply.json()["upload_ids"]]


def test_a_failure_is_listed_with_its_sentence_and_without_the_raw_error(eve, failed):
    upload = failed()
    reply = eve("GET", "/api/dead-letters")
    [letter] = reply.json()["data"]
    assert (letter["upload_id"], letter["label"], letter["reason"]) == (str(upload), "Decoding once", "It broke.")
    assert "secret" not in reply.text
    assert listed(eve, "?step=transcript") == []
    assert listed(eve, "?step=media_proxy") == [upload]


def test_what_is_to_be_tried_again_or_is_not_wanted_waits_for_nobody(eve, failed, shared_database):
    for facts in ({"retry_at": func.now()}, {"cancelled_at": func.now()}, {"paused_at": func.now()}):
        failed(**facts)
    at_work = failed()
    with shared_database.pipeline(UUID(eve.workspace_id)) as session:
        session.add(UploadRun(upload_id=at_work, number=1, attempt=1))
    assert listed(eve) == []


def test_trying_again_is_asked_for_once_and_only_for_what_failed(eve, failed, shared_database):
    before = count_dead_letters(shared_database)
    one, other = failed(), failed("renders")
    assert count_dead_letters(shared_database) == before + 2
    assert decide(eve, "retry", one, uuid4()) == [one]
    assert decide(eve, "retry", one) == []
    assert listed(eve) == [other]
    shown = eve("GET", f"/api/uploads/{one}").json()["upload"]
    assert shown["attempt"] == 2
    found = uploads_with_dead_letters(shared_database, step="renders")
    assert (UUID(eve.workspace_id), other) in found


def test_what_was_put_away_is_in_no_list_until_it_fails_again(eve, failed, shared_database):
    upload = failed()
    assert decide(eve, "discard", upload, upload) == [upload]
    assert listed(eve) == []
    assert eve("GET", f"/api/uploads/{upload}").json()["upload"]["state"] == "failed"
    with shared_database.pipeline(UUID(eve.workspace_id)) as session:
        row = session.get_one(UploadStep, (UUID(eve.workspace_id), upload, "media_proxy", ""))
        row.state = "running"
        session.flush()
        row.state = "failed"
    assert listed(eve) == [upload]


def test_nobody_decides_about_the_failures_of_others(client, eve, failed):
    upload = failed()
    mallory = sign_up(client, "mallory")
    assert listed(mallory) == []
    assert decide(mallory, "discard", upload) == decide(mallory, "retry", upload) == []
    assert listed(eve) == [upload]


def letter(upload, **facts):
    known = {"title": "", "step": "renders", "part": "", "attempt": 1, "max_attempts": 2}
    unknown = {"ended_at": None, "reason": None, "run_id": None, "raw_error": None}
    return Letter(workspace_id=str(UUID(int=1)), upload_id=str(upload), **(known | unknown | facts))


def test_uploads_are_chosen_by_the_beginnings_of_their_ids_or_all_on_purpose():
    one, other = UUID(int=1 << 120), UUID(int=2 << 120)
    letters = [letter(one), letter(one, part="x"), letter(other)]
    assert chosen_uploads(letters, ["01"], everything=False) == {UUID(int=1): [one]}
    assert chosen_uploads(letters, [], everything=True) == {UUID(int=1): [one, other]}
    with pytest.raises(CallerError, match="--all"):
        chosen_uploads(letters, [], everything=False)
    with pytest.raises(NotFound, match="ff"):
        chosen_uploads(letters, ["ff"], everything=False)


def test_an_age_is_a_number_of_minutes_hours_or_days():
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert since_of("12h", now=now) == now - timedelta(hours=12)
    assert since_of(None, now=now) is None
    with pytest.raises(CallerError, match="7d"):
        since_of("yesterday", now=now)
