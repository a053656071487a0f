"""The OpenAPI document: Litestar's, with the error schemas, headers and permissions that hold for every operation."""

import html
import json
import re
from typing import Any

from litestar import Litestar, Request, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.routes import HTTPRoute

from cliply_api.auth.guards import Requirement, public, requirement_of
from cliply_api.auth.middleware import COOKIE, WORKSPACE_HEADER
from cliply_api.errors import ErrorCode
from cliply_api.web.examples import example_of
from cliply_api.web.fields import Request as RequestBody
from cliply_api.web.idempotency import HEADER, MAX_KEY_LENGTH
from cliply_api.web.responses import ApiResponse

__all__ = ["build_document", "document_routes", "openapi_config"]

ERRORS = {
    400: ("The request is not understood.", ErrorCode.VALIDATION_FAILED),
    401: ("Nobody, or nobody any more.", ErrorCode.UNAUTHENTICATED),
    403: ("Not allowed.", ErrorCode.FORBIDDEN),
    404: ("Not there, or not for you.", ErrorCode.NOT_FOUND),
    409: ("Not possible in its present state.", ErrorCode.CONFLICT),
    413: ("The body is too large.", ErrorCode.BODY_TOO_LARGE),
    422: ("Understood and refused.", ErrorCode.IDEMPOTENCY_KEY_REUSED),
    429: ("Too many requests; see Retry-After.", ErrorCode.RATE_LIMITED),
    500: ("Our fault.", ErrorCode.INTERNAL_ERROR),
    502: ("A platform refused.", ErrorCode.UPSTREAM_REJECTED),
    503: ("Not now; see Retry-After.", ErrorCode.SERVICE_UNAVAILABLE),
}
AnyRequest = Request[Any, Any, Any]

PAGE_NAME = re.compile(r"Page_(?:\w+\.)*(\w+)_(?=\")")
"""What the generator makes of `Page[…]`."""
ERROR_REF = {"$ref": "#/components/schemas/ErrorReply"}
CONTENT_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def openapi_config(version: str) -> OpenAPIConfig:
    """What Litestar needs to know; it serves nothing itself."""
    return OpenAPIConfig(
        title="Cliply",
        version=version,
        summary="Long video in; captioned, reframed, published short clips out.",
        description=(
            "Send `Authorization: Bearer …` with an access token (POST /api/auth/login) or an API token. "
            f"`{WORKSPACE_HEADER}` chooses among your workspaces. Errors always have the shape of `ErrorReply`."
        ),
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="An access token or an API token."),
                "cookie": SecurityScheme(type="apiKey", name=COOKIE, security_scheme_in="cookie"),
            }
        ),
        tags=[
            Tag(name="Sign-in", description="Accounts, sessions and passwords."),
            Tag(name="API tokens", description="Keys for programs."),
            Tag(name="Workspaces", description="Workspaces, members, invitations, audit log."),
            Tag(name="Clips", description="Reviewed, edited, discussed, rendered again and downloaded."),
            Tag(
                name="Accounts", description="On platforms: connected, capped, disconnected; and what posts begin with."
            ),
            Tag(name="Posts", description="Planned, approved, followed, and answered for."),
            Tag(name="Analytics", description="How posts do, and when."),
            Tag(name="Events", description="What happens, as it happens."),
            Tag(name="Webhooks", description="What happens, told to programs of your own."),
            Tag(name="Administration", description="For whoever looks after the installation."),
            Tag(name="System", description="Whether everything works."),
        ],
        servers=[],
        use_handler_docstrings=True,
    )


