"""Uploads over HTTP: given, confirmed, watched, stopped and started again; the pipeline's part is played by rows."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import msgspec
import pytest
from api_people import join, sign_up
from sqlalchemy import update

from cliply_resources.database import Upload, UploadStep
from cliply_resources.documents import Segment, Transcript, Word
from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from cliply_resources.storage.keys import analysis_key
from cliply_resources.uploads import attempt_of, uploads_to_start

PAGE = "https://www.youtube.com/watch?v=abcdefghijk"


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Two small films, and one without sound."""
    folder = tmp_path_factory.mktemp("films")
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    for name, more in {"one": sound, "two": [*sound, "-metadata", "comment=two"], "silent": []}.items():
        picture = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2"]
        arguments = ["-nostdin", "-v", "error", *picture, *more, "-c:v", "libx264", str(folder / f"{name}.mp4")]
        subprocess.run([str(ffmpeg_path()), *arguments], check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def database(client):
    return client.app.state.database


@pytest.fixture
def eve(client):
    """Somebody with an empty workspace."""
    return sign_up(client, "eve")


def asked(size, **more):
    return {"file": {"name": "My film.mp4", "size": size, "content_type": "video/mp4"}, **more}


def create(person, data, **more):
    reply = person("POST", "/api/uploads", json=asked(len(data), **more))
    assert reply.status_code == 201, reply.text
    return reply.json()


def put(client, made, data):
    parts = urlsplit(made["put"]["url"])
    reply = client.put(f"{parts.path}?{parts.query}", content=data, headers=made["put"]["headers"])
    assert reply.status_code == 204, reply.text


def given(client, person, data, **more):
    """The answer to a confirmation of these bytes."""
    made = create(person, data, **more)
    put(client, made, data)
    return person("POST", f"/api/uploads/{made['upload']['id']}/confirm")


def code(reply):
    return reply.status_code, reply.json()["error"]["code"]


def offered(database, person):
    return [str(upload) for place, upload in uploads_to_start(database, 1000) if str(place) == person.workspace_id]


def add_step(database, person, upload, step, **facts):
    with database.pipeline(UUID(person.workspace_id)) as session:
        session.add(UploadStep(upload_id=UUID(upload), step=step, **facts))


@pytest.fixture
def upload(client, eve, films):
    """A confirmed upload of eve."""
    return given(client, eve, (films / "one.mp4").read_bytes()).json()["upload"]["id"]


def test_a_film_is_put_confirmed_and_only_then_offered_to_the_pipeline(client, eve, films, database):
    data = (films / "one.mp4").read_bytes()
    made = create(eve, data, settings={"clips": 2, "aspects": ["1:1", "1:1"]})
    where = f"/api/uploads/{made['upload']['id']}"
    assert (made["upload"]["title"], made["upload"]["state"], made["upload"]["confirmed"]) == (
        "My film",
        "created",
        False,
    )
    assert made["upload"]["settings"]["aspects"] == ["1:1"]
    assert code(eve("POST", f"{where}/confirm")) == (409, "CONFLICT")
    put(client, made, data)
    assert offered(database, eve) == []
    confirmed = eve("POST", f"{where}/confirm").json()
    assert confirmed["upload"]["confirmed"] is True
    assert offered(database, eve) == [made["upload"]["id"]]
    again = eve("POST", f"{where}/confirm")
    assert (again.status_code, again.json()["existing"]) == (200, False)
    [entries] = [eve("GET", f"/api/workspaces/{eve.workspace_id}/audit").json()["data"]]
    assert {"upload.created", "upload.confirmed"} <= {entry["action"] for entry in entries}


def test_what_is_put_through_the_link_after_the_confirmation_changes_nothing(client, eve, films):
    data = (films / "one.mp4").read_bytes()
    made = create(eve, data)
    put(client, made, data)
    where = made["upload"]["id"]
    eve("POST", f"/api/uploads/{where}/confirm")
    put(client, made, bytes(len(data)))
    kept = client.app.state.storage().get_bytes(f"{eve.workspace_id}/uploads/{where}/source.mp4")
    assert kept == data


def test_what_clips_are_about_and_leave_out_is_kept_in_order(eve):
    ranges = [{"start": 60.0, "end": 90.5}, {"start": 0.0, "end": 12.0}]
    wishes = {"topic": "the part about the oven", "profile": "podcast", "exclude": ranges}
    made = create(eve, b"x" * 64, settings=wishes)["upload"]["settings"]
    assert (made["topic"], made["profile"]) == ("the part about the oven", "podcast")
    assert made["exclude"] == ranges[::-1]
    plain = create(eve, b"y" * 64)["upload"]["settings"]
    assert (plain["topic"], plain["profile"], plain["exclude"]) == (None, None, [])


def test_the_same_bytes_with_the_same_settings_are_one_upload(client, eve, films, upload):
    data = (films / "one.mp4").read_bytes()
    again = given(client, eve, data).json()
    assert (again["existing"], again["upload"]["id"]) == (True, upload)
    other = given(client, eve, data, settings={"clips": 1}).json()
    assert (other["existing"], other["upload"]["id"] != upload) == (False, True)
    assert eve("GET", "/api/uploads").json()["total"] == 2


@pytest.mark.parametrize("kind", ["text", "silent"])
def test_bytes_that_are_no_video_or_not_within_the_limits_are_refused_and_may_be_put_again(client, eve, films, kind):
    data = b"#EXTM3U\n" * 40 if kind == "text" else (films / "silent.mp4").read_bytes()
    made = create(eve, data)
    put(client, made, data)
    where = f"/api/uploads/{made['upload']['id']}"
    assert code(eve("POST", f"{where}/confirm")) == (422, "MEDIA_REFUSED")
    assert code(eve("POST", f"{where}/confirm")) == (409, "CONFLICT"), "the bytes are gone"
    assert eve("POST", f"{where}/link").json()["headers"] == made["put"]["headers"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({**asked(5), "source_url": PAGE}, 400),
        ({"source_url": "https://example.com/film"}, 400),
        ({"source_url": "http://127.0.0.1/"}, 400),
        (asked(0), 400),
        (asked(3 * 1024**3), 422),
        ({"file": {"name": "a", "size": 5, "content_type": "text/html"}}, 400),
        (asked(5, settings={"min_seconds": 50, "max_seconds": 40}), 400),
        (asked(5, settings={"clips": 51}), 400),
        (asked(5, settings={"profile": "opera"}), 400),
        (asked(5, settings={"topic": " "}), 400),
        (asked(5, settings={"exclude": [{"start": 9, "end": 3}]}), 400),
        (asked(5, unknown=1), 400),
        (asked(5, title="a\x00b"), 400),
    ],
)
def test_what_cannot_be_taken_is_refused_before_anything_is_made(eve, body, status):
    assert eve("POST", "/api/uploads", json=body).status_code == status
    assert eve("GET", "/api/uploads").json()["total"] == 0


