import gzip
import ssl
import time
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.errors import CallerError, CliplyError, Rejected, StepFailed, TryLater
from cliply_resources.outbound import CONFIGURED, PUBLIC, fetch, retry_after_seconds

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Thing: Yes\r\n\r\nhello"


def redirect(location, status=302):
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


# What works


def test_an_answer_comes_with_status_headers_and_body(serve, policy):
    server = serve(OK)
    reply = fetch(f"http://site.example:{server.port}/a?b=c", policy=policy, headers={"X-Mine": "1"})
    assert (reply.status, reply.body, reply.headers["x-thing"]) == (200, b"hello", "Yes")
    head = server.requests[0].decode()
    assert head.startswith("GET /a?b=c HTTP/1.1\r\n")
    assert f"site.example:{server.port}" in head
    assert "x-mine: 1" in head.lower()


def test_json_goes_out_and_comes_back_as_the_wanted_type(serve, policy):
    server = serve(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a":"b"}')
    reply = fetch(f"http://site.example:{server.port}/", policy=policy, method="POST", json={"q": [1, 2]})
    assert server.requests[0].endswith(b'\r\n\r\n{"q":[1,2]}')
    assert b"content-type: application/json" in server.requests[0].lower()
    assert reply.json(dict[str, str]) == {"a": "b"}
    with pytest.raises(Rejected, match="not expected"):
        reply.json(dict[str, int])


def test_a_file_is_sent_with_its_length(serve, policy, tmp_path):
    path = tmp_path / "sound.wav"
    path.write_bytes(b"RIFF" * 5000)
    server = serve(OK)
    fetch(f"http://site.example:{server.port}/", policy=policy, method="POST", body=path)
    assert b"content-length: 20000" in server.requests[0].lower()
    assert b"transfer-encoding" not in server.requests[0].lower()
    assert server.requests[0].endswith(b"\r\n\r\n" + b"RIFF" * 5000)
    with pytest.raises(StepFailed, match="cannot be read"):
        fetch(f"http://site.example:{server.port}/", policy=policy, method="POST", body=tmp_path / "gone")


def test_a_compressed_answer_is_unpacked(serve, policy):
    packed = gzip.compress(b"hello" * 100)
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
    assert fetch(f"http://site.example:{server.port}/", policy=policy).body == b"hello" * 100


def test_the_operators_own_endpoint_may_be_on_the_loopback(serve):
    server = serve(OK, address="127.0.0.1")
    assert fetch(f"http://127.0.0.1:{server.port}/v1/models", policy=CONFIGURED).body == b"hello"


def test_proxies_of_the_environment_are_ignored(serve, policy, canary, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    server = serve(OK)
    assert fetch(f"http://site.example:{server.port}/", policy=policy).body == b"hello"
    assert canary.connections == 0


# Where it does not go


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "169.254.169.254",
        "100.100.100.200",
        "10.0.0.1",
        "192.168.1.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
    ],
)
def test_no_spelling_of_an_inner_address_is_connected_to(host, policy, canary):
    with pytest.raises(CallerError, match=r"not a public address|not a URL"):
        fetch(f"http://{host}:{canary.port}/", policy=policy, timeout=5)
    assert canary.connections == 0


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["127.0.0.2", "::1"], ["10.1.2.3"]]
)
def test_a_name_with_any_inner_address_is_refused(addresses, policy, canary, names):
    names["sly.example"] = addresses
    with pytest.raises(CallerError, match=r"sly\.example leads to"):
        fetch(f"http://sly.example:{canary.port}/", policy=policy, timeout=5)
    assert canary.connections == 0


