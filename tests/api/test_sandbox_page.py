"""The sandbox from approval to the page: what was published there is shown, to this machine alone."""

from datetime import UTC, datetime, timedelta

import pytest
from litestar.testing import TestClient

from cliply_api.app import create_app
from cliply_api.sandbox.routes import sits_here
from cliply_assets.posts.publisher import Publisher
from cliply_resources.database import Database, PostRow
from cliply_resources.platform_switches import start_platform, stop_platform, stopped_platforms
from cliply_resources.platforms.documents import PostContent, VideoFacts
from cliply_resources.platforms.sandbox_feed import film_path, sandbox_feed
from cliply_resources.posts.wishes import PostWish, approve, create_post
from cliply_resources.sandbox_account import connect_sandbox
from cliply_resources.storage import open_storage

FILM = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def published(api_settings):
    """A clip that was asked for, approved and published to the sandbox."""
    settings = api_settings
    with Database.open(settings) as database:
        workspace, now = database.local_workspace(), datetime.now(UTC)
        account, new = connect_sandbox(database, settings, workspace, now=now)
        assert new
        assert connect_sandbox(database, settings, workspace, now=now) == (account, False)
        storage = open_storage(settings)
        key = f"{workspace}/clips/one/v1/clip.mp4"
        storage.put_bytes(key, FILM)
        wish = PostWish(
            account_id=account,
            platform="sandbox",
            upload_id=None,
            clip_id=None,
            object_key=key,
            video=VideoFacts(size=len(FILM), sha256="0" * 64, duration=20.0, width=1080, height=1920),
            content=PostContent(title="<b>Bold</b>", caption="To the sandbox"),
            due_at=now,
            tolerance_seconds=3600,
            needs_approval=True,
        )
        with database.api(workspace) as session:
            post = create_post(session, wish, prepare_seconds=600).id
        with database.api(workspace) as session:
            approve(session, post, workspace, prepare_seconds=600)
        assert Publisher(database, storage, settings).run(idle_seconds=0.5) == 1
        with database.api(workspace) as session:
            yield session.get_one(PostRow, (workspace, post))


@pytest.fixture(scope="module")
def browser(api_settings, published):
    """A browser on this machine."""
    app = create_app(api_settings)
    whole = app.asgi_handler

    async def from_here(scope, receive, send):
        await whole(scope | {"client": ("127.0.0.1", 5)} if scope["type"] == "http" else scope, receive, send)

    app.asgi_handler = from_here
    with TestClient(app, base_url="http://127.0.0.1:8000") as opened:
        yield opened


def test_an_approved_clip_is_published_and_shows_on_the_page(browser, published):
    found = browser.get("/sandbox/posts").json()["posts"]
    assert [(post["id"], post["caption"], post["title"]) for post in found] == [
        (published.remote_id, "To the sandbox", "<b>Bold</b>")
    ]
    assert published.url.endswith(f"/sandbox#{published.remote_id}")
    film = browser.get(found[0]["film"])
    assert (film.status_code, film.content, film.headers["content-type"]) == (200, FILM, "video/mp4")
    part = browser.get(found[0]["film"], headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, FILM[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(FILM)}"
    assert browser.get(found[0]["film"], headers={"Range": "bytes=99999999-"}).status_code == 416


def test_the_page_says_what_it_is_and_loads_nothing_from_anywhere(browser):
    reply = browser.get("/sandbox")
    assert "Every number is made up" in reply.text
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "//" not in reply.text.replace("</", "<")
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
        found = browser.get(f"/sandbox/files/{name}")
        assert (found.status_code, found.headers["content-type"].split(";")[0]) == (200, kind)
    assert "innerHTML" not in browser.get("/sandbox/files/page.js").text


def test_the_numbers_grow_and_never_fall(api_settings, published):
    seen = [
        sandbox_feed(api_settings.home, published.published_at + timedelta(minutes=minutes))[0].numbers.views
        for minutes in (0, 1, 5, 60, 600, 6000)
    ]
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[1] > 0


@pytest.mark.parametrize(
    "address", ["/sandbox/films/x/y", "/sandbox/films/..%2f..%2fvault/keys", "/sandbox/files/routes.py"]
)
def test_nothing_but_the_sandbox_is_reached(browser, address):
    assert browser.get(address).status_code == 404


def test_no_name_leads_out_of_the_folder(api_settings):
    assert film_path(api_settings.home, "..", "sb00000000000000") is None
    assert film_path(api_settings.home, "0" * 16, "../../vault") is None


def test_only_a_browser_on_this_machine_sees_it(client, browser):
    assert client.get("/sandbox").status_code == 404
    assert browser.get("/sandbox", headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 404
    assert browser.get("/sandbox/posts", headers={"Host": "cliply.example.com"}).status_code == 404
    assert sits_here("127.0.0.1", "localhost:8000", ())
    assert sits_here("::1", "[::1]:8000", ("accept",))
    assert sits_here("::1", "[::1]", ())
    assert not sits_here("10.0.0.3", "localhost", ())
    assert not sits_here("127.0.0.1", "localhost.evil.example", ())


def test_a_setting_switches_the_page_off_or_opens_it(api_settings, published):
    for chosen, status in (("off", 404), ("everybody", 200)):
        settings = api_settings.model_copy(update={"sandbox_page": chosen})
        with TestClient(create_app(settings), base_url="http://cliply.example.com") as opened:
            assert opened.get("/sandbox").status_code == status


def test_an_operator_stops_a_platform_and_starts_it_again(api_settings):
    with Database.open(api_settings) as database:
        stop_platform(database, "tiktok", "TikTok is down.")
        stop_platform(database, "tiktok", "TikTok is down until noon.")
        assert {name: row.reason for name, row in stopped_platforms(database).items()} == {
            "tiktok": "TikTok is down until noon."
        }
        assert start_platform(database, "tiktok")
        assert not start_platform(database, "tiktok")
        assert stopped_platforms(database) == {}