def test_a_page_is_worked_on_at_once_and_the_same_page_once(eve, database):
    first, second = (eve("POST", "/api/uploads", json={"source_url": PAGE}).json() for _ in range(2))
    assert (first["put"], first["existing"], second["existing"]) == (None, False, True)
    assert first["upload"]["source_url"] == PAGE
    assert offered(database, eve) == [first["upload"]["id"]] == [second["upload"]["id"]]


def test_the_same_idempotency_key_makes_one_upload(eve):
    key = {"Idempotency-Key": uuid4().hex}
    first, second = (eve("POST", "/api/uploads", json=asked(5), headers=key) for _ in range(2))
    assert first.content == second.content
    assert eve("GET", "/api/uploads").json()["total"] == 1


def test_a_viewer_looks_and_does_not_touch(client, eve, upload):
    viewer = join(client, eve, "viewer")
    assert viewer("GET", f"/api/uploads/{upload}").status_code == 200
    assert viewer("POST", "/api/uploads", json=asked(5)).status_code == 403
    for wish in ("cancel", "pause", "resume", "retry", "confirm", "link"):
        assert viewer("POST", f"/api/uploads/{upload}/{wish}").status_code == 403, wish
    assert viewer("DELETE", f"/api/uploads/{upload}").status_code == 403


