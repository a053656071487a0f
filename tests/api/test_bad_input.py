"""Whatever is sent: an answer in the one shape of errors, with a code of the one list, and never a 5xx."""

import json
from uuid import UUID

import pytest
from api_people import sign_up
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cliply_api.errors import ErrorCode

JSON = {"Content-Type": "application/json"}


def checked(reply, status=None):
    """The error's code; the body has exactly the promised shape."""
    if status is not None:
        assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert {"code", "message", "trace_id"} <= set(error) <= {"code", "message", "trace_id", "details"}
    assert error["code"] in set(ErrorCode)
    assert error["trace_id"] == reply.headers["X-Request-Id"]
    assert error["message"].endswith((".", "…”"))
    return error["code"]


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/api/workspaces/not-a-uuid", 404, "NOT_FOUND"),
        ("DELETE", "/api/health", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/me", 401, "UNAUTHENTICATED"),
        ("GET", "/%ff%fe", 404, "NOT_FOUND"),
        ("GET", "/api/../../etc/passwd", 404, "NOT_FOUND"),
    ],
)
def test_routing_errors_have_the_shape_too(client, method, path, status, expected):
    assert checked(client.request(method, path), status) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"email": 1, "password": "correct horse"}',
        b'{"email": "a@example.com", "password": "correct horse battery", "role": "owner"}',
        b'{"email": "a@example.com", "password": "correct horse \\u0000 battery"}',
        b'{"email": "a\\u0000@example.com", "password": "correct horse battery"}',
        b'{"email": "a@example.com\\n", "password": "correct horse battery"}',
        b'{"email": "a@example.com", "password": "\\ud800 correct horse battery"}',
        b'{"email": "a@example.com", "password": "\xff\xfe correct horse battery"}',
        b'{"email": "a@example.com", "password": "' + b"x" * 201 + b'"}',
        b'{"email": "' + b"a" * 300 + b'@example.com", "password": "correct horse battery"}',
        b'{"email": "a@example.com", "password": "short"}',
        b'{"email": "no-at-sign", "password": "correct horse battery"}',
        b'{"email": "a@example.com", "password": "correct horse battery", "name": "\\u0007"}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_not_understood_is_400(client, body):
    assert checked(client.post("/api/auth/register", content=body, headers=JSON), 400) == "VALIDATION_FAILED"


def test_the_details_name_the_field(client):
    reply = client.post("/api/auth/login", json={"email": "a@example.com", "password": 1})
    [detail] = reply.json()["error"]["details"]
    assert detail["place"] == "body"
    assert "password" in json.dumps(detail)


def test_a_value_is_not_turned_into_another_one(ada):
    """A lenient reader takes 0 for `false`; who sends it meant something else."""
    reply = ada("PUT", f"/api/accounts/{UUID(int=1)}/import", json={"enabled": 0})
    assert checked(reply, 400) == "VALIDATION_FAILED"
    assert reply.json()["error"]["details"] == [
        {"message": "Expected `bool`, got `int`", "field": "enabled", "place": "body"}
    ]


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", f"page={10**30}", "limit=0", "limit=101", "limit=1e9", "cursor=%00", "page=%ff"],
)
def test_a_page_out_of_bounds_is_400(ada, query):
    assert checked(ada("GET", f"/api/workspaces?{query}"), 400) == "VALIDATION_FAILED"


def test_a_page_behind_the_last_one_is_empty(ada):
    found = ada("GET", "/api/workspaces?page=99999&limit=100").json()
    assert (found["data"], found["page"]) == ([], 99999)


def test_a_body_over_the_limit_is_413_even_when_it_lies_about_its_length(client):
    body = b'{"email": "' + b"a" * (3 * 1024 * 1024) + b'"}'
    assert checked(client.post("/api/auth/login", content=body, headers=JSON), 413) == "BODY_TOO_LARGE"

    def chunks():
        for _ in range(30):
            yield b" " * 100_000

    assert checked(client.post("/api/auth/login", content=chunks(), headers=JSON), 413) == "BODY_TOO_LARGE"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/msgpack"]
)
def test_another_content_type_is_an_answer_and_no_crash(client, kind):
    reply = client.post("/api/auth/login", content=b"<a/>", headers={"Content-Type": kind})
    assert checked(reply) in {"VALIDATION_FAILED", "UNSUPPORTED_MEDIA_TYPE"}
    assert reply.status_code < 500


@pytest.mark.parametrize("given_id", ["short", "x" * 65, "has space", 'quote"', "umlaut-\u00e4-umlaut"])
def test_an_odd_request_id_is_replaced(client, given_id):
    reply = client.get("/api/health", headers={"X-Request-Id": given_id.encode("latin-1")})
    assert reply.headers["X-Request-Id"] != given_id
    assert len(reply.headers["X-Request-Id"]) == 32


def test_a_sound_request_id_is_kept(client):
    assert client.get("/api/health", headers={"X-Request-Id": "my.own-id_01"}).headers["X-Request-Id"] == "my.own-id_01"


def test_answers_carry_the_security_headers(client):
    for path in ("/api/health", "/nowhere", "/api/me"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_only_listed_origins_may_call_with_cookies(client, start):
    def origins(app):
        asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
        preflight = app.options("/api/auth/login", headers=asked)
        simple = app.get("/api/health", headers={"Origin": "https://app.example.com"})
        return [reply.headers.get("access-control-allow-origin") for reply in (preflight, simple)]

    assert origins(client) == [None, None]
    assert origins(start(cors_origins=("https://app.example.com",))) == ["https://app.example.com"] * 2
    assert origins(start(cors_origins=("https://app.example.com.evil.org", "https://appXexample.com"))) == [None, None]


TEXTS = st.text(max_size=60) | st.sampled_from(
    ["\x00", "a\x00b", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["email", "password", "name", "role", "token", "scopes", "user_id", "reason", "expires_in_days"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(
        [
            ("POST", "/api/auth/register"),
            ("POST", "/api/auth/login"),
            ("POST", "/api/auth/refresh"),
            ("POST", "/api/auth/password/reset"),
            ("POST", "/api/auth/email/verify"),
            ("PATCH", "/api/me"),
            ("POST", "/api/tokens"),
            ("POST", "/api/workspaces"),
            ("POST", "/api/invitations/accept"),
            ("PATCH", "/api/workspaces/{w}"),
            ("POST", "/api/workspaces/{w}/invitations"),
            ("POST", "/api/workspaces/{w}/transfer"),
        ]
    ),
    body=st.dictionaries(NAMES | TEXTS, VALUES, max_size=4) | VALUES,
)
def test_no_body_whatever_makes_a_5xx(someone, place, body):
    method, path = place
    reply = someone(method, path.format(w=someone.workspace_id), json=body)
    assert reply.status_code < 500
    if reply.status_code >= 400:
        checked(reply)


@pytest.fixture(scope="module")
def someone(client):
    return sign_up(client, "someone")
