"""Asking for new versions of clips over HTTP; nothing renders here."""

from uuid import UUID, uuid4

import msgspec
import pytest
import sqlalchemy as sa
from api_people import join, sign_up
from clip_rows import add_clip, add_render, add_upload

from cliply_assets.partitions import REQUEST_TAG
from cliply_assets.renders.wishes import WishRecords
from cliply_resources.database import Render, Upload, UploadStep
from cliply_resources.documents import ClipSettings, Segment, Transcript, Word
from cliply_resources.storage import analysis_key
from sensors.render_wishes import wish_requests

FILM_SECONDS = 600.0


@pytest.fixture(scope="module")
def rows(client):
    """Opens a transaction of a workspace as the pipeline."""
    return lambda person: client.app.state.database.pipeline(UUID(person.workspace_id))


@pytest.fixture
def owner(client):
    return sign_up(client, "owner")


@pytest.fixture
def upload(client, rows, owner):
    """An analyzed upload whose speaker says a word of half a second every second."""
    words = tuple(Word(text=f"w{second}", start=float(second), end=second + 0.5) for second in range(600))
    transcript = Transcript(
        engine="file",
        engine_detail="",
        language="en",
        quality="high",
        word_times="measured",
        segments=(Segment(start=0.0, end=599.5, text=" ".join(word.text for word in words), words=words),),
    )
    with rows(owner) as session:
        made = add_upload(session)
        key = analysis_key(owner.workspace_id, made, "transcript.json")
        stored = client.app.state.storage().put_bytes(key, msgspec.json.encode(transcript))
        objects = {"transcript.json": {"key": key, "size": stored.size, "sha256": stored.sha256}}
        of_transcript = (UploadStep.upload_id == made, UploadStep.step == "transcript")
        session.execute(sa.update(UploadStep).where(*of_transcript).values(output={"objects": objects}))
        told = {"duration_seconds": FILM_SECONDS}
        session.add(UploadStep(upload_id=made, step="source_video", state="completed", summary=told))
        return made


@pytest.fixture
def clip(rows, owner, upload):
    with rows(owner) as session:
        return add_clip(session, upload)


@pytest.fixture
def wishes(client, owner):
    return WishRecords(client.app.state.database, UUID(owner.workspace_id))


def code(reply):
    return reply.status_code, reply.json()["error"]["code"]


def wish_for(owner, clip, **body):
    reply = owner("POST", f"/api/clips/{clip}/rerender", json=body)
    assert reply.status_code == 202, reply.text
    return reply.json()


def test_what_is_not_named_stays_as_it_is(rows, owner, clip):
    asked = wish_for(owner, clip)
    assert (asked["aspects"], asked["style"], asked["state"]) == (["9:16", "1:1"], "highlight_word", "waiting")
    assert (asked["start_s"], asked["end_s"]) == (100.0, 130.0)
    with rows(owner) as session:
        add_render(session, clip)
    assert wish_for(owner, clip)["style"] == "karaoke", "as the newest version is"


def test_asked_twice_it_is_wanted_once_and_other_settings_are_another_wish(owner, clip):
    first, again = wish_for(owner, clip, aspects=["1:1"]), wish_for(owner, clip, aspects=["1:1", "1:1"])
    assert first == again
    assert wish_for(owner, clip, aspects=["1:1"], style="none")["id"] != first["id"]
    owner("PATCH", f"/api/clips/{clip}", json={"title": "Another"})
    assert wish_for(owner, clip, aspects=["1:1"])["id"] != first["id"], "the title is drawn on the thumbnail"
    listed = owner("GET", f"/api/clips/{clip}/rerenders").json()
    assert listed["total"] == 3
    assert listed["data"][-1] == first
    entries = owner("GET", f"/api/workspaces/{owner.workspace_id}/audit").json()["data"]
    assert [entry["action"] for entry in entries].count("clip.rerender_asked") == 3