def build_document(app: Litestar, config: OpenAPIConfig) -> dict[str, Any]:
    """The whole document, as JSON-compatible values.

    Litestar's generator is asked directly: as a plugin it would also serve pages of its own, which load scripts from elsewhere.
    """
    from litestar._openapi.plugin import OpenAPIPlugin
    from litestar.config.app import AppConfig

    generator = OpenAPIPlugin(app)
    generator.on_app_init(AppConfig(openapi_config=config))
    for route in app.routes:
        generator.receive_route(route)
    written = json.dumps(generator.provide_openapi_schema(), default=str)
    # The generator says `oneOf` for every union, but 3 is an integer and a number, too.
    document: dict[str, Any] = json.loads(PAGE_NAME.sub(r"PageOf\1", written).replace('"oneOf"', '"anyOf"'))
    schemas = document["components"].setdefault("schemas", {})
    schemas.update(_error_schemas())
    for incoming in _incoming(RequestBody):
        if incoming in schemas:
            schemas[incoming]["additionalProperties"] = False
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, _ in route.route_handler_map.values():
                for method in handler.http_methods:
                    operation = document["paths"].get(route.path_format, {}).get(method.lower())
                    if operation is not None:
                        _complete(operation, method, handler, schemas, route.path_format)
    return document


def _incoming(base: type[Any]) -> set[str]:
    """Names of all structs that refuse unknown fields, which Litestar's generator does not say of them."""
    kinds: list[type[Any]] = base.__subclasses__()
    return {kind.__name__ for kind in kinds}.union(*(_incoming(kind) for kind in kinds))


def _complete(operation: dict[str, Any], method: str, handler: Any, schemas: dict[str, Any], path: str) -> None:
    has_path = "{" in path
    requirement = requirement_of(handler) or Requirement("signed_in")
    responses = operation.setdefault("responses", {})
    wanted = {400, 429, 500, 503} if method != "GET" or operation.get("parameters") else {429, 500, 503}
    if requirement.kind != "public":
        wanted |= {401, 403}
    # What a body names may be as unknown as what the path names.
    if requirement.kind == "permission" or has_path or (requirement.kind != "public" and method != "GET"):
        wanted |= {404}
    if method in {"POST", "PUT", "PATCH", "DELETE"}:
        wanted |= {409, 413, 422}
    if has_path:
        wanted |= {409}  # also of a read: not everything that is there has everything that can be asked for
    if requirement.kind == "public" and method == "POST":
        wanted |= {401}
    # What else a handler answers, such as one that asks a platform: `opt={"further": (409, 502)}`.
    wanted |= set(handler.opt.get("further") or ())
    for status in sorted(wanted | ({400} if has_path else set())):
        responses[str(status)] = _error_response(status)
    for status, name in (handler.opt.get("answers") or {}).items():
        body = {"schema": {"$ref": f"#/components/schemas/{name}"}}
        responses[str(status)] = {**responses[str(status)], "content": {"application/json": body}}
    if requirement.kind == "public":
        operation["security"] = []
    else:
        operation["security"] = [{"bearer": []}, {"cookie": []}]
    _add_headers(operation, requirement, handler, names_workspace="{workspace_id}" in path)
    _exemplify(operation, handler, schemas)


def _add_headers(operation: dict[str, Any], requirement: Requirement, handler: Any, *, names_workspace: bool) -> None:
    if requirement.permission is not None:
        operation["x-permission"] = requirement.permission
        note = f"Needs the permission `{requirement.permission}`."
        operation["description"] = f"{operation.get('description', '')}\n\n{note}".strip()
        if not names_workspace:
            operation.setdefault("parameters", []).append(
                _header(WORKSPACE_HEADER, {"type": "string", "format": "uuid"})
            )
    if handler.opt.get("idempotent"):
        operation.setdefault("parameters", []).append(
            _header(HEADER, {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]+$"})
        )


def _exemplify(operation: dict[str, Any], handler: Any, schemas: dict[str, Any]) -> None:
    """The handler's own examples (`opt={"examples": {"body": …, 201: …}}`), and for the rest made-up ones.

    Where an error's answer has a body of its own kind, the handler says so as well: `opt={"answers": {503: "Readiness"}}`.
    """
    given = handler.opt.get("examples") or {}
    if "204" in operation["responses"]:
        operation["responses"]["204"].pop("content", None)
    bodies = {"body": operation.get("requestBody", {}), **operation["responses"]}
    for place, body in bodies.items():
        example = given.get(place if place == "body" else int(place))
        for media in body.get("content", {}).values():
            if "example" not in media:
                media["example"] = example if example is not None else example_of(media["schema"], schemas)


def _header(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema}


def _error_response(status: int) -> dict[str, Any]:
    description, code = ERRORS[status]
    example = {"error": {"code": code.value, "message": description, "trace_id": "0b5f9c8e7d6a4b3c"}}
    found: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": ERROR_REF, "example": example}},
    }
    if status in {429, 503}:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    return found