def test_a_name_that_changes_its_mind_is_checked_when_connecting(serve, policy, canary):
    answers = iter([["127.0.0.2"], ["127.0.0.1"]])
    server = serve(lambda talk, path: talk.sendall(redirect(f"http://flip.example:{canary.port}/")))
    flipping = replace(policy, resolver=lambda host: next(answers))
    with pytest.raises(CallerError, match="not a public address"):
        fetch(f"http://flip.example:{server.port}/", policy=flipping)
    assert server.connections == 1
    assert canary.connections == 0


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://user@127.0.0.1:{port}/",
        "http://site.example\\@127.0.0.1:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
    ],
)
def test_a_redirect_to_the_inside_is_not_followed(location, serve, policy, canary):
    server = serve(redirect(location.format(port=canary.port)))
    with pytest.raises(CliplyError):
        fetch(f"http://site.example:{server.port}/", policy=policy)
    assert server.connections == 1
    assert canary.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://example.com:8443/",
        "https://user:secret@example.com/",
        "https://user@example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "example.com",
        "//example.com/",
        "https:///path",
        "https://exa mple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nX-Evil: 1",
        "https://exa%20mple.com/",
        "https://[::1%25lo]/",
        "https://example.com:99999/",
        "https://" + "a" * 5000,
        "",
    ],
)
def test_a_url_that_the_public_policy_does_not_allow_is_refused_unasked(url):
    def never(host):
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(CallerError) as refusal:
        fetch(url, policy=replace(PUBLIC, resolver=never))
    assert "secret" not in str(refusal.value)


@given(
    url=st.text(max_size=60) | st.text(alphabet="htps:/@[]%.0127\\#?&fx \t\r\n", max_size=40).map("https://".__add__)
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_typed_is_refused_in_words_or_not_found(url):
    def nowhere(host):
        raise OSError("no such name")

    with pytest.raises((CallerError, TryLater)):
        fetch(url, policy=replace(PUBLIC, resolver=nowhere), timeout=5)


# Redirects


def test_credentials_stay_with_the_server_they_were_meant_for(serve, policy, names):
    names["other.example"] = ["127.0.0.2"]
    other = serve(OK)
    server = serve(redirect(f"http://other.example:{other.port}/x"))
    secrets = {"Authorization": "Bearer s3cret", "Cookie": "id=s3cret", "X-Api-Key": "s3cret", "Accept": "text/plain"}
    assert fetch(f"http://site.example:{server.port}/", policy=policy, headers=secrets).body == b"hello"
    assert server.requests[0].count(b"s3cret") == 3
    assert b"s3cret" not in other.requests[0]
    assert b"accept: text/plain" in other.requests[0].lower()


def test_credentials_follow_a_redirect_within_the_same_server(serve, policy):
    server = serve(lambda talk, path: talk.sendall(OK if path == "/new" else redirect("/new")))
    reply = fetch(f"http://site.example:{server.port}/old", policy=policy, headers={"Authorization": "Bearer s3cret"})
    assert reply.url.endswith("/new")
    assert all(b"s3cret" in request for request in server.requests)


def test_five_redirects_are_followed_and_the_sixth_is_not(serve, policy):
    def answer(talk, path):
        left = int(path[1:])
        talk.sendall(redirect(f"/{left - 1}") if left else OK)

    server = serve(answer)
    assert fetch(f"http://site.example:{server.port}/5", policy=policy).body == b"hello"
    with pytest.raises(Rejected, match="more than 5"):
        fetch(f"http://site.example:{server.port}/6", policy=policy)


def test_neither_a_post_nor_a_configured_endpoint_is_redirected(serve, policy):
    server = serve(redirect("/elsewhere", status=307))
    with pytest.raises(Rejected, match="redirect"):
        fetch(f"http://site.example:{server.port}/", policy=policy, method="POST", body=b"x")
    with pytest.raises(Rejected, match="redirect"):
        fetch(f"http://127.0.0.2:{server.port}/", policy=CONFIGURED)
    assert server.connections == 2


# Ends


def drip(talk, path):
    talk.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 99999\r\n\r\n" if path == "/body" else b""))
    for _ in range(200):
        talk.sendall(b"X" if path == "/body" else b"X-Drip: 1\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("path", ["/body", "/headers"])
def test_a_server_that_drips_is_left_in_time(path, serve, policy):
    server = serve(drip)
    begun = time.monotonic()
    with pytest.raises(TryLater, match="in time"):
        fetch(f"http://site.example:{server.port}{path}", policy=policy, timeout=0.5)
    assert time.monotonic() - begun < 2


def test_a_name_server_that_hangs_is_left_in_time(policy):
    begun = time.monotonic()
    with pytest.raises(TryLater, match="in time"):
        fetch("http://slow.example/", policy=replace(policy, resolver=lambda host: time.sleep(3) or []), timeout=0.3)
    assert time.monotonic() - begun < 2


def endless(headers, part):
    def answer(talk, path):
        talk.sendall(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n")
        for _ in range(2000):
            talk.sendall(part)

    return answer


def bomb():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(bytes(1024 * 1024)) for _ in range(200)] + [packer.flush()])


@pytest.mark.parametrize("kind", ["endless", "announced", "bomb", "empty blocks"])
def test_a_body_over_the_limit_is_cut_off(kind, serve, policy):
    packed = bomb() if kind == "bomb" else b""
    # A stored deflate block of no bytes: a stream that goes on and on and unpacks to nothing.
    empty = b"\x00\x00\x00\xff\xff" * 20000
    server = serve(
        {
            "endless": endless(b"", bytes(100_000)),
            "announced": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            "bomb": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
            "empty blocks": endless(
                b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"[:-2], empty
            ),
        }[kind]
    )
    with pytest.raises(Rejected, match=r"1000000 bytes|compressed"):
        fetch(f"http://site.example:{server.port}/", policy=policy, max_bytes=1_000_000, timeout=10)


def test_a_body_that_claims_to_be_compressed_and_is_not_is_refused(serve, policy):
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")
    with pytest.raises(Rejected, match="compressed"):
        fetch(f"http://site.example:{server.port}/", policy=policy)


# What the answer means


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 529])
def test_a_busy_server_is_to_be_tried_later_when_it_says(status, serve, policy):
    server = serve(f"HTTP/1.1 {status} Busy\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(TryLater) as refusal:
        fetch(f"http://site.example:{server.port}/", policy=policy)
    assert refusal.value.retry_after == 17


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_refusal_is_final(status, serve, policy):
    server = serve(f"HTTP/1.1 {status} No\r\nContent-Length: 3\r\n\r\nwhy".encode())
    with pytest.raises(Rejected, match=str(status)) as refusal:
        fetch(f"http://site.example:{server.port}/", policy=policy)
    assert "why" not in str(refusal.value)


def test_a_configured_endpoints_reason_is_passed_on_without_the_key(serve):
    server = serve(b"HTTP/1.1 401 No\r\nContent-Length: 26\r\n\r\nbad key sk-12345, \x1b[31mtry\n\n")
    with pytest.raises(Rejected, match="bad key …, ") as refusal:
        fetch(f"http://127.0.0.2:{server.port}/", policy=CONFIGURED, headers={"Authorization": "Bearer sk-12345"})
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "reply", [b"", b"\x00\x01\x02 nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"]
)
def test_a_broken_answer_is_to_be_tried_later(reply, serve, policy):
    server = serve(reply)
    with pytest.raises(TryLater):
        fetch(f"http://site.example:{server.port}/", policy=policy)


