"""Presigned links of the S3 store, against a server that recomputes their signatures; and how its failures read."""

import http.client
import socket
import threading
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from cliply_resources.errors import NotFound, Rejected, TryLater
from cliply_resources.storage import S3Storage, source_key

KEY = source_key(UUID("0190b1a2-0000-7000-8000-000000000001"), "u1", ".mp4")


def request(method, url, body=None, headers=None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers or {})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def test_a_download_link_gives_the_object_and_names_the_file(s3):
    s3.put_bytes(KEY, b"film")
    status, headers, body = request("GET", s3.signed_download_url(KEY, expires_seconds=60, filename="Grüße.mp4"))
    assert (status, body) == (200, b"film")
    assert headers["Content-Type"] == "video/mp4"
    assert "filename*=UTF-8''Gr%C3%BC%C3%9Fe.mp4" in headers["Content-Disposition"]


def test_a_download_link_altered_or_used_to_write_is_refused(s3):
    s3.put_bytes(KEY, b"film")
    url = s3.signed_download_url(KEY, expires_seconds=60)
    assert request("GET", url.replace("u1", "u2"))[0] == 403
    assert request("PUT", url, b"evil")[0] == 403
    assert s3.get_bytes(KEY) == b"film"


def test_an_upload_link_takes_exactly_the_signed_length_and_type(s3):
    upload = s3.signed_upload_url(KEY, size=4, content_type="video/mp4", expires_seconds=60)
    signed = parse_qs(urlsplit(upload.url).query)["X-Amz-SignedHeaders"][0].split(";")
    assert signed == ["content-length", "content-type", "host"]
    assert request("PUT", upload.url, b"too long", {**upload.headers, "Content-Length": "8"})[0] == 403
    assert request("PUT", upload.url, b"film", {**upload.headers, "Content-Type": "text/html"})[0] == 403
    with pytest.raises(NotFound):
        s3.get_bytes(KEY)
    assert request("PUT", upload.url, b"film", upload.headers)[0] == 200
    assert s3.get_bytes(KEY) == b"film"


def test_an_expired_link_is_refused(s3):
    s3.put_bytes(KEY, b"film")
    assert request("GET", s3.signed_download_url(KEY, expires_seconds=0))[0] == 403


def test_a_bucket_that_does_not_exist_is_named_as_the_fault(s3, s3_server):
    store = S3Storage("no-such-bucket", endpoint_url=s3_server)
    with pytest.raises(Rejected, match="no such bucket"):
        store.put_bytes(KEY, b"x")


def test_a_store_without_a_prefix_uses_the_bare_key(s3, s3_server):
    S3Storage("cliply-test", endpoint_url=s3_server).put_bytes(KEY, b"x")
    with pytest.raises(NotFound):
        s3.get_bytes(KEY)
    assert list(S3Storage("cliply-test", endpoint_url=s3_server).list_prefix(KEY.split("/")[0])) == [KEY]


def test_a_store_without_credentials_says_how_to_give_them(s3_server, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(Rejected, match="AWS_ACCESS_KEY_ID"):
        S3Storage("cliply-test", endpoint_url=s3_server).get_bytes(KEY)


def answer_always(reply):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize("reply", [b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", b""])
def test_a_busy_or_broken_store_is_to_be_tried_later(s3, reply, monkeypatch):
    monkeypatch.setattr("cliply_resources.storage.s3.ATTEMPTS", 1)
    listener = answer_always(reply)
    try:
        store = S3Storage("cliply-test", endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(TryLater):
            store.get_bytes(KEY)
    finally:
        listener.close()
