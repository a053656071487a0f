"""Clips over HTTP: listed, judged, edited, talked about and downloaded."""

from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from api_people import join, sign_up
from clip_rows import KINDS, add_clip, add_render, add_upload
from sqlalchemy import event

from cliply_api.web.pages import encode_cursor
from cliply_resources.storage import open_storage
from cliply_resources.storage.signing import verify


@pytest.fixture(scope="module")
def rows(client):
    """Opens a transaction of a workspace as the pipeline."""
    return lambda person: client.app.state.database.pipeline(UUID(person.workspace_id))


@pytest.fixture
def owner(client):
    """Somebody with a workspace of their own, empty."""
    return sign_up(client, "owner")


@pytest.fixture
def upload(rows, owner):
    with rows(owner) as session:
        return add_upload(session)


@pytest.fixture
def clip(rows, owner, upload):
    with rows(owner) as session:
        return add_clip(session, upload)


def code(reply):
    return reply.status_code, reply.json()["error"]["code"]


def ids(reply):
    assert reply.status_code == 200, reply.text
    return [UUID(one["id"]) for one in reply.json()["data"]]


def audited(owner, action):
    entries = owner("GET", f"/api/workspaces/{owner.workspace_id}/audit").json()["data"]
    return [entry for entry in entries if entry["action"] == action]


