"""Brand kits over HTTP: made, given files, chosen by uploads and re-renderings, which keep their copy of them."""

import io
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import msgspec
import pytest
from api_people import join, sign_up
from PIL import Image

from cliply_resources.database import Clip, Render, Upload
from cliply_resources.documents import BrandKit, UploadSettings
from cliply_resources.media_tools.ffmpeg import ffmpeg_path

URL = "https://www.youtube.com/watch?v=abcdefghijk"


@pytest.fixture
def eve(client):
    """Somebody with an empty workspace."""
    return sign_up(client, "eve")


@pytest.fixture(scope="module")
def database(client):
    return client.app.state.database


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> dict[str, tuple[bytes, str]]:
    """One good file of each kind, with its content type."""
    picture = io.BytesIO()
    Image.new("RGBA", (300, 100), (200, 30, 60, 255)).save(picture, "PNG")
    (folder,) = find_spec("font_roboto").submodule_search_locations
    outro = tmp_path_factory.mktemp("outro") / "bye.mp4"
    subprocess.run(
        [
            *(str(ffmpeg_path()), "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=c=red:s=320x240:r=25"),
            *("-f", "lavfi", "-i", "sine=f=800", "-t", "1", "-c:v", "libx264", "-pix_fmt", "yuv420p", str(outro)),
        ],
        check=True,
        timeout=60,
    )
    return {
        "logo": (picture.getvalue(), "image/png"),
        "watermark": (picture.getvalue(), "image/png"),
        "font": ((Path(folder) / "files" / "Roboto-Black.ttf").read_bytes(), "font/ttf"),
        "outro": (outro.read_bytes(), "video/mp4"),
    }


def make(person, **more):
    reply = person("POST", "/api/brand-kits", json={"name": f"Acme {uuid4().hex[:6]}", **more})
    assert reply.status_code == 201, reply.text
    return reply.json()


def announce(person, kit, kind, data, content_type):
    asked = {"kind": kind, "name": f"my {kind}", "size": len(data), "content_type": content_type}
    return person("POST", f"/api/brand-kits/{kit['id']}/files", json=asked)


def put(client, made, data):
    parts = urlsplit(made["put"]["url"])
    return client.put(f"{parts.path}?{parts.query}", content=data, headers=made["put"]["headers"])


def give(client, person, kit, kind, data, content_type):
    """A file from the announcement to the confirmation."""
    made = announce(person, kit, kind, data, content_type)
    assert made.status_code == 201, made.text
    assert put(client, made.json(), data).status_code == 204
    return person("POST", f"/api/brand-kits/{kit['id']}/files/{made.json()['id']}/confirm")


def test_a_kit_is_made_changed_listed_and_deleted(eve):
    kit = make(eve, name="Acme", style="karaoke", colours={"spoken": "#ff0088"}, logo={"corner": "top_right"})
    assert kit["colours"] == {"text": None, "spoken": "#FF0088", "outline": None, "plate": None, "background": None}
    assert kit["logo"] == {"corner": "top_right", "opacity": 1.0, "width_percent": 16.0}
    assert not kit["is_default"]

    path = f"/api/brand-kits/{kit['id']}"
    changed = eve("PATCH", path, json={"name": "Acme 2", "colours": {"spoken": None, "text": "#FFFFFF"}, "style": None})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"], changed.json()["style"]) == ("Acme 2", None)
    assert changed.json()["colours"]["spoken"] is None
    assert changed.json()["logo"]["corner"] == "top_right"
    assert [one["name"] for one in eve("GET", "/api/brand-kits").json()["data"]] == ["Acme 2"]

    assert eve("DELETE", path).status_code == 204
    assert eve("GET", path).status_code == 404
    assert eve("GET", "/api/brand-kits").json()["total"] == 0


def test_a_workspace_has_one_default_kit_at_most(eve):
    first, second = make(eve, is_default=True), make(eve, is_default=True)
    assert not eve("GET", f"/api/brand-kits/{first['id']}").json()["is_default"]
    eve("PATCH", f"/api/brand-kits/{first['id']}", json={"is_default": True})
    assert not eve("GET", f"/api/brand-kits/{second['id']}").json()["is_default"]
    eve("PATCH", f"/api/brand-kits/{first['id']}", json={"is_default": False})
    assert not any(kit["is_default"] for kit in eve("GET", "/api/brand-kits").json()["data"])


