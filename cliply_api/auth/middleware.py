"""Finds out who is asking, before the handler's guards: one round trip to the database, and none for public handlers.

Programs send `Authorization: Bearer <access token or API token>`, browsers their session cookie, and with it, where they change
something, the CSRF token. The workspace is the one in the path, else the one in `X-Workspace-Id`, else the one that the API
token is for, else the caller's oldest. Somebody else's workspace is as unknown as a made-up one.
"""

import hmac
from typing import Any
from uuid import UUID

import structlog
from anyio import to_thread
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import WebSocketException
from litestar.types import ASGIApp, Receive, Scope, Send

from cliply_api.auth.guards import Requirement, requirement_of
from cliply_api.auth.keys import KeyRing
from cliply_api.auth.principal import Principal, Proof
from cliply_api.auth.secrets import checks_out, csrf_token, hash_secret, kind_of
from cliply_api.errors import ErrorCode, Forbidden, RateLimited, Unauthenticated
from cliply_api.web.facts import facts_of
from cliply_resources.database import Database
from cliply_resources.errors import NotFound
from cliply_resources.settings import Settings

__all__ = ["COOKIE", "CSRF_COOKIE", "CSRF_HEADER", "WORKSPACE_HEADER", "Authentication", "admit"]

COOKIE = "__Host-cliply_session"
CSRF_COOKIE = "__Host-cliply_csrf"
CSRF_HEADER = "X-CSRF-Token"
WORKSPACE_HEADER = "X-Workspace-Id"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
NO_SUCH_WORKSPACE = "There is no such workspace."
MAX_TOKEN_LENGTH = 4096

ADMIT = "SELECT * FROM app.admit(%(how)s, %(session)s, %(hash)s, %(workspace)s, %(per_user)s, %(per_workspace)s)"
"""In the driver's own words: every request asks it."""


class Authentication:
    """ASGI middleware of every route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Notes the principal among the request's facts."""
        if scope["type"] in {"http", "websocket"} and scope.get("method") != "OPTIONS":
            requirement = requirement_of(scope["route_handler"])
            if requirement is None or requirement.kind != "public":
                await self._identify(scope, requirement)
        await self.app(scope, receive, send)

    async def _identify(self, scope: Scope, requirement: Requirement | None) -> None:
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        app: Litestar = scope["litestar_app"]
        try:
            proof, secret = _credential(connection)
            wanted = _wanted_workspace(connection)
            who = await to_thread.run_sync(
                admit, app.state.database, app.state.key_ring, app.state.settings, proof, secret, wanted
            )
        except Unauthenticated as refused:
            if scope["type"] == ScopeType.WEBSOCKET:
                raise WebSocketException(detail=str(refused), code=4401) from refused
            raise
        facts_of(scope).principal = who
        structlog.contextvars.bind_contextvars(user=str(who.user_id), workspace=str(who.workspace_id))
        in_workspace = requirement is not None and requirement.kind == "permission"
        if wanted is not None and who.workspace_id is None and in_workspace:
            raise NotFound(NO_SUCH_WORKSPACE)


def admit(
    database: Database, keys: KeyRing, settings: Settings, proof: Proof, secret: str, wanted: UUID | None
) -> Principal:
    """Who it is. The request counts against the user's and the workspace's budget, whatever comes of it.

    Raises `Unauthenticated`, `Forbidden` for a suspended account, `RateLimited`.
    """
    values: dict[str, Any] = {
        "how": "session",
        "session": None,
        "hash": None,
        "workspace": wanted,
        "per_user": settings.user_requests_per_minute,
        "per_workspace": settings.workspace_requests_per_minute,
    }
    if proof == "bearer":
        access = keys.read(secret)
        if access is None:
            raise Unauthenticated("The access token is not valid (any more). Refresh it, or sign in again.")
        values |= {"session": access.session_id}
    else:
        values |= {"how": proof, "hash": hash_secret(secret)}
    with database.identity_at_once() as connection:
        found = connection.exec_driver_sql(ADMIT, values).one_or_none()
    if found is None or (proof == "bearer" and found.user_id != access.user_id):  # type: ignore[union-attr]
        raise Unauthenticated("This sign-in was ended, or has expired. Sign in again.")
    if found.suspended:
        raise Forbidden(
            "This account is suspended. Ask the operator of this installation.", ErrorCode.ACCOUNT_SUSPENDED
        )
    if found.wait_seconds > 0:
        raise RateLimited(found.wait_seconds)
    return Principal(
        proof=proof,
        user_id=found.user_id,
        email=found.email,
        name=found.name,
        verified=found.verified,
        is_admin=found.is_admin,
        session_id=found.session_id,
        token_id=found.token_id,
        scopes=frozenset(found.scopes) if found.scopes is not None else None,
        actor_id=found.actor_id,
        workspace_id=found.workspace_id,
        role=found.role,
        workspace_suspended=bool(found.workspace_suspended),
    )


def _credential(connection: ASGIConnection[Any, Any, Any, Any]) -> tuple[Proof, str]:
    given = connection.headers.get("Authorization")
    if given is not None:
        scheme, _, token = given.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated("Send the access token as “Authorization: Bearer …”.")
        if kind_of(token) is None:
            return "bearer", token
        if kind_of(token) != "pt" or not checks_out(token):
            raise Unauthenticated("This is neither an access token nor an API token.")
        return "token", token
    cookie = connection.cookies.get(COOKIE)
    if not cookie or kind_of(cookie) != "se" or not checks_out(cookie):
        raise Unauthenticated("Sign in, and send the access token as “Authorization: Bearer …”.")
    _check_csrf(connection, cookie)
    return "cookie", cookie


def _check_csrf(connection: ASGIConnection[Any, Any, Any, Any], cookie: str) -> None:
    """A cookie comes along whoever wrote the page; what changes something must show that the page is ours."""
    socket = connection.scope["type"] == ScopeType.WEBSOCKET
    if socket or connection.headers.get("Sec-Fetch-Site") == "cross-site":
        origin = connection.headers.get("Origin")
        settings: Settings = connection.app.state.settings
        known = {settings.public_url.rstrip("/"), *settings.cors_origins, f"{connection.base_url}".rstrip("/")}
        if origin not in known:
            raise Forbidden("This page may not use your sign-in.", ErrorCode.CSRF_FAILED)
    if socket or connection.scope.get("method") in SAFE_METHODS:
        return
    given = connection.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), csrf_token(cookie).encode()):
        raise Forbidden(
            f"Send the value of the cookie {CSRF_COOKIE} in the header {CSRF_HEADER}.", ErrorCode.CSRF_FAILED
        )


def _wanted_workspace(connection: ASGIConnection[Any, Any, Any, Any]) -> UUID | None:
    in_path = connection.path_params.get("workspace_id")
    given = str(in_path) if in_path is not None else connection.headers.get(WORKSPACE_HEADER)
    if given is None and connection.scope["route_handler"].opt.get("workspace_in_query"):
        given = connection.query_params.get("workspace_id")  # of an EventSource, which sends no headers
    if given is None:
        return None
    try:
        return UUID(given)
    except ValueError as failure:
        raise NotFound(NO_SUCH_WORKSPACE) from failure