class TestListing:
    def test_an_uploads_clips_come_best_first_and_filters_leave_others_out(self, rows, owner, upload):
        with rows(owner) as session:
            second = add_clip(session, upload, rank=2, score=60)
            first = add_clip(session, upload, rank=1, score=90, state="approved")
            elsewhere = add_clip(session, add_upload(session), score=75)
        listed = owner("GET", "/api/clips", params={"upload_id": str(upload)})
        assert ids(listed) == [first, second]
        assert listed.json() | {"data": []} == {"data": [], "total": 2, "page": 1, "pages": 1}
        assert ids(owner("GET", "/api/clips", params={"state": "approved"})) == [first]
        assert set(ids(owner("GET", "/api/clips", params={"min_score": 70}))) == {first, elsewhere}
        assert ids(owner("GET", "/api/clips", params={"upload_id": str(uuid4())})) == []

    @pytest.mark.parametrize("of_upload", [True, False])
    def test_pages_and_cursors_yield_every_clip_once(self, rows, owner, upload, of_upload):
        with rows(owner) as session:
            # Of equal rank and, in one transaction, of equal age: only the id tells them apart.
            made = {add_clip(session, upload, rank=1 + number // 3) for number in range(7)}
        wanted = {"limit": 3} | ({"upload_id": str(upload)} if of_upload else {})
        by_page = [one for page in (1, 2, 3) for one in ids(owner("GET", "/api/clips", params=wanted | {"page": page}))]
        by_cursor, cursor = [], {}
        while cursor is not None:
            reply = owner("GET", "/api/clips", params=wanted | cursor)
            by_cursor += ids(reply)
            assert reply.json()["total"] == 7
            following = reply.json().get("next_cursor")
            cursor = {"cursor": following} if following else None
        assert by_page == by_cursor
        assert set(by_page) == made
        assert len(by_page) == 7

    @pytest.mark.parametrize(
        "wrong",
        [
            {"limit": 101},
            {"state": "loved"},
            {"min_score": 101},
            {"upload_id": "x"},
            {"cursor": "bm9uc2Vuc2U"},
            {"page": 0},
        ],
    )
    def test_what_cannot_be_asked_is_refused(self, owner, wrong):
        assert owner("GET", "/api/clips", params=wrong).status_code == 400

    @pytest.mark.parametrize(
        "values",
        [
            (99999999999999, str(UUID(int=1))),
            (10**30, str(UUID(int=1))),
            (5, 5),
            ("0001-01-01T00:00:00Z", str(UUID(int=1))),
        ],
    )
    @pytest.mark.parametrize("of_upload", [{}, {"upload_id": str(UUID(int=1))}])
    def test_a_cursor_that_somebody_made_up_is_never_our_fault(self, owner, of_upload, values):
        reply = owner("GET", "/api/clips", params={"cursor": encode_cursor(*values), **of_upload})
        assert reply.status_code in {200, 400}

    def test_clips_of_a_deleted_upload_are_gone(self, rows, owner, upload, clip, ask):
        ask("UPDATE uploads SET deleted_at = now() WHERE id = %s", upload)
        assert ids(owner("GET", "/api/clips")) == []
        assert code(owner("GET", f"/api/clips/{clip}")) == (404, "NOT_FOUND")

    def test_a_list_takes_the_same_few_statements_however_long_it_is(self, client, rows, owner, upload):
        with rows(owner) as session:
            for rank in range(1, 21):
                add_render(session, add_clip(session, upload, rank=rank))
        database, seen = client.app.state.database, []
        with database.api(UUID(owner.workspace_id)) as session:
            engine = session.get_bind()
        listen = lambda *arguments: seen.append(arguments[2])  # noqa: E731 - removed again by name
        event.listen(engine, "before_cursor_execute", listen)
        try:
            assert len(ids(owner("GET", "/api/clips"))) == 20
        finally:
            event.remove(engine, "before_cursor_execute", listen)
        assert len([statement for statement in seen if " clips" in statement or " renders" in statement]) == 3


class TestGetting:
    def test_a_clip_says_why_it_was_chosen_where_it_comes_from_and_what_was_made_of_it(self, rows, owner, upload, clip):
        with rows(owner) as session:
            add_render(session, clip, version=1)
            add_render(session, clip, version=2, state="failed")
            add_render(session, clip, version=1, aspect="1:1")
        found = owner("GET", f"/api/clips/{clip}").json()
        assert found["subscores"] == {"hook": 91.0}
        assert found["reasons"] == ["It opens with a question."]
        assert found["hook"] == "We shipped a year too late"
        assert found["provenance"] == {
            "upload_title": "Episode 41",
            "source_kind": "url",
            "source_url": "https://example.com/41",
            "source_sha256": "a" * 64,
            "transcript_engine": "whisperx",
            "transcript_quality": "high",
            "ranker": "built-in",
        }
        versions = [(one["version"], one["aspect"], one["state"], bool(one["files"])) for one in found["versions"]]
        assert versions == [(2, "9:16", "failed", False), (1, "1:1", "ready", True), (1, "9:16", "ready", True)]
        assert [(one["version"], one["aspect"]) for one in found["newest"]] == [(2, "9:16"), (1, "1:1")]
        assert owner("GET", f"/api/clips/{clip}/versions").json()["data"] == found["versions"]
        assert found["start_s"] + found["duration_s"] == found["end_s"]
        assert "clips/" not in str(found), "object keys stay inside"

    def test_another_workspaces_clip_answers_like_a_made_up_one(self, owner, stranger, clip):
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"title": "x"}),
            ("DELETE", "", None),
            ("POST", "/approve", None),
            ("POST", "/reject", {"reason": "x"}),
            ("GET", "/versions", None),
            ("GET", "/download", None),
            ("GET", "/comments", None),
            ("POST", "/comments", {"text": "x"}),
            ("PATCH", f"/comments/{uuid4()}", {"text": "x"}),
            ("DELETE", f"/comments/{uuid4()}", None),
        ):
            answers = [stranger(method, f"/api/clips/{one}{path}", json=body) for one in (clip, uuid4())]
            errors = [reply.json()["error"] | {"trace_id": ""} for reply in answers]
            assert [reply.status_code for reply in answers] == [404, 404], (method, path)
            assert errors[0] == errors[1]
        assert owner("GET", f"/api/clips/{clip}").json()["state"] == "proposed"