def test_a_name_is_given_once_and_two_pictures_do_not_share_a_corner(eve):
    make(eve, name="Same")
    again = eve("POST", "/api/brand-kits", json={"name": "Same"})
    assert again.status_code == 409
    assert "of that name" in again.json()["error"]["message"]
    refused = eve("POST", "/api/brand-kits", json={"name": "Else", "logo": {"corner": "bottom_right"}})
    assert refused.status_code == 400
    assert "same corner" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [{"colours": {"text": "red"}}, {"colours": {"tex": "#FFFFFF"}}, {"logo": {"opacity": 2}}, {"style": "comic"}],
)
def test_what_is_no_colour_place_or_style_is_refused(eve, body):
    assert eve("POST", "/api/brand-kits", json={"name": "x", **body}).status_code == 400


def test_colours_that_can_hardly_be_read_are_said(eve):
    kit = make(eve, colours={"text": "#777777", "outline": "#808080"})
    assert any("#777777" in said and "#808080" in said for said in kit["warnings"])
    assert make(eve, colours={"text": "#FFFFFF", "outline": "#000000"})["warnings"] == []


def test_every_kind_of_file_is_taken_rewritten_and_replaced(client, eve, given):
    kit = make(eve)
    for kind, (data, content_type) in given.items():
        reply = give(client, eve, kit, kind, data, content_type)
        assert reply.status_code == 200, reply.text
    files = {file["kind"]: file for file in reply.json()["files"]}
    assert set(files) == set(given)
    assert files["logo"]["facts"] == {"width": 300, "height": 100}
    assert files["font"]["facts"]["called"] == "Roboto Black"
    assert files["outro"]["facts"]["duration"] == pytest.approx(1, abs=0.1)

    parts = urlsplit(files["font"]["url"])
    kept = client.get(f"{parts.path}?{parts.query}")
    assert kept.status_code == 200
    assert kept.content[:4] == b"\x00\x01\x00\x00"
    assert kept.content != given["font"][0]

    other = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 90, 200)).save(other, "JPEG")
    replaced = give(client, eve, kit, "logo", other.getvalue(), "image/jpeg").json()
    logos = [file for file in replaced["files"] if file["kind"] == "logo"]
    assert [logo["facts"] for logo in logos] == [{"width": 64, "height": 64}]
    assert eve("DELETE", f"/api/brand-kits/{kit['id']}/files/{logos[0]['id']}").status_code == 204
    assert len(eve("GET", f"/api/brand-kits/{kit['id']}").json()["files"]) == 3


def test_what_is_not_what_it_says_never_becomes_part_of_the_kit(client, eve, given):
    kit = make(eve)
    for kind, data, content_type, said in [
        ("logo", given["font"][0], "image/png", "not a PNG, JPEG or WebP"),
        ("font", given["logo"][0], "font/ttf", "no font"),
        ("font", given["font"][0][:5000], "font/otf", "damaged"),
        ("outro", given["logo"][0], "video/mp4", ""),
    ]:
        reply = give(client, eve, kit, kind, data, content_type)
        assert 400 <= reply.status_code < 500, reply.text
        assert said in reply.json()["error"]["message"]
    assert eve("GET", f"/api/brand-kits/{kit['id']}").json()["files"] == []


def test_a_file_of_the_wrong_type_or_size_is_not_even_announced(client, eve, given):
    kit = make(eve)
    wrong = announce(eve, kit, "font", b"x", "image/png")
    assert wrong.status_code == 400
    assert "font/ttf" in wrong.json()["error"]["message"]
    asked = {"kind": "font", "name": "a", "size": 9 * 1024**2, "content_type": "font/ttf"}
    large = eve("POST", f"/api/brand-kits/{kit['id']}/files", json=asked)
    assert 400 <= large.status_code < 500
    assert "8 MiB" in large.json()["error"]["message"]
    made = announce(eve, kit, "logo", *given["logo"]).json()
    early = eve("POST", f"/api/brand-kits/{kit['id']}/files/{made['id']}/confirm")
    assert early.status_code == 409
    assert put(client, made, given["logo"][0] + b"!").status_code >= 400


def test_viewers_look_and_editors_change(client, eve):
    kit = make(eve)
    viewer, editor = join(client, eve, "viewer", "vic"), join(client, eve, "editor", "edi")
    path = f"/api/brand-kits/{kit['id']}"
    assert viewer("GET", path).status_code == 200
    assert viewer("PATCH", path, json={"name": "Mine"}).status_code == 403
    assert editor("PATCH", path, json={"name": "Mine"}).status_code == 200


