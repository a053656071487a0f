"""Planning posts over HTTP, and publishing them to the sandbox for real."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from api_people import join, sign_up
from clip_rows import add_clip, add_render, add_upload

from cliply_assets.posts.publisher import Publisher
from cliply_resources.database import AccountRow, PostAttempt, PostRow
from cliply_resources.errors import CallerError
from cliply_resources.posts.times import moment_of, zone_named

SIZE = 250_000


class Studio:
    """A workspace with clips and accounts of the sandbox."""

    def __init__(self, person, database, storage, settings):
        self.person, self.database, self.storage, self.settings = person, database, storage, settings
        self.workspace = UUID(person.workspace_id)
        with self.database.pipeline(self.workspace) as session:
            self.upload = add_upload(session)
        self.rank = 0

    def clip(self, **facts):
        self.rank += 1
        with self.database.pipeline(self.workspace) as session:
            clip = add_clip(session, self.upload, rank=self.rank, **facts)
            keys = add_render(session, clip)
        self.storage.put_bytes(keys["video"], bytes(SIZE))
        return str(clip)

    def account(self):
        return self.person("POST", "/api/accounts/sandbox").json()["id"]

    def create(self, clip=None, account=None, **more):
        body = {"clip_id": clip or self.clip(), "account_ids": [account or self.account()], **more}
        return self.person("POST", "/api/posts", json=body)

    def post(self, **more):
        made = self.create(**{"due_at": later(hours=1), **more})
        assert made.status_code == 201, made.text
        [post] = made.json()["posts"]
        return post

    def set(self, post, **values):
        with self.database.pipeline(self.workspace) as session:
            row = session.get_one(PostRow, (self.workspace, UUID(post["id"])))
            for name, value in values.items():
                setattr(row, name, value)

    def publish(self):
        Publisher(self.database, self.storage, self.settings).run(idle_seconds=0.0)

    def get(self, post):
        return self.person("GET", f"/api/posts/{post['id']}").json()


def later(**delta):
    return (datetime.now(UTC) + timedelta(**delta)).replace(microsecond=0).isoformat()


@pytest.fixture
def studio(client, shared_database, api_settings):
    return Studio(sign_up(client, "una"), shared_database, client.app.state.storage(), api_settings)


def details(reply):
    return {one["field"]: one["message"] for one in reply.json()["error"]["details"]}


def test_a_clip_is_published_now_and_says_where(studio):
    post = studio.post(due_at=later())
    assert (post["state"], post["platform"], post["content"]["title"]) == (
        "due", "sandbox", "Why the first version failed",
    )  # fmt: skip
    assert post["content"]["caption"] == "It was ready too late.\n\n#startup"
    studio.publish()
    shown = studio.get(post)
    assert shown["state"] == "published", shown
    assert shown["url"].startswith("http")
    assert shown["can"] == ["refresh", "edit_published", "delete_published"]
    commits = [one for one in shown["attempts"] if one["kind"] == "commit"]
    assert [(one["outcome"], one["resolution"]) for one in commits] == [("ok", "applied")]
    assert studio.person("GET", f"/api/uploads/{studio.upload}").json()["upload"]["state"] == "completed"


def test_each_account_gets_a_post_of_its_own_and_asking_again_none(studio):
    accounts = [studio.account(), studio.account()]
    body = {"clip_id": studio.clip(), "account_ids": accounts, "due_at": later(hours=2)}
    made = studio.person("POST", "/api/posts", json=body).json()["posts"]
    assert [one["account_id"] for one in made] == accounts
    again = studio.person("POST", "/api/posts", json=body).json()["posts"]
    assert [one["id"] for one in again] == [one["id"] for one in made]
    assert studio.person("GET", f"/api/uploads/{studio.upload}").json()["upload"]["state"] == "publishing"
    listed = studio.person("GET", "/api/uploads?state=publishing").json()["data"]
    assert [one["id"] for one in listed] == [str(studio.upload)]


def test_everything_that_would_be_refused_is_said_at_once(studio):
    content = {"title": "t" * 101, "caption": "c" * 2201, "visibility": "friends"}
    refused = studio.create(content=content)
    assert refused.status_code == 400
    said = details(refused)
    assert set(said) == {"content.title", "content.caption", "content.visibility"}
    assert "101 characters" in said["content.title"]
    assert studio.person("GET", "/api/posts").json()["total"] == 0


def test_what_is_said_for_one_platform_wins_there(studio):
    post = studio.post(content={"title": "A", "caption": "B"}, by_platform={"sandbox": {"title": "C"}})
    assert (post["content"]["title"], post["content"]["caption"]) == ("C", "B")


def test_default_accounts_and_templates_are_taken(studio):
    account = studio.account()
    body = {"title": "{hook}!", "caption": "{hashtags}", "visibility": "unlisted", "account_ids": [account]}
    assert studio.person("PUT", "/api/accounts/defaults/sandbox", json=body).status_code == 200
    made = studio.person("POST", "/api/posts", json={"clip_id": studio.clip(), "due_at": later(hours=1)})
    [post] = made.json()["posts"]
    assert post["content"]["title"] == "We shipped a year too late!"
    assert (post["content"]["caption"], post["content"]["visibility"]) == ("#startup", "unlisted")


def test_what_a_default_account_may_do_is_asked_like_that_of_a_named_one(studio, ask):
    account, clip = studio.account(), studio.clip()
    studio.person("PUT", "/api/accounts/defaults/sandbox", json={"account_ids": [account]})
    query = "SELECT limits->>'asked_at' FROM accounts WHERE id = %s"
    for path, body in (("/api/posts", {"clip_id": clip}), ("/api/posts/bulk", {"clip_ids": [clip]})):
        ask("UPDATE accounts SET limits = '{}' WHERE id = %s RETURNING id", account)
        assert studio.person("POST", path, json={**body, "due_at": later(hours=1)}).status_code == 201
        [(asked_at,)] = ask(query, account)
        assert asked_at is not None


def test_without_any_account_nothing_is_published_anywhere(studio):
    refused = studio.person("POST", "/api/posts", json={"clip_id": studio.clip()})
    assert refused.status_code == 400
    assert "at least one account" in refused.json()["error"]["message"]


@pytest.mark.parametrize("body", [
    {"due_at": "2020-01-01T00:00:00Z"},
    {"due_at": "2999-01-01T00:00:00Z"},
    {"due_at": "2026-12-01T10:00:00"},
    {"local_time": "2026-02-30T10:00"},
    {"local_time": "2027-01-05T10:00", "time_zone": "Mars/Olympus"},
    {"local_time": "2027-01-05T10:00", "due_at": "2027-01-05T10:00:00Z"},
    {"tolerance_seconds": 0},
    {"by_platform": {"myspace": {}}},
])  # fmt: skip
def test_a_moment_that_is_none_is_refused(studio, body):
    refused = studio.create(**body)
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["message"]


def test_local_times_are_those_of_the_workspace_or_of_a_named_zone(studio):
    place = f"/api/workspaces/{studio.workspace}"
    changed = studio.person("PATCH", place, json={"time_zone": "America/New_York"})
    assert changed.json()["time_zone"] == "America/New_York"
    assert studio.person("PATCH", place, json={"time_zone": "Mars/Olympus"}).status_code == 400
    year = datetime.now(UTC).year + (datetime.now(UTC).month > 6)
    made = studio.create(local_time=f"{year}-07-01T09:00").json()
    made = made if "posts" in made else studio.create(local_time=f"{year + 1}-01-10T09:00").json()
    [post] = made["posts"]
    assert post["local_time"][11:16] == "09:00"
    assert post["local_time"][-6:] in {"-04:00", "-05:00"}


def clock(text):
    return datetime.fromisoformat(text)


def test_clocks_that_are_put_forward_and_back_are_told_of():
    berlin = zone_named("Europe/Berlin")
    assert moment_of(clock("2026-07-01T09:00"), berlin) == datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert moment_of(clock("2026-12-01T09:00"), berlin) == datetime(2026, 12, 1, 8, tzinfo=UTC)
    with pytest.raises(CallerError, match="never show 2026-03-29 02:30"):
        moment_of(clock("2026-03-29T02:30"), berlin)
    with pytest.raises(CallerError, match="twice: at 00:30 and at 01:30 UTC"):
        moment_of(clock("2026-10-25T02:30"), berlin)
    assert moment_of(clock("2026-10-25T02:30"), berlin, "earlier") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert moment_of(clock("2026-10-25T02:30"), berlin, "later") == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert moment_of(clock("2026-04-05T01:45"), zone_named("Australia/Lord_Howe"), "later").minute == 15


def test_in_bulk_each_accounts_posts_are_apart_also_from_those_it_has(studio):
    account, other = studio.account(), studio.account()
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    studio.post(account=account, due_at=start.isoformat())
    clips = [studio.clip(), studio.clip()]
    body = {"clip_ids": clips, "account_ids": [account, other], "due_at": start.isoformat(), "spacing_seconds": 600}
    made = studio.person("POST", "/api/posts/bulk", json=body)
    assert made.status_code == 201, made.text
    times = {(one["clip_id"], one["account_id"]): datetime.fromisoformat(one["due_at"]) for one in made.json()["posts"]}
    apart = timedelta(seconds=600)
    assert [times[clip, other] for clip in clips] == [start, start + apart]
    assert [times[clip, account] for clip in clips] == [start + apart, start + 2 * apart]


def test_in_bulk_the_default_accounts_and_the_gap_of_the_platform_are_taken(studio):
    accounts = [studio.account(), studio.account()]
    body = {"account_ids": accounts, "gap_seconds": 1200}
    assert studio.person("PUT", "/api/accounts/defaults/sandbox", json=body).status_code == 200
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    clips = [studio.clip(), studio.clip(), studio.clip()]
    made = studio.person("POST", "/api/posts/bulk", json={"clip_ids": clips, "due_at": start.isoformat()})
    assert made.status_code == 201, made.text
    times = {(one["clip_id"], one["account_id"]): datetime.fromisoformat(one["due_at"]) for one in made.json()["posts"]}
    for account in accounts:
        gaps = [(times[clip, account] - start).total_seconds() for clip in clips]
        assert gaps == [0, 1200, 2400]


def test_as_many_default_accounts_as_a_request_may_name_and_no_more(studio, monkeypatch):
    accounts = [studio.account(), studio.account()]
    many = {"account_ids": [str(uuid4()) for _ in range(21)]}
    assert studio.person("PUT", "/api/accounts/defaults/sandbox", json=many).status_code == 400
    studio.person("PUT", "/api/accounts/defaults/sandbox", json={"account_ids": accounts})
    monkeypatch.setattr("cliply_api.posts.planning.MOST_ACCOUNTS", 1)
    refused = studio.person("POST", "/api/posts", json={"clip_id": studio.clip()})
    assert (refused.status_code, "2 default accounts" in refused.text) == (400, True)


def test_the_calendar_is_read_in_order_and_in_pages(studio):
    account = studio.account()
    made = [studio.post(account=account, due_at=later(hours=hours)) for hours in (3, 1, 2)]
    expected = [made[1]["id"], made[2]["id"], made[0]["id"]]
    first = studio.person("GET", f"/api/posts?limit=2&account_id={account}").json()
    assert first["total"] == 3
    rest = studio.person("GET", f"/api/posts?limit=2&cursor={first['next_cursor']}").json()
    assert [one["id"] for one in first["data"] + rest["data"]] == expected
    query = {"from": made[1]["due_at"], "to": made[0]["due_at"], "state": "due", "platform": "sandbox"}
    assert [one["id"] for one in studio.person("GET", "/api/posts", params=query).json()["data"]] == expected[:2]
    assert studio.person("GET", "/api/posts?from=yesterday").status_code == 400


def test_a_post_is_moved_edited_and_cancelled_until_it_is_being_published(studio):
    post = studio.post()
    path = f"/api/posts/{post['id']}"
    due = later(hours=5)
    changed = studio.person("PATCH", path, json={"due_at": due, "content": {"title": "B"}, "revision": 1}).json()
    assert (changed["content"]["title"], changed["content"]["caption"]) == ("B", post["content"]["caption"])
    assert datetime.fromisoformat(changed["due_at"]) == datetime.fromisoformat(due)
    assert changed["revision"] == 2
    stale = studio.person("PATCH", path, json={"content": {"title": "C"}, "revision": 1})
    assert stale.status_code == 409
    assert studio.person("PATCH", path, json={"content": {"title": "t" * 101}}).status_code == 400
    studio.set(post, state="committing", committed_at=datetime.now(UTC))
    for refused in (studio.person("PATCH", path, json={"due_at": due}), studio.person("POST", f"{path}/cancel")):
        assert refused.status_code == 409
        assert "is being published at this moment" in refused.json()["error"]["message"]
    studio.set(post, state="prepared", committed_at=None)
    assert studio.person("POST", f"{path}/cancel").json()["state"] == "cancelled"
    assert studio.person("POST", f"{path}/cancel").json()["state"] == "cancelled"
    assert studio.person("POST", f"{path}/retry", json={}).status_code == 409


def test_what_was_refused_is_tried_again_when_somebody_says_so(studio):
    post = studio.post()
    studio.set(post, state="rejected", reason="The platform had no time.", wake_at=None)
    assert studio.get(post)["can"] == ["retry"]
    again = studio.person("POST", f"/api/posts/{post['id']}/retry", json={})
    assert (again.json()["state"], again.json()["reason"]) == ("due", None)


def asking(studio):
    post = studio.post(due_at=later())
    now = datetime.now(UTC)
    studio.set(post, state="asking", reason="Look.", committed_at=now, wake_at=None)
    call = {"post_id": UUID(post["id"]), "lease": 1, "revision": 1, "started_at": now}
    with studio.database.pipeline(studio.workspace) as session:
        session.add(PostAttempt(step="publish", kind="commit", outcome="unknown", **call))
        session.flush()
        session.add(
            PostAttempt(step="reconcile", kind="reconcile", outcome="ok", raw="https://a/1 https://a/2", **call)
        )
    return post


def test_a_person_says_whether_a_post_in_doubt_is_there(studio):
    post = asking(studio)
    shown = studio.get(post)
    assert (shown["can"], shown["candidates"]) == (["answer"], ["https://a/1", "https://a/2"])
    path = f"/api/posts/{post['id']}/answer"
    assert studio.person("POST", path, json={"answer": "published", "url": "javascript:x"}).status_code == 400
    done = studio.person("POST", path, json={"answer": "published", "url": "https://a/1"}).json()
    assert (done["state"], done["url"]) == ("published", "https://a/1")
    assert done["attempts"][-1]["kind"] == "person"
    assert studio.person("POST", path, json={"answer": "give_up"}).status_code == 409

    post = asking(studio)
    path = f"/api/posts/{post['id']}/answer"
    assert studio.person("POST", path, json={"answer": "publish_again"}).json()["state"] == "due"
    studio.publish()
    assert studio.get(post)["state"] == "published"

    post = asking(studio)
    assert studio.person("POST", f"/api/posts/{post['id']}/answer", json={"answer": "give_up"}).json()["state"] == (
        "cancelled"
    )


def test_a_published_post_is_changed_looked_up_and_deleted_on_its_platform(studio):
    post = studio.post(due_at=later())
    path = f"/api/posts/{post['id']}"
    assert studio.person("DELETE", f"{path}/published").status_code == 409
    studio.publish()
    fixed = studio.person("PATCH", f"{path}/published", json={"visibility": "private"})
    assert fixed.status_code == 400
    assert "title, caption" in fixed.json()["error"]["message"]
    edited = studio.person("PATCH", f"{path}/published", json={"title": "Better"})
    assert edited.json()["content"]["title"] == "Better", edited.text
    assert studio.person("POST", f"{path}/refresh").json()["visibility"] == "public"
    gone = studio.person("DELETE", f"{path}/published").json()
    assert gone["removed_at"] is not None
    assert gone["can"] == []
    assert studio.person("POST", f"{path}/refresh").status_code == 409


def test_an_editor_asks_and_an_admin_decides(studio, client):
    editor = join(client, studio.person, "editor", "ed")
    account, clip = studio.account(), studio.clip()
    body = {"clip_id": clip, "account_ids": [account], "due_at": later(hours=1)}
    [asked] = editor("POST", "/api/posts", json=body).json()["posts"]
    assert asked["state"] == "requested"
    path = f"/api/posts/{asked['id']}"
    assert editor("POST", f"{path}/approve", json={}).status_code == 403
    changed = editor("PATCH", path, json={"content": {"title": "Other"}}).json()
    assert changed["state"] == "requested"
    stale = studio.person("POST", f"{path}/approve", json={"revision": asked["revision"]})
    assert stale.status_code == 409
    approved = studio.person("POST", f"{path}/approve", json={"revision": changed["revision"]}).json()
    assert (approved["state"], approved["approved_by"]) == ("due", studio.person.user_id)
    assert editor("PATCH", path, json={"content": {"title": "Sneaky"}}).status_code == 403
    assert editor("POST", f"{path}/cancel").status_code == 403

    [asked] = editor("POST", "/api/posts", json=body | {"clip_id": studio.clip()}).json()["posts"]
    declined = studio.person("POST", f"/api/posts/{asked['id']}/decline", json={"reason": "Wait."}).json()
    assert (declined["state"], declined["reason"]) == ("declined", "Wait.")


def test_caps_of_account_and_workspace_are_kept_when_planning(studio, start):
    account = studio.account()
    studio.person("PATCH", f"/api/accounts/{account}", json={"posts_per_day": 2})
    for hours in (1, 2):
        studio.post(account=account, due_at=later(hours=hours))
    refused = studio.create(account=account, due_at=later(hours=20))
    assert refused.status_code == 400
    assert "takes 2 posts in 24 hours" in details(refused)["account_ids"]
    assert studio.create(account=account, due_at=later(hours=30)).status_code == 201
    tight = start(posts_per_workspace_a_day=1)
    person = sign_up(tight, "tim")
    small = Studio(person, studio.database, tight.app.state.storage(), studio.settings)
    small.post()
    over = small.create(due_at=later(hours=2))
    assert over.status_code == 429
    assert int(over.headers["Retry-After"]) > 3600


def test_a_stopped_platform_lets_posts_wait_and_says_why(studio, ask):
    post = studio.post(due_at=later())
    ask("INSERT INTO platform_switches (platform, reason) VALUES ('sandbox', 'The sandbox is being raked.')")
    try:
        studio.publish()
        shown = studio.get(post)
        assert (shown["state"], shown["reason"]) == ("due", "The sandbox is being raked.")
    finally:
        ask("DELETE FROM platform_switches")


def test_an_account_that_is_not_connected_is_named_before_anything_is_planned(studio):
    account = studio.account()
    with studio.database.pipeline(studio.workspace) as session:
        row = session.get_one(AccountRow, (studio.workspace, UUID(account)))
        row.state, row.reason = "reconnect", "The password was changed."
    refused = studio.create(account=account)
    assert refused.status_code == 400
    assert "The password was changed. Connect it again first." in details(refused)["account_ids"]


def test_a_rejected_clip_and_one_without_a_file_are_not_published(studio):
    assert studio.create(clip=studio.clip(state="rejected")).status_code == 409
    with studio.database.pipeline(studio.workspace) as session:
        bare = str(add_clip(session, studio.upload, rank=90))
    assert studio.create(clip=bare).status_code == 404
    assert studio.create(clip=str(uuid4())).status_code == 404


def test_the_same_key_plans_once(studio):
    body = {"clip_id": studio.clip(), "account_ids": [studio.account()], "due_at": later(hours=1)}
    key = {"Idempotency-Key": uuid4().hex}
    first = studio.person("POST", "/api/posts", json=body, headers=key)
    again = studio.person("POST", "/api/posts", json=body, headers=key)
    assert (first.json(), again.headers["Idempotent-Replayed"]) == (again.json(), "true")


def test_what_becomes_of_a_post_is_told_in_events(studio, ask):
    post = studio.post(due_at=later())
    studio.publish()
    for _ in range(2):
        studio.person("PATCH", f"/api/posts/{post['id']}/published", json={"title": "Anew"})
    studio.person("DELETE", f"/api/posts/{post['id']}/published")
    told = [
        kind
        for (kind,) in ask(
            "SELECT kind FROM events WHERE workspace_id = %s AND payload->>'post' = %s ORDER BY seq",
            studio.workspace,
            post["id"],
        )
    ]
    assert told[0] == "post.due"
    assert told[-3:] == ["post.published", "post.edited", "post.removed"]
    query = "SELECT payload->'fields' FROM events WHERE kind = 'post.edited' AND workspace_id = %s"
    assert ask(query, studio.workspace) == [(["title"],)]