def test_steps_are_shown_in_order_with_what_is_done_and_why_it_stopped(eve, database, upload):
    add_step(database, eve, upload, "source_video", state="completed", percent=100, summary={"title": "t"})
    add_step(database, eve, upload, "media_proxy", state="running", percent=50, doing="41 s of 100 s")
    found = eve("GET", f"/api/uploads/{upload}").json()
    assert [step["step"] for step in found["steps"]][:2] == ["source_video", "media_proxy"]
    assert (found["upload"]["state"], found["upload"]["doing"]) == ("ingesting", "Decoding once: 41 s of 100 s")
    assert 0 < found["upload"]["percent"] < 100
    with database.pipeline(UUID(eve.workspace_id)) as session:
        failed = {"state": "failed", "reason": "The file is damaged."}
        session.execute(update(UploadStep).where(UploadStep.step == "media_proxy").values(**failed))
    shown = eve("GET", f"/api/uploads/{upload}").json()["upload"]
    assert (shown["state"], shown["reason"]) == ("failed", "The file is damaged.")
    assert eve("GET", f"/api/uploads/{upload}/report").json()["problems"] == ["Decoding once: The file is damaged."]


def test_a_failed_upload_is_offered_again_with_a_new_number(eve, database, upload):
    assert code(eve("POST", f"/api/uploads/{upload}/retry")) == (409, "CONFLICT")
    add_step(database, eve, upload, "source_video", state="completed")
    add_step(database, eve, upload, "media_proxy", state="failed", reason="no")
    assert offered(database, eve) == []
    for _ in range(2):
        shown = eve("POST", f"/api/uploads/{upload}/retry").json()
        assert (shown["attempt"], shown["state"], shown["reason"]) == (2, "analyzing", None)
    assert offered(database, eve) == [upload]
    assert attempt_of(database, UUID(eve.workspace_id), UUID(upload)) == 2


def test_an_upload_is_complete_once_its_clips_are_made_and_open_again_when_asked_for_again(eve, database, upload):
    parts = [str(uuid4()) for _ in range(2)]
    for part, state in zip(parts, ("running", "pending"), strict=True):
        add_step(database, eve, upload, "renders", part=part, state=state)
    for part in parts:
        shown = eve("GET", f"/api/uploads/{upload}").json()["upload"]
        assert shown["completed_at"] is None
        with database.pipeline(UUID(eve.workspace_id)) as session:
            session.execute(update(UploadStep).where(UploadStep.part == part).values(state="completed"))
    assert eve("GET", f"/api/uploads/{upload}").json()["upload"]["completed_at"] is not None
    add_step(database, eve, upload, "frame_index", state="failed")
    assert eve("POST", f"/api/uploads/{upload}/retry").json()["completed_at"] is None


def test_the_request_that_asked_for_the_work_last_is_kept(eve, ask, upload):
    eve("POST", f"/api/uploads/{upload}/pause")
    reply = eve("POST", f"/api/uploads/{upload}/resume", headers={"X-Request-Id": "a-request-of-mine"})
    assert reply.headers["X-Request-Id"] == "a-request-of-mine"
    assert ask("SELECT request_id FROM uploads WHERE id = %s", upload) == [("a-request-of-mine",)]


def test_a_cancelled_upload_is_not_offered_until_it_is_tried_again(eve, database, upload):
    assert eve("POST", f"/api/uploads/{upload}/cancel").json()["state"] == "cancelled"
    assert offered(database, eve) == []
    assert eve("POST", f"/api/uploads/{upload}/retry").json()["state"] == "created"
    assert offered(database, eve) == [upload]


def test_a_paused_upload_goes_on_when_it_is_resumed(eve, database, upload):
    assert code(eve("POST", f"/api/uploads/{upload}/resume")) == (409, "CONFLICT")
    assert eve("POST", f"/api/uploads/{upload}/pause").json()["state"] == "paused"
    assert offered(database, eve) == []
    assert eve("POST", f"/api/uploads/{upload}/resume").json()["attempt"] == 2
    assert offered(database, eve) == [upload]