class TestEditing:
    def test_words_are_changed_one_by_one_and_who_did_it_is_kept(self, owner, clip):
        path = f"/api/clips/{clip}"
        assert owner("PATCH", path, json={"title": "New"}).json()["title"] == "New"
        found = owner("PATCH", path, json={"description": "", "hashtags": ["a", "#a", "#über"]}).json()
        assert (found["title"], found["description"], found["hashtags"]) == ("New", "", ["#a", "#über"])
        assert found["edited_at"]
        assert [entry["facts"]["fields"] for entry in audited(owner, "clip.edited")] == [
            ["description", "hashtags"],
            ["title"],
        ]

    def test_nothing_is_noted_where_nothing_changed(self, owner, clip):
        title = owner("GET", f"/api/clips/{clip}").json()["title"]
        for body in ({}, {"title": title}):
            assert owner("PATCH", f"/api/clips/{clip}", json=body).json()["edited_at"] is None
        assert audited(owner, "clip.edited") == []

    @pytest.mark.parametrize(
        "wrong",
        [{"title": ""}, {"title": "a\x00b"}, {"title": "a\nb"}, {"title": None}, {"titel": "x"}, {"hashtags": ["two words"]},
         {"hashtags": ["#"]}, {"hashtags": ["a"] * 31}, {"description": "x" * 5001}, {"score": 100}],
    )  # fmt: skip
    def test_what_cannot_be_written_is_refused(self, owner, clip, wrong):
        assert code(owner("PATCH", f"/api/clips/{clip}", json=wrong)) == (400, "VALIDATION_FAILED")


class TestDeciding:
    def test_a_clip_is_rejected_with_a_reason_and_approved_after_all(self, owner, clip):
        rejected = owner("POST", f"/api/clips/{clip}/reject", json={"reason": "Off topic."}).json()
        assert (rejected["state"], rejected["reject_reason"]) == ("rejected", "Off topic.")
        assert rejected["decided_by"] == owner.user_id
        approved = owner("POST", f"/api/clips/{clip}/approve").json()
        assert (approved["state"], approved["reject_reason"]) == ("approved", "")
        owner("POST", f"/api/clips/{clip}/approve")
        [entry] = audited(owner, "clip.approved")
        assert entry["subject"] == str(clip)
        assert audited(owner, "clip.rejected")[0]["facts"] == {"reason": "Off topic."}

    def test_a_viewer_reads_and_an_editor_decides(self, client, owner, clip):
        viewer, editor = join(client, owner, "viewer"), join(client, owner, "editor", "eve")
        assert viewer("GET", f"/api/clips/{clip}").status_code == 200
        assert viewer("GET", f"/api/clips/{clip}/comments").status_code == 200
        for method, path, body in (
            ("PATCH", f"/{clip}", {"title": "x"}),
            ("DELETE", f"/{clip}", None),
            ("POST", f"/{clip}/approve", None),
            ("POST", f"/{clip}/reject", {}),
            ("POST", f"/{clip}/comments", {"text": "x"}),
            ("POST", "/batch/delete", {"clip_ids": [str(clip)]}),
        ):
            assert code(viewer(method, f"/api/clips{path}", json=body)) == (403, "FORBIDDEN"), path
        assert editor("POST", f"/api/clips/{clip}/approve").json()["decided_by"] == editor.user_id

    def test_a_deleted_clip_is_gone_and_stays_a_row(self, owner, clip, ask):
        assert owner("DELETE", f"/api/clips/{clip}").status_code == 204
        assert code(owner("GET", f"/api/clips/{clip}")) == (404, "NOT_FOUND")
        assert code(owner("DELETE", f"/api/clips/{clip}")) == (404, "NOT_FOUND")
        assert ids(owner("GET", "/api/clips")) == []
        assert ask("SELECT count(*) FROM clips WHERE id = %s", clip) == [(1,)]

    def test_decisions_are_told_as_events(self, owner, clip, ask):
        owner("POST", f"/api/clips/{clip}/approve")
        owner("PATCH", f"/api/clips/{clip}", json={"title": "Another"})
        owner("DELETE", f"/api/clips/{clip}")
        kinds = [kind for (kind,) in ask("SELECT kind FROM events WHERE payload->>'clip' = %s ORDER BY seq", str(clip))]
        assert kinds == ["clip.proposed", "clip.approved", "clip.edited", "clip.deleted"]


