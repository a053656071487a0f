"""What must hold for every handler, asked of the application so that a new one cannot escape."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from api_people import foreign_ids, sign_up
from litestar import get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.routes import HTTPRoute
from msgspec import Struct

from cliply_api import app as application
from cliply_api.app import create_app
from cliply_api.auth.guards import public, requirement_of
from cliply_api.auth.permissions import ROLES, permissions_of, table
from cliply_api.web.fields import Request
from cliply_resources.settings import Settings

PUBLIC = {
    "GET /api/accounts/callback/{platform}",
    "GET /api/docs",
    "GET /api/health",
    "GET /api/hooks/feeds/{subscription}",
    "GET /api/hooks/{platform}",
    "GET /api/openapi.json",
    "GET /api/readyz",
    "GET /metrics",
    "GET /objects/{key}",
    "GET /sandbox",
    "GET /sandbox/files/{name}",
    "GET /sandbox/films/{shelf}/{post_id}",
    "GET /sandbox/posts",
    "HEAD /objects/{key}",
    "POST /api/auth/email/change",
    "POST /api/auth/email/verify",
    "POST /api/auth/login",
    "POST /api/auth/password/forgot",
    "POST /api/auth/password/reset",
    "POST /api/auth/refresh",
    "POST /api/auth/register",
    "POST /api/hooks/feeds/{subscription}",
    "POST /api/hooks/{platform}",
    "PUT /objects/{key}",
}
"""Reviewed: everybody may call these."""


@pytest.fixture(scope="module")
def app():
    return create_app(Settings())


@pytest.fixture(scope="module")
def handlers(app):
    """`METHOD /path` of everything that can be called, and its handler."""
    return {
        f"{method} {route.path_format}": handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler, _ in route.route_handler_map.values()
        for method in handler.http_methods
        if method != "OPTIONS"
    }


@pytest.fixture(scope="module")
def document(app):
    return app.state.document()


def filled(path, value=None):
    return re.sub(r"\{[^}]+\}", lambda _: str(value or uuid4()), path)


def test_every_handler_says_who_may_call_it(handlers):
    assert [name for name, handler in handlers.items() if requirement_of(handler) is None] == []


def test_a_handler_that_does_not_say_so_keeps_the_application_from_starting(monkeypatch):
    @get("/api/forgotten", sync_to_thread=False)
    def forgotten() -> None: ...

    @get("/api/undecided", guards=[public(), public()], sync_to_thread=False)
    def undecided() -> None: ...

    for careless in (forgotten, undecided):
        monkeypatch.setattr(application, "ROUTES", (careless,))
        with pytest.raises(ImproperlyConfiguredException, match="must name exactly one of"):
            create_app(Settings())


def test_what_everybody_may_call_is_what_was_reviewed(handlers):
    assert {name for name, handler in handlers.items() if requirement_of(handler).kind == "public"} == PUBLIC


def test_everything_else_is_401_without_a_token(client, handlers):
    for name in set(handlers) - PUBLIC:
        method, path = name.split(" ")
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Cookie": "__Host-cliply_session=nonsense"}):
            reply = client.request(method, filled(path), headers=headers)
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "UNAUTHENTICATED"), name


def test_every_permission_that_a_handler_names_is_refused_to_the_roles_without_it(handlers):
    roles = table()
    named = {requirement_of(handler).permission for handler in handlers.values()} - {None}
    assert named <= set(roles)
    for one in named:
        assert roles[one] == list(ROLES[ROLES.index(roles[one][0]) :])


def test_the_table_is_the_plans():
    """viewer reads; editor makes, and asks for publishing; admin publishes, settles and runs the team; owner does everything."""
    assert all(word.endswith((".read", ".leave", ".own")) for word in permissions_of("viewer"))
    assert {"upload.write", "clip.edit", "post.request", "stream.write"} <= permissions_of("editor")
    assert not permissions_of("editor") & {"post.publish", "member.manage", "workspace.settings"}
    assert {"post.publish", "member.manage", "workspace.settings"} <= permissions_of("admin")
    assert permissions_of("owner") == set(table())
    assert permissions_of(None) == permissions_of("emperor") == set()


def test_a_foreign_id_in_any_path_answers_like_a_made_up_one(client, handlers, document, ask):
    ours, theirs = sign_up(client, "ours"), sign_up(client, "theirs")
    foreign = foreign_ids(theirs, ask)
    tried = 0
    for name, handler in handlers.items():
        method, path = name.split(" ")
        if "{" not in path or requirement_of(handler).kind in {"system_admin", "public"}:
            continue
        body = _example_body(document["paths"][path][method.lower()])
        # The foreign workspace itself, and things of it asked for in a workspace of ours.
        for one in {path, path.replace("{workspace_id}", ours.workspace_id)}:
            names = set(re.findall(r"\{([^}]+)\}", one))
            if not names:
                continue
            assert names <= set(foreign), f"add a row of the other workspace to foreign_ids for {name}"
            made_up = {key: str(uuid4()) for key in foreign}
            replies = [ours(method, one.format(**ids), json=body) for ids in (foreign, made_up)]
            answers = [(reply.status_code, _without_trace(reply)) for reply in replies]
            assert answers[0] == answers[1], name
            assert answers[0][0] == 404, (name, answers[0])
            tried += 1
    assert tried >= 12
    assert theirs("GET", "/api/me").status_code == 200


def _example_body(operation):
    for content in operation.get("requestBody", {}).get("content", {}).values():
        return content["example"]
    return None


def _without_trace(reply):
    body = reply.json()
    body["error"].pop("trace_id")
    return body


def test_another_workspace_in_the_header_is_as_unknown_as_a_made_up_one(client, ada, stranger, handlers):
    for name, handler in handlers.items():
        method, path = name.split(" ")
        if requirement_of(handler).kind == "permission" and "{" not in path:
            answers = [
                ada(method, path, headers={"X-Workspace-Id": one}) for one in (stranger.workspace_id, str(uuid4()), "x")
            ]
            assert {reply.status_code for reply in answers} == {404}, name
            assert len({json.dumps(_without_trace(reply)) for reply in answers}) == 1


def test_no_field_that_comes_in_is_a_plain_string(handlers):
    """A plain `str` takes NUL bytes and gigabytes."""

    def inside(kind):
        for one in kind.__subclasses__():
            yield one
            yield from inside(one)

    kinds = list(inside(Request))
    assert len(kinds) > 10
    for kind in kinds:
        assert kind.__struct_config__.forbid_unknown_fields
        for name, hint in kind.__annotations__.items():
            assert hint is not str, f"{kind.__name__}.{name}"


def test_bodies_are_structs_that_refuse_unknown_fields(handlers):
    for name, handler in handlers.items():
        data = handler.parsed_fn_signature.parameters.get("data")
        if data is not None:
            assert issubclass(data.annotation, Struct), name
            assert issubclass(data.annotation, Request), name


def test_no_handler_asks_for_two_transactions(handlers):
    for name, handler in handlers.items():
        assert not {"session", "identity"} <= set(handler.parsed_fn_signature.parameters), name


def test_every_operation_is_documented(document):
    ids = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            ids.append(operation["operationId"])
            assert operation["summary"], where
            assert operation["description"], where
            assert operation["tags"], where
            assert "500" in operation["responses"], where
            assert "503" in operation["responses"], where
            if path not in {"/api/health", "/api/readyz"}:
                assert "429" in operation["responses"], where
            content = [
                body for answer in operation["responses"].values() for body in answer.get("content", {}).values()
            ]
            content += operation.get("requestBody", {}).get("content", {}).values()
            assert [body for body in content if "schema" not in body] == [], where
    assert len(ids) == len(set(ids))
    assert document["openapi"].startswith("3.1")


def test_every_body_and_every_success_has_an_example(document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                assert "example" in body, (method, path)
            for status, answer in operation["responses"].items():
                for body in answer.get("content", {}).values():
                    assert "example" in body, (method, path, status)


def test_the_docs_page_loads_nothing_from_anywhere(client):
    page = client.get("/api/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"<script|src=|@import|url\(|https?://(?!json-schema)", page.text.split("<h2>")[0])
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "CreateWorkspace" in page.text


def test_the_document_is_served_and_printed_alike(client, document):
    assert client.get("/api/openapi.json").json() == json.loads(json.dumps(document))


def test_debug_is_off(app):
    assert app.debug is False


def test_the_written_document_is_current(document):
    """Whoever changes the API sees in the diff what that means for its callers."""
    written = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text("utf-8"))
    written, current = _entries(written), _entries(document)
    differing = sorted(name for name in written.keys() | current.keys() if written.get(name) != current.get(name))
    assert not differing, f"docs/openapi.json is not current; run: make openapi  ({', '.join(differing[:20])})"


def _entries(document):
    """Every entry of every part of the document, by its name."""
    found = {}
    for part, value in json.loads(json.dumps(document)).items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        found |= {f"{part} {name}": entry for name, entry in entries}
    return found


def test_every_error_has_a_schema_and_an_example_with_a_known_code(document):
    known = set(document["components"]["schemas"]["ErrorReply"]["properties"]["error"]["properties"]["code"]["enum"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            errors = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
            assert errors, (method, path)
            for status, answer in errors.items():
                body = answer["content"]["application/json"]
                assert "$ref" in body["schema"], (method, path, status)
                if body["schema"]["$ref"].endswith("/ErrorReply"):
                    assert body["example"]["error"]["code"] in known, (method, path, status)
            assert re.fullmatch(r"[A-Z][A-Za-z]+", operation["operationId"]), operation["operationId"]
