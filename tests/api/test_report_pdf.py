"""The report on paper: its words, in every script, and a picture of every clip."""

import io
from uuid import UUID

import psycopg
import pypdfium2
import pytest
from api_people import sign_up
from many_rows import fill
from PIL import Image

from cliply_resources.storage.keys import analysis_key

TITLES = {
    1: "Why <b>version one</b> failed & what we learned",
    2: "Почему первая версия провалилась",
    3: "Γιατί απέτυχε η πρώτη έκδοση",
    4: "最初のバージョンが失敗した理由",
    5: "첫 번째 버전이 실패한 이유",
    6: "第一个版本为什么失败",
    7: "Zażółć gęślą jaźń – naïveté, İstanbul, Đà Nẵng",
    8: "word " * 200,
}

DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><rect width="4" height="4"/></svg>'


def picture(color, size=(1080, 1920), kind="JPEG"):
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def storage(client):
    return client.app.state.storage()


@pytest.fixture(scope="module")
def reported(client, storage, shared_url):
    """Somebody, and an upload of theirs with ten clips and their pictures, one of them damaged and one gone."""
    person = sign_up(client)
    with psycopg.connect(shared_url, autocommit=True) as connection:
        fill(connection, [person.workspace_id], person.user_id, uploads=1, clips=10)
        for rank, title in TITLES.items():
            connection.execute(
                "UPDATE clips SET title = %s WHERE workspace_id = %s AND rank = %s", [title, person.workspace_id, rank]
            )
        [(upload,)] = connection.execute("SELECT id FROM uploads WHERE workspace_id = %s", [person.workspace_id])
        keys = connection.execute(
            "SELECT c.rank, r.objects ->> 'thumbnail' FROM renders r JOIN clips c ON c.id = r.clip_id "
            "WHERE r.workspace_id = %s ORDER BY c.rank",
            [person.workspace_id],
        ).fetchall()
        for rank, key in keys:
            if rank != 10:
                storage.put_bytes(key, b"no picture" if rank == 9 else picture((25 * rank, 80, 200 - 20 * rank)))
        chart = analysis_key(UUID(person.workspace_id), upload, "signals.png")
        storage.put_bytes(chart, picture("white", (1600, 900), "PNG"))
        drawing = analysis_key(UUID(person.workspace_id), upload, "signals.svg")
        storage.put_bytes(drawing, DRAWING)
        connection.execute(
            "UPDATE upload_steps SET output = jsonb_build_object('objects', jsonb_build_object('signals.png', "
            "jsonb_build_object('key', %s::text), 'signals.svg', jsonb_build_object('key', %s::text))) "
            "WHERE workspace_id = %s AND step = 'clip_candidates'",
            [chart, drawing, person.workspace_id],
        )
    return person, upload


def pages_of(reply):
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/pdf"
    document = pypdfium2.PdfDocument(reply.content)
    return [document[number] for number in range(len(document))]


def words_of(pages):
    return " ".join(" ".join(page.get_textpage().get_text_bounded().split()) for page in pages)


def test_the_report_has_every_clip_with_its_words_in_their_own_script(reported):
    person, upload = reported
    pages = pages_of(person("GET", f"/api/uploads/{upload}/report.pdf"))
    words = words_of(pages)
    assert pages[0].get_size() == pytest.approx((595.3, 841.9), abs=0.1)
    assert "Evening stream 1" in words
    for rank in (1, 2, 3, 7):
        assert f"{rank}. {TITLES[rank]}".replace(" ", "") in words.replace(" ", ""), rank
    # Where the machine has no font for them, it is the reader's that knows this letter or that.
    for rank in (4, 5, 6):
        assert len(set(TITLES[rank]) & set(words)) >= 0.8 * len(set(TITLES[rank])), rank
    assert "It opens with a question." in words
    assert "1:00.0 to 1:31.5 (31.5 s)" in words
    assert "\N{REPLACEMENT CHARACTER}" not in words
    assert words.count("no picture") == 2


def test_the_chart_comes_as_a_drawing_and_as_pixels_and_the_report_says_where(reported):
    person, upload = reported
    path = person("GET", f"/api/uploads/{upload}/report").json()["signals_chart"]
    drawing, pixels = person("GET", path), person("GET", f"/api/uploads/{upload}/signals.png")

    assert (drawing.headers["content-type"], drawing.content) == ("image/svg+xml", DRAWING)
    assert "default-src 'none'" in drawing.headers["content-security-policy"]
    assert pixels.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(pixels.content)).size == (1600, 900)


def test_nobody_else_sees_the_chart_and_before_moments_are_chosen_there_is_none(client, reported):
    _, upload = reported
    stranger = sign_up(client)
    assert stranger("GET", f"/api/uploads/{upload}/signals.svg").status_code == 404
    body = {"source_url": "https://www.youtube.com/watch?v=abcdefghijk"}
    fresh = stranger("POST", "/api/uploads", json=body).json()["upload"]["id"]
    assert stranger("GET", f"/api/uploads/{fresh}/signals.svg").status_code == 404
    assert stranger("GET", f"/api/uploads/{fresh}/report").json()["signals_chart"] is None


def test_it_shows_the_chart_and_the_pictures_small(reported):
    person, upload = reported
    reply = person("GET", f"/api/uploads/{upload}/report.pdf")
    found = [shape for page in pages_of(reply) for shape in page.get_objects() if isinstance(shape, pypdfium2.PdfImage)]
    assert len(found) == 9
    assert max(max(shape.get_px_size()) for shape in found[1:]) <= 400
    assert len(reply.content) < 1_000_000


def test_an_upload_with_nothing_yet_has_a_report_too(client):
    person = sign_up(client)
    made = person("POST", "/api/uploads", json={"source_url": "https://www.youtube.com/watch?v=abcdefghijk"}).json()
    words = words_of(pages_of(person("GET", f"/api/uploads/{made['upload']['id']}/report.pdf")))
    assert "No clips were found (yet)." in words


def test_somebody_else_gets_none(reported, stranger):
    assert stranger("GET", f"/api/uploads/{reported[1]}/report.pdf").status_code == 404