class TestBatches:
    @pytest.fixture
    def several(self, rows, owner, upload):
        with rows(owner) as session:
            return [str(add_clip(session, upload, rank=rank)) for rank in (1, 2, 3)]

    @pytest.mark.parametrize(("act", "state"), [("approve", "approved"), ("reject", "rejected"), ("delete", "deleted")])
    def test_all_are_decided_at_once(self, owner, several, act, state):
        body = {"clip_ids": several} | ({"reason": "Dull."} if act == "reject" else {})
        done = owner("POST", f"/api/clips/batch/{act}", json=body)
        assert done.json() == {"clip_ids": several, "state": state}
        left = owner("GET", "/api/clips").json()["data"]
        assert {one["state"] for one in left} == (set() if act == "delete" else {state})
        assert len(audited(owner, f"clip.{state}")) == 3

    def test_one_that_does_not_exist_keeps_all_as_they_were(self, rows, owner, stranger, several):
        with rows(stranger) as session:
            foreign = add_clip(session, add_upload(session))
        answers = []
        for unknown in (foreign, uuid4()):
            reply = owner("POST", "/api/clips/batch/delete", json={"clip_ids": [*several, str(unknown)]})
            assert code(reply) == (404, "NOT_FOUND")
            answers.append(reply.json()["error"] | {"trace_id": ""})
        assert answers[0] == answers[1]
        assert answers[0]["details"][0]["field"] == "clip_ids[3]"
        assert len(ids(owner("GET", "/api/clips"))) == 3

    @pytest.mark.parametrize("wrong", [[], ["x"], None, [str(UUID(int=n)) for n in range(101)]])
    def test_too_few_and_too_many_are_refused(self, owner, wrong):
        assert owner("POST", "/api/clips/batch/approve", json={"clip_ids": wrong}).status_code == 400

    def test_a_repeated_request_with_its_key_is_answered_as_the_first(self, owner, several):
        def delete():
            headers = {"Idempotency-Key": f"delete-{several[0]}"}
            return owner("POST", "/api/clips/batch/delete", json={"clip_ids": several}, headers=headers)

        first, second = delete(), delete()
        assert first.status_code == second.status_code == 200
        assert second.headers["Idempotent-Replayed"] == "true"


class TestDownloads:
    def get(self, owner, clip, **wanted):
        return owner("GET", f"/api/clips/{clip}/download", params=wanted)

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_file_has_a_link_that_lasts_an_hour_and_names_the_file(self, api_settings, rows, owner, clip, kind):
        with rows(owner) as session:
            objects = add_render(session, clip)
        link = self.get(owner, clip, file=kind).json()
        storage = open_storage(api_settings)
        url = urlsplit(link["url"])
        target = f"{url.path}?{url.query}"
        expires = datetime.fromisoformat(link["expires_at"]).timestamp()
        allowed = verify("GET", target, secret=storage.link_secret, now=expires - 1)
        assert allowed.key == objects[kind]
        assert allowed.filename == link["filename"]
        assert link["filename"].startswith("Why-the-first-version-failed-v1-9x16.")
        assert abs(allowed.expires - expires) <= 1
        assert (link["version"], link["aspect"]) == (1, "9:16")

    def test_the_newest_of_the_uploads_first_aspect_is_chosen_unless_another_is_named(self, rows, owner, clip):
        with rows(owner) as session:
            for version, aspect, state in (
                (1, "9:16", "ready"),
                (2, "9:16", "ready"),
                (3, "9:16", "failed"),
                (4, "1:1", "ready"),
            ):
                add_render(session, clip, version=version, aspect=aspect, state=state)

        def chosen(**wanted):
            link = self.get(owner, clip, **wanted).json()
            return link["version"], link["aspect"]

        assert chosen() == (2, "9:16")
        assert chosen(version=1) == (1, "9:16")
        assert chosen(aspect="1:1") == (4, "1:1")
        for missing in ({"version": 3}, {"version": 9}, {"aspect": "16:9"}):
            assert code(self.get(owner, clip, **missing)) == (404, "NOT_FOUND")

    def test_a_clip_that_is_not_rendered_has_none(self, owner, clip):
        assert code(self.get(owner, clip)) == (404, "NOT_FOUND")
        assert code(self.get(owner, clip, file="../secret")) == (400, "VALIDATION_FAILED")