def _error_schemas() -> dict[str, Any]:
    detail = {
        "type": "object",
        "required": ["message"],
        "properties": {
            "message": {"type": "string"},
            "field": {"type": "string", "description": "Where in the body, or the parameter's name."},
            "place": {"type": "string", "description": "body, query, path, header or cookie."},
        },
    }
    body = {
        "type": "object",
        "required": ["code", "message", "trace_id"],
        "properties": {
            "code": {"type": "string", "enum": [code.value for code in ErrorCode]},
            "message": {"type": "string", "description": "A sentence for people."},
            "trace_id": {"type": "string", "description": "Name it when you ask for help."},
            "details": {"type": "array", "items": detail},
        },
    }
    return {"ErrorReply": {"type": "object", "required": ["error"], "properties": {"error": body}}}


def document_routes() -> list[Any]:
    """`/api/openapi.json`, and `/api/docs`, which loads nothing from anywhere."""

    @get(
        "/api/openapi.json",
        guards=[public()],
        include_in_schema=False,
        sync_to_thread=False,
        media_type="application/json",
    )
    def openapi_json(request: AnyRequest) -> ApiResponse[bytes]:
        return ApiResponse(json.dumps(request.app.state.document()).encode(), media_type="application/json")

    @get("/api/docs", guards=[public()], include_in_schema=False, sync_to_thread=False, media_type="text/html")
    def docs_page(request: AnyRequest) -> ApiResponse[bytes]:
        page = _page(request.app.state.document()).encode()
        return ApiResponse(page, media_type="text/html", headers={"Content-Security-Policy": CONTENT_SECURITY})

    return [openapi_json, docs_page]


STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f4f5f7;padding:.7rem;overflow:auto;border-radius:6px}
summary{cursor:pointer;padding:.3rem 0}b.m{display:inline-block;min-width:4.5rem}table{border-collapse:collapse}
td,th{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}h2{border-bottom:1px solid #d7dae0;margin-top:2rem}
@media(prefers-color-scheme:dark){body{background:#14161a;color:#e6e8eb}pre{background:#1f2329}a{color:#8ab4ff}}
"""


def _page(document: dict[str, Any]) -> str:
    sections: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if isinstance(operation, dict):
                sections.setdefault((operation.get("tags") or ["Other"])[0], []).append(_entry(path, method, operation))
    parts = "".join(f"<h2>{_text(name)}</h2>{''.join(entries)}" for name, entries in sections.items())
    schemas = "".join(
        f'<details id="{_text(name)}"><summary><code>{_text(name)}</code></summary>{_json(schema)}</details>'
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{_text(info['title'])} API</title><style>{STYLE}</style><h1>{_text(info['title'])} API</h1>"
        f'<p>{_text(info["description"])}</p><p><a href="/api/openapi.json">OpenAPI document</a></p>{parts}'
        f"<h2>Schemas</h2>{schemas}</html>"
    )


def _entry(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{_text(one['name'])}</code><td>{_text(one['in'])}<td>{_text(one.get('description', ''))}"
        for one in operation.get("parameters", [])
    )
    answers = "".join(
        f"<tr><td>{_text(status)}<td>{_text(one.get('description', ''))}"
        for status, one in operation.get("responses", {}).items()
    )
    body = operation.get("requestBody", {}).get("content", {})
    return (
        f'<details id="{_text(operation["operationId"])}"><summary><b class="m">{method.upper()}</b> <code>{_text(path)}</code> '
        f"— {_text(operation.get('summary', ''))}</summary><p>{_text(operation.get('description', ''))}</p>"
        f"<table>{rows}</table>{_json(body) if body else ''}<table>{answers}</table></details>"
    )


def _json(value: Any) -> str:
    return f"<pre>{_text(json.dumps(value, indent=1))}</pre>"


def _text(value: Any) -> str:
    return html.escape(str(value))