def test_a_deleted_upload_is_gone_from_every_address(eve, database, upload):
    assert eve("DELETE", f"/api/uploads/{upload}").status_code == 204
    assert eve("GET", f"/api/uploads/{upload}").status_code == 404
    assert eve("GET", "/api/uploads").json()["total"] == 0
    assert offered(database, eve) == []


def test_lists_are_filtered_and_leafed_through(eve, database):
    for number in range(5):
        eve("POST", "/api/uploads", json=asked(5, title=f"50% {number}"))
    eve("POST", "/api/uploads", json={"source_url": PAGE})
    with database.pipeline(UUID(eve.workspace_id)) as session:
        session.execute(update(Upload).where(Upload.title == "50% 3").values(cancelled_at=Upload.created_at))

    def total(query):
        return eve("GET", f"/api/uploads?{query}").json()["total"]

    counts = {"source=url": 1, "source=file": 5, "title=50%25": 5, "title=5_%25": 0, "cancelled=true": 1}
    counts |= {"confirmed=false": 5, "failed=false": 6, "paused=true": 0, "created_before=2020-01-01T00:00:00Z": 0}
    assert {query: total(query) for query in counts} == counts
    seen, cursor = [], ""
    while cursor is not None:
        page = eve("GET", f"/api/uploads?limit=2{cursor and f'&cursor={cursor}'}").json()
        seen += [one["id"] for one in page["data"]]
        cursor = page.get("next_cursor")
    assert len(seen) == len(set(seen)) == 6
    assert code(eve("GET", "/api/uploads?cursor=AAAA"))[0] == 400


def test_transcript_signals_and_usage_are_what_the_steps_stored(client, eve, database, upload):
    import polars as pl

    for name in ("transcript", "signals", "transcript.srt"):
        assert eve("GET", f"/api/uploads/{upload}/{name}").status_code == 404, name
    word = Word(text="Hello", start=0.0, end=0.5)
    said = Transcript(
        engine="file", engine_detail="", language="en", quality="high", word_times="measured",
        segments=(Segment(start=0.0, end=0.5, text="Hello", words=(word,)),),
    )  # fmt: skip
    table = pl.DataFrame({"time": [0.0, 0.5], "energy": [0.25, float("nan")]})
    storage, kept = client.app.state.storage(), {}

    def store(name, data):
        key = analysis_key(eve.workspace_id, upload, name)
        kept[name] = {"key": key, "size": storage.put_bytes(key, data).size, "sha256": "a" * 64}

    parquet = Path(client.app.state.settings.home) / f"{uuid4()}.parquet"
    table.write_parquet(parquet)
    store("transcript.json", msgspec.json.encode(said))
    store("transcript.srt", b"1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    store("signals.parquet", parquet.read_bytes())
    for step in ("transcript", "clip_candidates"):
        facts = {
            "started_at": Upload.created_at.type.python_type(2026, 1, 1),
            "usage": {"cpu_seconds": 1.5},
            "attempt": 1,
        }
        add_step(database, eve, upload, step, state="completed", percent=100, output={"objects": kept}, **facts)
    found = eve("GET", f"/api/uploads/{upload}/transcript").json()
    assert (found["engine"], found["segments"][0]["words"][0]["text"]) == ("file", "Hello")
    subtitles = eve("GET", f"/api/uploads/{upload}/transcript.srt")
    assert subtitles.text.startswith("1\n00:00:00,000")
    assert subtitles.headers["content-type"].startswith("application/x-subrip")
    assert eve("GET", f"/api/uploads/{upload}/signals").json() == {
        "times": [0.0, 0.5],
        "signals": {"energy": [0.25, None]},
    }
    usage = eve("GET", f"/api/uploads/{upload}/usage").json()
    assert usage["cpu_seconds"] == 3.0
    assert usage["stored_bytes"] == 2 * sum(one["size"] for one in kept.values())
