"""Signed links of the local storage over HTTP: exactly what was signed, whole or not at all, in pieces where asked for."""

import hashlib
import os
import socket
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from cliply_resources.storage import LocalStorage

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def storage(client) -> LocalStorage:
    return client.app.state.storage()


@pytest.fixture
def key():
    return f"{uuid4()}/uploads/{uuid4()}/incoming.mp4"


def path_of(url):
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def link(storage, key, size, **changes):
    wanted = {"size": size, "content_type": "video/mp4", "expires_seconds": 60} | changes
    signed = storage.signed_upload_url(key, **wanted)
    return path_of(signed.url), signed.headers


def code(reply):
    return reply.status_code, reply.json()["error"]["code"]


def leftovers(storage):
    return sorted(path.name for path in (storage.root / ".incoming").iterdir())


def test_what_was_put_is_what_is_got(client, storage, key):
    data = os.urandom(3 * MIB + 17)
    url, headers = link(storage, key, len(data))
    put = client.put(url, content=data, headers=headers)
    assert (put.status_code, put.content) == (204, b"")
    got = client.get(path_of(storage.signed_download_url(key, expires_seconds=60, filename="Mein Film.mp4")))
    assert (got.status_code, got.headers["content-type"]) == (200, "video/mp4")
    assert hashlib.sha256(got.content).digest() == hashlib.sha256(data).digest()
    assert 'filename="Mein Film.mp4"' in got.headers["content-disposition"]
    assert got.headers["content-length"] == str(len(data))
    assert got.headers["x-content-type-options"] == "nosniff"


def test_a_film_may_be_larger_than_a_request_of_the_api(client, storage, key):
    data = bytes(client.app.state.settings.max_body_bytes + 1)
    url, headers = link(storage, key, len(data))
    assert client.put(url, content=data, headers=headers).status_code == 204
    assert storage.size(key) == len(data)


@pytest.mark.parametrize("length", [9, 11])
def test_another_number_of_bytes_than_was_signed_is_refused_and_leaves_nothing(client, storage, key, length):
    url, headers = link(storage, key, 10)
    assert code(client.put(url, content=b"x" * length, headers={**headers, "Content-Length": str(length)}))[0] == 413
    # The same without saying so beforehand.
    del headers["Content-Length"]
    assert code(client.put(url, content=iter([b"x" * length]), headers=headers)) == (400, "BAD_REQUEST")
    assert not storage.exists(key)
    assert leftovers(storage) == []


def test_another_type_than_was_signed_is_refused(client, storage, key):
    url, headers = link(storage, key, 3)
    for kind in ("text/html", "video/webm", ""):
        reply = client.put(url, content=b"abc", headers={**headers, "Content-Type": kind})
        assert code(reply) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert not storage.exists(key)


@pytest.mark.parametrize("spoil", ["size", "key", "method", "expired", "unsigned"])
def test_a_link_that_is_not_ours_any_more_opens_nothing(client, storage, key, spoil):
    storage.put_bytes(key, b"there")
    url, headers = link(storage, key, 3, expires_seconds=0 if spoil == "expired" else 60)
    if spoil == "size":
        url = url.replace("size=3", "size=4")
    elif spoil == "key":
        url = url.replace("incoming", "source")
    elif spoil == "unsigned":
        url = url.partition("?")[0]
    reply = client.get(url) if spoil == "method" else client.put(url, content=b"abc", headers=headers)
    assert code(reply) == (403, "LINK_INVALID")
    assert storage.get_bytes(key) == b"there"


def test_parts_are_sent_as_players_ask_for_them(client, storage, key):
    storage.put_bytes(key, b"0123456789")
    url = path_of(storage.signed_download_url(key, expires_seconds=60))
    whole = client.get(url)
    assert whole.headers["accept-ranges"] == "bytes"
    part = client.get(url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert part.headers["content-length"] == "3"
    tail = client.get(url, headers={"Range": "bytes=-4", "If-Range": whole.headers["etag"]})
    assert (tail.status_code, tail.content) == (206, b"6789")
    changed = client.get(url, headers={"Range": "bytes=-4", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, b"0123456789")
    beyond = client.get(url, headers={"Range": "bytes=10-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */10")
    known = client.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    asked = client.head(url)
    assert (asked.status_code, asked.headers["content-length"], asked.content) == (200, "10", b"")


def test_an_object_that_is_gone_is_not_found(client, storage, key):
    assert code(client.get(path_of(storage.signed_download_url(key, expires_seconds=60)))) == (404, "NOT_FOUND")


def test_an_empty_object_is_sent_whole(client, storage, key):
    storage.put_bytes(key, b"")
    reply = client.get(path_of(storage.signed_download_url(key, expires_seconds=60)))
    assert (reply.status_code, reply.content) == (200, b"")


def test_a_caller_who_hangs_up_halfway_leaves_nothing(api_settings, storage, key):
    from live_server import serving, until

    url, headers = link(storage, key, 8 * MIB)
    with serving(api_settings) as (address, _):
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as connection:
            lines = [
                f"PUT {url} HTTP/1.1",
                f"Host: {address}",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + bytes(MIB))
            until(lambda: leftovers(storage))
        until(lambda: not leftovers(storage))
    assert not storage.exists(key)