def test_a_layout_is_asked_for_by_name_reaches_the_pipeline_and_stays_for_the_next_time(rows, owner, clip, wishes):
    asked = wish_for(owner, clip, layout="panels", mask_profanity=True)
    assert (asked["layout"], asked["mask_profanity"]) == ("panels", True)
    assert wish_for(owner, clip)["id"] != asked["id"]
    claimed = wishes.claim(UUID(asked["id"]))
    assert claimed is not None
    facts = wishes.begin(UUID(asked["id"]), claimed.attempt, deadline_seconds=60)
    assert facts is not None
    assert facts.options == {"layout": "panels", "mask_profanity": True}
    wishes.finish(UUID(asked["id"]), claimed.attempt, {"9:16": 1})
    with rows(owner) as session:
        add_render(session, clip)
        session.flush()
        session.execute(sa.update(Render).where(Render.clip_id == clip).values(options=dict(facts.options)))
    again = wish_for(owner, clip, style="bounce")
    assert (again["layout"], again["mask_profanity"], again["style"]) == ("panels", True, "bounce")
    assert owner("POST", f"/api/clips/{clip}/rerender", json={"layout": "round"}).status_code == 400


def test_what_is_done_to_the_sound_is_asked_for_reaches_the_pipeline_and_is_told(rows, owner, clip, wishes):
    song = {"key": "w/brands/brought/a.mp3", "sha256": "a" * 64, "name": "song.mp3", "integrated_lufs": -16.0}
    sound = {"removed_s": 2.4, "removed_words": 3, "noise_reduced_db": 9.5}
    with rows(owner) as session:
        add_render(session, clip)
        session.flush()
        session.execute(sa.update(Render).where(Render.clip_id == clip).values(options={"music": song}, sound=sound))
    asked = wish_for(owner, clip, tighten="tight", denoise="off")
    assert (asked["tighten"], asked["denoise"], asked["music"]) == ("tight", "off", "song.mp3")
    claimed = wishes.claim(UUID(asked["id"]))
    facts = wishes.begin(UUID(asked["id"]), claimed.attempt, deadline_seconds=60)
    assert facts.options == {"music": song, "tighten": "tight", "denoise": "off"}
    settings = msgspec.convert(facts.options, ClipSettings)
    assert (settings.tighten, settings.music.name) == ("tight", "song.mp3")
    assert wish_for(owner, clip, music="none")["music"] is None
    assert owner("POST", f"/api/clips/{clip}/rerender", json={"tighten": "a bit"}).status_code == 400
    version = owner("GET", f"/api/clips/{clip}").json()["newest"][0]
    told = {name: version[name] for name in (*sound, "tighten", "denoise", "music")}
    assert told == {**sound, "tighten": "off", "denoise": "auto", "music": "song.mp3"}


def test_another_span_is_moved_to_words_and_holds_for_the_clip_once_it_is_rendered(owner, clip, wishes):
    comment = {"text": "here", "at_s": 10}
    owner("POST", f"/api/clips/{clip}/comments", json=comment)
    asked = wish_for(owner, clip, start_s=94.9, end_s=140.6)
    assert (asked["start_s"], asked["end_s"]) == (94.85, 140.8)
    assert owner("GET", f"/api/clips/{clip}").json()["start_s"] == 100.0
    claimed = wishes.claim(UUID(asked["id"]))
    assert wishes.begin(claimed.wish_id, claimed.attempt, deadline_seconds=60).candidate.start == 94.85
    wishes.finish(claimed.wish_id, claimed.attempt, {"9:16": 2})
    found = owner("GET", f"/api/clips/{clip}").json()
    assert (found["start_s"], found["end_s"], found["duration_s"]) == (94.85, 140.8, 45.95)
    assert found["edited_at"]
    done = owner("GET", f"/api/clips/{clip}/rerenders/{asked['id']}").json()
    assert (done["state"], done["versions"]) == ("done", {"9:16": 2})
    moved = owner("GET", f"/api/clips/{clip}/comments").json()["data"][0]
    assert (moved["at_s"], moved["source_s"]) == (15.15, 110.0), "a comment stays with its picture"
    tighter = wish_for(owner, clip, start_s=120)
    assert (tighter["start_s"], tighter["end_s"]) == (119.85, 140.8), "the other boundary stays"


def test_a_boundary_that_nobody_named_stays_where_it_is(owner, clip):
    assert wish_for(owner, clip, start_s=110)["end_s"] == 130.0, "although a word would end elsewhere"