def test_a_closed_port_is_to_be_tried_later(serve, policy):
    server = serve(OK)
    server.close()
    with pytest.raises(TryLater, match="cannot be reached"):
        fetch(f"http://site.example:{server.port}/", policy=policy)


def test_a_header_that_would_break_the_request_is_refused(serve, policy):
    server = serve(OK)
    with pytest.raises(CallerError, match="cannot be sent"):
        fetch(f"http://site.example:{server.port}/", policy=policy, headers={"X-Name": "a\r\nX-Evil: 1"})
    assert server.requests == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("5", 5),
        (" 5 ", 5),
        ("99999999", 86400),
        ("-3", None),
        ("soon", None),
        ("", None),
        ("Sat, 21 Nov 2026 00:01:40 GMT", 100),
        ("Fri, 20 Nov 2026 00:00:00 GMT", 0),
        ("Fri, 20 Nov 99999999 00:00:00 GMT", None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read_or_ignored(value, expected):
    now = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    assert retry_after_seconds(value, now=now) == expected


# TLS


def certificate(tmp_path, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / f"{name}.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def test_the_checked_address_is_asked_by_the_right_name_and_its_certificate_must_match(serve, policy, tmp_path, names):
    pem = certificate(tmp_path, "site.example")
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(pem)
    asked_for = []
    at_server.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    server = serve(OK, tls=at_server)
    trusting = replace(policy, tls=ssl.create_default_context(cafile=str(pem)))
    assert fetch(f"https://site.example:{server.port}/", policy=trusting).body == b"hello"
    assert asked_for == ["site.example"]
    names["other.example"] = ["127.0.0.2"]
    for url, with_policy in (("https://other.example", trusting), ("https://site.example", policy)):
        with pytest.raises(Rejected, match="certificate"):
            fetch(f"{url}:{server.port}/", policy=with_policy)
    assert len(server.requests) == 1