class TestComments:
    def add(self, person, clip, **body):
        reply = person("POST", f"/api/clips/{clip}/comments", json={"text": "Louder?", **body})
        assert reply.status_code == 201, reply.text
        return reply.json()

    def test_they_are_listed_along_the_clip_after_those_on_the_whole(self, owner, clip):
        for second in (9, 1.5, None):
            made = self.add(owner, clip, at_s=second)
        assert made["author_id"] == owner.user_id
        listed = owner("GET", f"/api/clips/{clip}/comments").json()
        assert [one["at_s"] for one in listed["data"]] == [None, 1.5, 9]
        assert listed["data"][1]["source_s"] == pytest.approx(101.5)
        assert owner("GET", f"/api/clips/{clip}").json()["comments"] == 3

    def test_a_moment_behind_the_end_is_refused(self, owner, clip):
        reply = owner("POST", f"/api/clips/{clip}/comments", json={"text": "x", "at_s": 31})
        assert code(reply) == (400, "BAD_REQUEST")
        assert "30" in reply.json()["error"]["message"]

    @pytest.mark.parametrize(
        "wrong", [{"text": ""}, {"text": " \n"}, {"text": "a\x00"}, {"text": "a", "at_s": -1}, {"text": "x" * 5001}]
    )
    def test_what_says_nothing_is_refused(self, owner, clip, wrong):
        assert code(owner("POST", f"/api/clips/{clip}/comments", json=wrong)) == (400, "VALIDATION_FAILED")

    def test_only_its_author_changes_or_deletes_one(self, client, owner, clip):
        editor = join(client, owner, "editor", "eve")
        path = f"/api/clips/{clip}/comments/{self.add(editor, clip)['id']}"
        for method, body in (("PATCH", {"text": "mine"}), ("DELETE", None)):
            assert code(owner(method, path, json=body)) == (403, "FORBIDDEN")
        changed = editor("PATCH", path, json={"text": "Much louder?"}).json()
        assert changed["text"] == "Much louder?"
        assert changed["edited_at"]
        assert editor("DELETE", path).status_code == 204
        assert code(editor("DELETE", path)) == (404, "NOT_FOUND")
        assert [len(audited(owner, f"comment.{what}")) for what in ("added", "edited", "deleted")] == [1, 1, 1]

    def test_one_is_reached_through_its_own_clip_only(self, rows, owner, upload, clip):
        made = self.add(owner, clip)
        with rows(owner) as session:
            other = add_clip(session, upload, rank=2)
        assert code(owner("DELETE", f"/api/clips/{other}/comments/{made['id']}")) == (404, "NOT_FOUND")

    def test_sent_twice_with_a_key_it_is_there_once(self, owner, clip):
        for _ in range(2):
            reply = owner(
                "POST",
                f"/api/clips/{clip}/comments",
                json={"text": "once"},
                headers={"Idempotency-Key": f"once-{clip}"},
            )
            assert reply.status_code == 201
        assert owner("GET", f"/api/clips/{clip}/comments").json()["total"] == 1


def test_the_lists_are_served_by_their_indexes(shared_url, owner):
    """Asked with sequential scans made dear: what cannot use an index shows itself."""
    with psycopg.connect(shared_url) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_sort = off")
        for order, index in (("created_at DESC, id DESC", "clips_newest"), ("rank, id", "clips_of_upload")):
            within = f"AND upload_id = '{uuid4()}'" if index == "clips_of_upload" else ""
            plan = connection.execute(
                f"EXPLAIN SELECT * FROM clips WHERE workspace_id = %s {within} AND deleted_at IS NULL ORDER BY {order} LIMIT 20",
                [owner.workspace_id],
            ).fetchall()
            assert index in str(plan)
