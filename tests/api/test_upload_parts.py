"""Films in parts, and films in a bucket: over HTTP, with a folder and with an S3 server that checks signatures."""

import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from api_people import join, relaxed, running, sign_up

from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from schedules.tidy_uploads import tidy_upload

sys.path.insert(0, str(Path(__file__).parents[1]))

from s3_stand_in import BUCKET, serving_s3, with_bucket

PART = 5 * 1024**2


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> bytes:
    """Two and a half parts: a small film, and room that players skip."""
    path = tmp_path_factory.mktemp("films") / "one.mp4"
    sources = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=5:duration=6"]
    sources += ["-f", "lavfi", "-i", "sine=frequency=440:duration=6"]
    subprocess.run(
        [str(ffmpeg_path()), "-nostdin", "-v", "error", *sources, "-c:v", "libx264", str(path)], check=True, timeout=60
    )
    data = path.read_bytes()
    room = PART * 5 // 2 - len(data)
    return data + struct.pack(">I4s", room, b"free") + bytes(room - 8)


@pytest.fixture(scope="module")
def s3_server():
    with serving_s3() as address, with_bucket(address):
        yield address


@pytest.fixture(scope="module", params=["local", "s3"])
def place(request, shared_url, tmp_path_factory):
    """An application with parts of the smallest size, and somebody in it; both know how bytes are put."""
    changes = {"part_bytes": PART}
    if request.param == "s3":
        address = request.getfixturevalue("s3_server")
        changes |= {"storage_url": f"s3://{BUCKET}/films", "s3_endpoint": address}
    settings = relaxed(shared_url, tmp_path_factory.mktemp("home"), **changes)
    with running(settings) as client:
        yield SimpleNamespace(client=client, kind=request.param, storage=client.app.state.storage())


@pytest.fixture
def eve(place):
    """Somebody with an empty workspace."""
    return sign_up(place.client, "eve")


def asked(data, **more):
    return {"file": {"name": "Film.mp4", "size": len(data), "content_type": "video/mp4", **more}}


def put(place, url, headers, data):
    """What a client does with a signed link, wherever it leads."""
    parts = urlsplit(url)
    send = place.client.put if parts.path.startswith("/objects/") else httpx.put
    where = f"{parts.path}?{parts.query}" if parts.path.startswith("/objects/") else url
    return send(
        where, content=data, headers={name: value for name, value in headers.items() if name != "Content-Length"}
    )


def cut(data, number):
    return data[(number - 1) * PART : number * PART]


def put_part(place, person, upload, data, number):
    """The part's ETag."""
    signed = person("POST", f"/api/uploads/{upload}/parts/sign", json={"parts": [number]}).json()["parts"][0]
    reply = put(place, signed["url"], signed["headers"], cut(data, number))
    assert reply.is_success, reply.text
    return {"number": number, "etag": reply.headers["etag"]}


def begin(person, data):
    made = person("POST", "/api/uploads", json=asked(data, upload="multipart"))
    assert made.status_code == 201, made.text
    return made.json()


def code(reply):
    return reply.status_code, reply.json()["error"]["code"]