@pytest.mark.parametrize("wrong", [{"start_s": 129}, {"end_s": 700}, {"start_s": 140}])
def test_a_span_that_is_no_clip_is_refused(owner, clip, wrong):
    assert code(owner("POST", f"/api/clips/{clip}/rerender", json=wrong)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "wrong", [{"aspects": []}, {"aspects": ["2:3"]}, {"style": "wild"}, {"start_s": -1}, {"speed": 2}]
)
def test_what_cannot_be_rendered_is_refused(owner, clip, wrong):
    assert code(owner("POST", f"/api/clips/{clip}/rerender", json=wrong)) == (400, "VALIDATION_FAILED")


def test_nothing_is_rendered_of_what_nobody_works_on(owner, upload, clip, ask):
    def refused():
        return code(owner("POST", f"/api/clips/{clip}/rerender", json={}))

    owner("POST", f"/api/clips/{clip}/reject", json={})
    assert refused() == (409, "CONFLICT")
    owner("POST", f"/api/clips/{clip}/approve")
    for moment in ("paused_at", "cancelled_at"):
        ask(f"UPDATE uploads SET {moment} = now() WHERE id = %s", upload)
        assert refused() == (409, "CONFLICT")
        ask(f"UPDATE uploads SET {moment} = NULL WHERE id = %s", upload)
    assert owner("POST", f"/api/clips/{clip}/rerender", json={}).status_code == 202


def test_there_is_an_end_to_what_may_wait(owner, clip):
    for second in range(10):
        wish_for(owner, clip, start_s=80 + second)
    assert code(owner("POST", f"/api/clips/{clip}/rerender", json={"start_s": 70})) == (409, "CONFLICT")


def test_several_clips_are_asked_for_at_once_or_none(rows, owner, upload, clip):
    with rows(owner) as session:
        other = add_clip(session, upload, rank=2)
    body = {"clip_ids": [str(clip), str(other)], "aspects": ["4:5"]}
    made = owner("POST", "/api/clips/batch/rerender", json=body)
    assert made.status_code == 202
    assert [one["clip_id"] for one in made.json()["rerenders"]] == [str(clip), str(other)]
    unknown = owner("POST", "/api/clips/batch/rerender", json={"clip_ids": [str(clip), str(uuid4())], "style": "none"})
    assert code(unknown) == (404, "NOT_FOUND")
    assert owner("GET", f"/api/clips/{clip}/rerenders").json()["total"] == 1


def test_a_viewer_looks_and_does_not_ask(client, owner, clip):
    viewer = join(client, owner, "viewer")
    assert viewer("GET", f"/api/clips/{clip}/rerenders").status_code == 200
    assert code(viewer("POST", f"/api/clips/{clip}/rerender", json={})) == (403, "FORBIDDEN")


def test_another_workspaces_wish_answers_like_a_made_up_one(owner, stranger, clip):
    asked = wish_for(owner, clip)
    for method, path in (("POST", "rerender"), ("GET", "rerenders"), ("GET", f"rerenders/{asked['id']}")):
        body = {} if method == "POST" else None
        answers = [stranger(method, f"/api/clips/{one}/{path}", json=body) for one in (clip, uuid4())]
        assert [reply.status_code for reply in answers] == [404, 404]
        assert len({reply.json()["error"]["message"] for reply in answers}) == 1
    assert code(owner("GET", f"/api/clips/{clip}/rerenders/{uuid4()}")) == (404, "NOT_FOUND")