def test_an_upload_keeps_a_copy_of_the_kit_that_it_names(client, eve, given, database):
    kit = make(eve, style="bounce", colours={"text": "#FFEEDD"})
    give(client, eve, kit, "logo", *given["logo"])
    made = eve("POST", "/api/uploads", json={"source_url": URL, "settings": {"brand_kit": kit["id"]}})
    assert made.status_code == 201, made.text
    upload = made.json()["upload"]
    assert upload["settings"]["brand_kit"] == {"id": kit["id"], "name": kit["name"]}
    assert upload["settings"]["style"] == "bounce"

    eve("PATCH", f"/api/brand-kits/{kit['id']}", json={"colours": {"text": "#000000"}})
    eve("DELETE", f"/api/brand-kits/{kit['id']}")
    with database.api(UUID(eve.workspace_id)) as session:
        row = session.get_one(Upload, (UUID(eve.workspace_id), UUID(upload["id"])))
        kept = msgspec.convert(row.settings, UploadSettings).brand
    assert kept.colours.text == "#FFEEDD"
    assert client.app.state.storage().exists(kept.logo.file.key)
    assert eve("GET", f"/api/uploads/{upload['id']}").json()["upload"]["settings"]["brand_kit"]["name"] == kit["name"]


def test_the_default_kit_is_used_unless_another_or_none_is_named(eve):
    def used(n, **settings):
        asked = {"source_url": f"{URL[:-2]}{n:02d}", "settings": settings}
        return eve("POST", "/api/uploads", json=asked).json()["upload"]["settings"]

    other, default = make(eve), make(eve, is_default=True, style="karaoke")
    assert used(1)["brand_kit"]["id"] == default["id"]
    assert used(2, style="pop_in") | {"brand_kit": None} == used(3, brand_kit="none", style="pop_in")
    assert used(4, brand_kit=other["id"])["brand_kit"]["id"] == other["id"]
    assert (used(5)["style"], used(6, brand_kit="none")["style"]) == ("karaoke", "highlight_word")


def test_another_workspaces_kit_cannot_be_named(eve, stranger):
    kit = make(stranger)
    for named in (kit["id"], str(uuid4())):
        reply = eve("POST", "/api/uploads", json={"source_url": URL, "settings": {"brand_kit": named}})
        assert reply.status_code == 404
        assert reply.json()["error"]["message"] == "There is no such brand kit."
    assert eve("POST", "/api/uploads", json={"source_url": URL, "settings": {"brand_kit": "all"}}).status_code == 400


def test_a_wish_names_a_kit_or_keeps_that_of_the_newest_version(client, eve, given, database):
    workspace = UUID(eve.workspace_id)
    kit = make(eve)
    give(client, eve, kit, "font", *given["font"])
    settings = msgspec.to_builtins(UploadSettings())
    made_with = msgspec.to_builtins(BrandKit(name="Older"))
    with database.pipeline(workspace) as session:
        upload = Upload(source_kind="file", source_uri="/a", settings=settings, settings_digest="d")
        session.add(upload)
        session.flush()
        clip = Clip(upload_id=upload.id, rank=1, start_s=0.0, end_s=9.0, score=1.0)
        session.add(clip)
        session.flush()
        ready = {"aspect": "9:16", "style": "karaoke", "state": "ready", "sha256": "a" * 64, "spec_digest": "b" * 64}
        session.add(Render(clip_id=clip.id, brand=made_with, **ready))
        path = f"/api/clips/{clip.id}"

    assert eve("GET", path).json()["versions"][0]["brand_kit"] == {"id": None, "name": "Older"}

    def wish(**body):
        reply = eve("POST", f"{path}/rerender", json=body)
        assert reply.status_code == 202, reply.text
        return reply.json()

    assert wish()["brand_kit"]["name"] == "Older"
    assert wish(brand_kit="none")["brand_kit"] is None
    named = wish(brand_kit=kit["id"])
    assert named["brand_kit"] == {"id": kit["id"], "name": kit["name"]}
    assert wish(brand_kit=kit["id"])["id"] == named["id"]
    refused = eve("POST", f"{path}/rerender", json={"brand_kit": str(uuid4())})
    assert refused.status_code == 404
