"""Captions as people ask for them over HTTP: a style of one's own, speakers' colours, emoji, and the hook line on the picture."""

from uuid import UUID

import msgspec
import pytest
from api_people import sign_up
from clip_rows import add_clip, add_upload

from cliply_assets.renders.own_styles import own_style
from cliply_assets.renders.wishes import WishRecords
from cliply_resources.database import Clip, Upload
from cliply_resources.documents import ClipSettings, UploadSettings

URL = "https://www.youtube.com/watch?v=abcdefghijk"
MINE = own_style({"name": "Acme", "based_on": "karaoke", "active_colour": "#FF3366"}, called="acme")
LOOK = msgspec.to_builtins(MINE)


@pytest.fixture
def owner(client):
    return sign_up(client, "owner")


@pytest.fixture(scope="module")
def database(client):
    return client.app.state.database


@pytest.fixture
def clip(database, owner):
    with database.pipeline(UUID(owner.workspace_id)) as session:
        return add_clip(session, add_upload(session))


def upload(person, video, **settings):
    reply = person("POST", "/api/uploads", json={"source_url": f"{URL[:-2]}{video:02d}", "settings": settings})
    assert reply.status_code == 201, reply.text
    return reply.json()["upload"]


def stored(database, person, upload_id):
    with database.pipeline(UUID(person.workspace_id)) as session:
        row = session.get_one(Upload, (UUID(person.workspace_id), UUID(upload_id)))
        return msgspec.convert(row.settings, UploadSettings)


def rerender(person, clip, **settings):
    reply = person("POST", f"/api/clips/{clip}/rerender", json=settings)
    assert reply.status_code == 202, reply.text
    return reply.json()


def test_an_upload_takes_a_style_of_ones_own_and_says_what_it_is_called(database, owner):
    made = upload(owner, 1, look=LOOK, speaker_colours=True, emoji=True, show_hook=True)

    assert (made["settings"]["look"], made["settings"]["style"]) == ("Acme", "karaoke")
    assert [made["settings"][name] for name in ("speaker_colours", "emoji", "show_hook")] == [True, True, True]
    settings = stored(database, owner, made["id"])
    assert (settings.look, settings.style, settings.show_hook) == (MINE, "karaoke", True)


def test_what_was_not_said_is_left_to_cliply_and_has_no_part_in_what_names_the_work(database, owner):
    made = upload(owner, 2)

    assert [made["settings"][name] for name in ("look", "speaker_colours", "emoji", "show_hook")] == [
        None,
        None,
        False,
        False,
    ]
    assert stored(database, owner, made["id"]).chosen == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [({"size": 900}, "size"), ({"colour": "red"}, "colour"), ({"fnt": 1}, "fnt"), ({"name": "\x00"}, "name")],
)
def test_a_style_that_cannot_be_used_is_refused_with_its_field(owner, change, field):
    reply = owner("POST", "/api/uploads", json={"source_url": URL, "settings": {"look": {**LOOK, **change}}})

    assert reply.status_code == 400
    assert field in reply.text


def test_a_kit_keeps_a_style_that_uploads_have_unless_they_name_another(database, owner):
    body = {"name": "Acme", "style": "bounce", "look": LOOK, "is_default": True}
    kit = owner("POST", "/api/brand-kits", json=body).json()
    assert kit["look"]["name"] == "Acme"

    by_default, named = upload(owner, 3), upload(owner, 4, style="pop_in")
    assert (by_default["settings"]["look"], by_default["settings"]["style"]) == ("Acme", "karaoke")
    assert (named["settings"]["look"], named["settings"]["style"]) == (None, "pop_in")

    changed = owner("PATCH", f"/api/brand-kits/{kit['id']}", json={"look": None}).json()
    assert changed["look"] is None
    assert upload(owner, 5)["settings"]["style"] == "bounce"
    assert stored(database, owner, by_default["id"]).look == MINE


def test_a_wish_carries_the_style_to_who_renders_it_and_keeps_it_until_another_is_named(database, owner, clip):
    asked = rerender(owner, clip, look=LOOK, emoji=True, speaker_colours=False)
    assert (asked["look"], asked["style"], asked["emoji"], asked["speaker_colours"]) == ("Acme", "karaoke", True, False)

    records = WishRecords(database, UUID(owner.workspace_id))
    claimed = records.claim(UUID(asked["id"]))
    facts = records.begin(claimed.wish_id, claimed.attempt, deadline_seconds=60)
    settings = msgspec.convert({"aspect": "9:16", "style": facts.style, **facts.options}, ClipSettings)
    assert (settings.look, settings.emoji, settings.speaker_colours) == (MINE, True, False)

    assert rerender(owner, clip, style="bounce")["look"] is None


def test_the_hook_is_shown_changed_and_part_of_a_wish_that_draws_it(database, owner, clip):
    assert owner("GET", f"/api/clips/{clip}").json()["hook"] == "We shipped a year too late"
    first = rerender(owner, clip, show_hook=True)

    changed = owner("PATCH", f"/api/clips/{clip}", json={"hook": "  Nobody saw it coming "})
    assert changed.json()["hook"] == "Nobody saw it coming"
    with database.pipeline(UUID(owner.workspace_id)) as session:
        assert session.get_one(Clip, (UUID(owner.workspace_id), UUID(str(clip)))).hook == "Nobody saw it coming"
    assert rerender(owner, clip, show_hook=True)["id"] != first["id"]
    assert owner("PATCH", f"/api/clips/{clip}", json={"hook": "x" * 201}).status_code == 400