def test_a_film_in_parts_is_joined_and_confirmed(place, eve, film):
    made = begin(eve, film)
    assert (made["put"], made["multipart"]) == (None, {"part_size": PART, "parts": 3})
    upload = made["upload"]["id"]
    where = f"/api/uploads/{upload}"
    signed = eve("POST", f"{where}/parts/sign", json={"parts": [3, 1, 2]}).json()["parts"]
    assert [(part["number"], part["size"]) for part in signed] == [(3, PART // 2), (1, PART), (2, PART)]
    done = []
    for part in signed[:2]:
        reply = put(place, part["url"], part["headers"], cut(film, part["number"]))
        done.append({"number": part["number"], "etag": reply.headers["etag"]})
    there = eve("GET", f"{where}/parts").json()
    assert [part["number"] for part in there["received"]] == [1, 3]
    assert {part["etag"] for part in there["received"]} == {part["etag"] for part in done}
    assert (there["missing"], there["joined"]) == ([2], False)
    assert code(eve("POST", f"{where}/parts/complete", json={"parts": done}))[0] == 400
    guessed = [*done, {"number": 2, "etag": done[0]["etag"]}]
    assert code(eve("POST", f"{where}/parts/complete", json={"parts": guessed})) == (409, "CONFLICT")
    assert code(eve("POST", f"{where}/confirm")) == (409, "CONFLICT")
    done.append(put_part(place, eve, upload, film, 2))
    for _ in range(2):
        assert eve("POST", f"{where}/parts/complete", json={"parts": done}).status_code == 200
    assert eve("GET", f"{where}/parts").json()["joined"] is True
    confirmed = eve("POST", f"{where}/confirm")
    assert confirmed.json()["upload"]["confirmed"] is True, confirmed.text
    assert place.storage.get_bytes(f"{eve.workspace_id}/uploads/{upload}/source.mp4") == film
    for path in ("sign", "complete"):
        body = {"parts": [1] if path == "sign" else done}
        assert code(eve("POST", f"{where}/parts/{path}", json=body)) == (409, "CONFLICT")


def test_a_part_takes_its_own_bytes_and_no_more(place, eve, film):
    upload = begin(eve, film)["upload"]["id"]
    signed = eve("POST", f"/api/uploads/{upload}/parts/sign", json={"parts": [3]}).json()["parts"][0]
    for wrong in (bytes(PART // 2 + 1), b"short"):
        assert put(place, signed["url"], signed["headers"], wrong).status_code in {400, 403, 413}
    assert eve("GET", f"/api/uploads/{upload}/parts").json()["received"] == []
    assert eve("POST", f"/api/uploads/{upload}/parts/sign", json={"parts": [4]}).status_code == 400
    assert eve("POST", f"/api/uploads/{upload}/parts/sign", json={"parts": [0]}).status_code == 400


def test_what_was_thrown_away_can_be_begun_anew(place, eve, film):
    upload = begin(eve, film)["upload"]["id"]
    first = put_part(place, eve, upload, film, 1)
    assert eve("DELETE", f"/api/uploads/{upload}/parts").status_code == 204
    assert eve("GET", f"/api/uploads/{upload}/parts").json()["missing"] == [1, 2, 3]
    done = [first, *(put_part(place, eve, upload, film, number) for number in (2, 3))]
    reply = eve("POST", f"/api/uploads/{upload}/parts/complete", json={"parts": done})
    assert code(reply) == (409, "CONFLICT"), "the first part is gone"
    done[0] = put_part(place, eve, upload, film, 1)
    assert eve("POST", f"/api/uploads/{upload}/parts/complete", json={"parts": done}).status_code == 200


def test_only_who_may_give_films_may_give_parts(place, eve, film):
    upload = begin(eve, film)["upload"]["id"]
    single = eve("POST", "/api/uploads", json=asked(film)).json()["upload"]["id"]
    assert code(eve("POST", f"/api/uploads/{single}/parts/sign", json={"parts": [1]})) == (409, "CONFLICT")
    assert code(eve("POST", f"/api/uploads/{upload}/link")) == (409, "CONFLICT")
    viewer = join(place.client, eve, "viewer")
    assert viewer("POST", f"/api/uploads/{upload}/parts/sign", json={"parts": [1]}).status_code == 403
    assert viewer("GET", f"/api/uploads/{upload}/parts").status_code == 403
    other = sign_up(place.client, "other")
    assert other("GET", f"/api/uploads/{upload}/parts").status_code == 404


def test_parts_that_nobody_joined_are_tidied_up(place, eve, film):
    upload = begin(eve, film)["upload"]["id"]
    put_part(place, eve, upload, film, 1)
    identity = (UUID(eve.workspace_id), UUID(upload))
    facts = {"now": datetime.now(UTC) + timedelta(hours=26), "keep": timedelta(hours=24)}
    assert tidy_upload(place.client.app.state.database, place.storage, *identity, **facts)
    assert eve("GET", f"/api/uploads/{upload}").status_code == 404
    if place.kind == "local":
        assert list(place.storage.list_prefix(f"{eve.workspace_id}/uploads")) == []


def test_a_film_goes_straight_to_where_the_storage_is(place, eve, film):
    made = eve("POST", "/api/uploads", json=asked(film)).json()
    where, link = f"/api/uploads/{made['upload']['id']}", made["put"]
    assert urlsplit(link["url"]).path.startswith("/objects/") == (place.kind == "local")
    assert put(place, link["url"], link["headers"], film + b"!").status_code in {403, 413}
    refused = put(place, link["url"], {"Content-Type": "text/html"}, film)
    assert refused.status_code in {403, 415}
    assert code(eve("POST", f"{where}/confirm")) == (409, "CONFLICT"), "nothing has arrived"
    assert put(place, link["url"], link["headers"], film).is_success
    assert eve("POST", f"{where}/confirm").json()["upload"]["confirmed"] is True
    assert place.storage.size(f"{eve.workspace_id}/{where.removeprefix('/api/')}/source.mp4") == len(film)


@pytest.mark.parametrize("wrong", ["another length", "no film"])
def test_what_came_past_the_signature_is_refused_by_the_confirmation(place, eve, film, wrong):
    made = eve("POST", "/api/uploads", json=asked(film)).json()
    key = f"{eve.workspace_id}/uploads/{made['upload']['id']}/incoming.mp4"
    place.storage.put_bytes(key, film[:-5] if wrong == "another length" else bytes(len(film)))
    assert code(eve("POST", f"/api/uploads/{made['upload']['id']}/confirm")) == (422, "MEDIA_REFUSED")
    assert not place.storage.exists(key)


class Server:
    """The application as a process of its own, which can be killed."""

    def __init__(self, url, home):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CLIPLY_")},
            "CLIPLY_HOME": str(home),
            "CLIPLY_DATABASE_URL": url,
            "CLIPLY_PUBLIC_URL": self.address,
            "CLIPLY_PART_BYTES": str(PART),
            "CLIPLY_REGISTER_PER_HOUR": "1000",
        }
        self.start()

    def start(self):
        command = [sys.executable, "-m", "cliply_api.serve", "--port", str(self.port), "--grace", "1"]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self.answers)

    def answers(self):
        try:
            return httpx.get(f"{self.address}/api/health", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


@pytest.fixture
def server(shared_url, tmp_path):
    found = Server(shared_url, tmp_path / "home")
    yield found
    found.kill()


@pytest.mark.slow
def test_a_server_that_is_killed_in_the_middle_of_a_part_costs_that_part(server, film):
    with httpx.Client(base_url=server.address, timeout=30, trust_env=False) as client:
        account = {"email": f"{uuid4().hex}@example.com", "password": "correct horse battery staple"}
        client.headers["Authorization"] = (
            f"Bearer {client.post('/api/auth/register', json=account).json()['access_token']}"
        )
        where = (
            f"/api/uploads/{client.post('/api/uploads', json=asked(film, upload='multipart')).json()['upload']['id']}"
        )

        def link(number):
            return client.post(f"{where}/parts/sign", json={"parts": [number]}).json()["parts"][0]

        def give(number):
            signed = link(number)
            reply = httpx.put(signed["url"], content=cut(film, number), headers=signed["headers"], trust_env=False)
            assert reply.status_code == 204

        give(1)
        second = link(2)
        target = second["url"].removeprefix(server.address)
        halfway = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        halfway.putrequest("PUT", target)
        for name, value in second["headers"].items():
            halfway.putheader(name, value)
        halfway.endheaders(cut(film, 2)[: PART // 2])
        incoming = Path(server.environment["CLIPLY_HOME"]) / "storage" / ".incoming"
        until(lambda: any(path.stat().st_size for path in incoming.iterdir()))
        server.kill()
        halfway.close()
        server.start()
        there = client.get(f"{where}/parts").json()
        assert ([part["number"] for part in there["received"]], there["missing"]) == ([1], [2, 3])
        for number in there["missing"]:
            give(number)
        done = [
            {"number": part["number"], "etag": part["etag"]} for part in client.get(f"{where}/parts").json()["received"]
        ]
        assert client.post(f"{where}/parts/complete", json={"parts": done}).status_code == 200
        confirmed = client.post(f"{where}/confirm").json()["upload"]
        assert (confirmed["confirmed"], confirmed["size"]) == (True, len(film))