class TestClaims:
    """Runs come and go; a wish is fulfilled by one of them."""

    def test_of_two_ticks_one_claims_it(self, owner, clip, wishes):
        wish = UUID(wish_for(owner, clip)["id"])
        assert wishes.claim(wish).attempt == 1
        assert wishes.claim(wish) is None

    def test_a_lost_claim_is_taken_again_and_the_late_run_does_nothing(self, owner, clip, wishes, ask):
        wish = UUID(wish_for(owner, clip)["id"])
        wishes.claim(wish)
        ask("UPDATE render_wishes SET deadline_at = now() - interval '1 s' WHERE id = %s", wish)
        assert wishes.claim(wish).attempt == 2
        assert wishes.begin(wish, 1, deadline_seconds=60) is None
        assert wishes.begin(wish, 2, deadline_seconds=60) is not None
        wishes.finish(wish, 1, {"9:16": 1})
        assert ask("SELECT state FROM render_wishes WHERE id = %s", wish) == [("running",)]

    def test_what_is_cut_off_again_and_again_fails_and_says_so(self, owner, clip, wishes, ask):
        wish = UUID(wish_for(owner, clip)["id"])
        for _ in range(5):
            assert wishes.claim(wish) is not None
            ask("UPDATE render_wishes SET deadline_at = now() - interval '1 s' WHERE id = %s", wish)
        assert wishes.claim(wish) is None
        found = owner("GET", f"/api/clips/{clip}/rerenders/{wish}").json()
        assert found["state"] == "failed"
        assert "5 times" in found["reason"]

    def test_a_clip_that_was_deleted_meanwhile_is_not_rendered(self, owner, clip, wishes, ask):
        wish = UUID(wish_for(owner, clip)["id"])
        claimed = wishes.claim(wish)
        owner("DELETE", f"/api/clips/{clip}")
        assert wishes.begin(wish, claimed.attempt, deadline_seconds=60) is None
        assert ask("SELECT state, reason FROM render_wishes WHERE id = %s", wish) == [
            ("failed", "The clip was deleted.")
        ]

    def test_its_states_are_told_as_events(self, owner, clip, wishes, ask):
        wish = UUID(wish_for(owner, clip)["id"])
        claimed = wishes.claim(wish)
        wishes.begin(wish, claimed.attempt, deadline_seconds=60)
        wishes.fail(wish, claimed.attempt, "No.")
        told = ask("SELECT kind FROM events WHERE payload->>'rerender' = %s ORDER BY seq", str(wish))
        assert [kind for (kind,) in told] == [
            "rerender.open",
            "rerender.claimed",
            "rerender.running",
            "rerender.failed",
        ]


def test_nothing_is_rendered_or_tried_again_whose_film_was_deleted(rows, owner, upload, clip):
    for kind, remedy in (("stored", "upload the film again"), ("url", "Retry the upload first")):
        with rows(owner) as session:
            session.execute(sa.update(Upload).values(expired_at=sa.func.now(), source_kind=kind))
        reply = owner("POST", f"/api/clips/{clip}/rerender", json={"style": "none"})
        assert code(reply) == (409, "CONFLICT")
        assert remedy in reply.json()["error"]["message"]
        again = owner("POST", f"/api/uploads/{upload}/retry")
        assert again.status_code == (409 if kind == "stored" else 200), again.text


def test_a_wish_carries_the_request_that_asked_for_it(rows, owner, clip, wishes):
    asked = {"X-Request-Id": "request-4711", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    made = owner("POST", f"/api/clips/{clip}/rerender", json={"style": "none"}, headers=asked)
    assert made.headers["X-Request-Id"] == "request-4711"
    claimed = wishes.claim(UUID(made.json()["id"]))
    assert claimed.request_id == f"request-4711~{'a' * 32}-{'b' * 16}"
    assert wish_requests([claimed])[0].tags[REQUEST_TAG] == claimed.request_id


def test_a_rendering_that_failed_is_made_again_and_the_uploads_own_run_is_not_started(
    rows, owner, upload, clip, wishes
):
    wish = UUID(wish_for(owner, clip, style="none")["id"])

    def fails():
        claim = wishes.claim(wish)
        assert wishes.begin(wish, claim.attempt, deadline_seconds=60) is not None
        wishes.fail(wish, claim.attempt, "It broke.")
        key = {"upload_id": upload, "step": "rerender", "part": wish.hex}
        with rows(owner) as session:
            session.merge(UploadStep(workspace_id=UUID(owner.workspace_id), **key, state="running"))
        with rows(owner) as session:
            session.execute(sa.update(UploadStep).where(UploadStep.part == wish.hex).values(state="failed"))

    def letters():
        return owner("GET", "/api/dead-letters?step=rerender").json()["total"]

    for _ in range(2):
        fails()
        assert letters() == 1
        chosen = {"upload_ids": [str(upload)]}
        assert owner("POST", "/api/dead-letters/retry", json=chosen).json() == chosen
        assert owner("POST", "/api/dead-letters/retry", json=chosen).json() == {"upload_ids": []}
        assert letters() == 0
        assert owner("GET", f"/api/clips/{clip}/rerenders/{wish}").json()["state"] == "waiting"
        assert owner("GET", f"/api/uploads/{upload}").json()["upload"]["attempt"] == 1
