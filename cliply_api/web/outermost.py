"""The outermost layer: every request gets an id and an address, every answer its headers and a line in the log.

It lies around routing, so that it also covers addresses that do not exist and what goes wrong anywhere inside.
"""

import re
import time
import uuid
from typing import Any

import structlog
from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from cliply_api.web.facts import KEY, RequestFacts
from cliply_api.web.metrics import METRICS
from cliply_resources.addresses import Network, is_inside, networks
from cliply_resources.settings import Settings
from cliply_resources.tracing import Span, continued, tracer

__all__ = ["Outermost", "caller_address"]

log = structlog.get_logger("cliply_api.requests")

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
MAX_HOPS = 10
"""Entries of X-Forwarded-For that are looked at."""

DEFAULT_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""A handler that sets one of these itself keeps its own."""


class Outermost:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._proxies = networks(settings.trusted_proxies)
        self._tracer = tracer(settings, service="cliply-api")
        self._headers = dict(DEFAULT_HEADERS)
        if settings.public_url.startswith("https://"):
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request, or lets the server's own messages through."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id", b""))
        facts = RequestFacts(
            request_id=request_id,
            errand=continued(request_id, headers.get(b"traceparent", b"").decode("latin-1")),
            address=caller_address(scope.get("client"), headers.get(b"x-forwarded-for", b""), self._proxies),
        )
        scope.setdefault("state", {})[KEY] = facts
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=facts.request_id)
        begun, begun_ns = time.perf_counter(), time.time_ns()
        seen: dict[str, Any] = {"status": 0}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                answer = MutableScopeHeaders.from_message(message)
                answer["X-Request-Id"] = facts.request_id
                if scope.get("method") == "OPTIONS" and "Allow" in answer:
                    answer["Allow"] = _allowed(scope["litestar_app"], str(scope.get("path_template")))
                for name, value in self._headers.items():
                    answer.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            _write_line(scope, facts, seen["status"], time.perf_counter() - begun)
            if self._tracer is not None:
                self._tracer.record(_span(scope, facts, seen["status"], begun_ns))


def _allowed(app: Litestar, path: str) -> str:
    """All methods of an address; the framework's own answer names those of one handler only."""
    found = {method for route in app.routes if route.path_format == path for method in getattr(route, "methods", ())}
    return ", ".join(sorted({*found, "OPTIONS"}))


def _request_id(given: bytes) -> str:
    """The caller's own, where it is harmless: it connects their log with ours."""
    text = given.decode("latin-1")
    return text if GIVEN_ID.fullmatch(text) else uuid.uuid4().hex


def caller_address(peer: Any, forwarded: bytes, proxies: tuple[Network, ...]) -> str:
    """Who is calling: the nearest address that is not one of our own proxies."""
    address = str(peer[0]) if peer else ""
    hops = [hop.strip() for hop in forwarded.decode("latin-1").split(",")[-MAX_HOPS:] if hop.strip()]
    while hops and address and is_inside(address, proxies):
        address = hops.pop()
    return address[:64]


def _span(scope: Scope, facts: RequestFacts, status: int, begun: int) -> Span:
    method, place = str(scope.get("method", "WS")), str(scope.get("path_template", "unknown"))
    return Span(
        name=f"{method} {place}",
        request_id=facts.errand,
        root=True,
        begun=begun,
        ended=time.time_ns(),
        ok=status < 500,
        attributes={"http.request.method": method, "http.route": place, "http.response.status_code": status},
    )


def _write_line(scope: Scope, facts: RequestFacts, status: int, seconds: float) -> None:
    who = facts.principal
    # The path as it was declared: ids in it would make a line of each.
    place = str(scope.get("path_template", "unknown"))
    method = str(scope.get("method", "WS"))
    METRICS.count("cliply_requests_total", method=method, path=place, status=str(status))
    if method != "WS" and place != "/api/events":
        METRICS.observe("cliply_request_seconds", seconds, method=method, path=place)
    log.info(
        "request",
        method=scope.get("method", "WS"),
        path=scope["path"],
        status=status,
        ms=round(seconds * 1000, 1),
        address=facts.address,
        user=str(who.user_id) if who else None,
        workspace=str(who.workspace_id) if who and who.workspace_id else None,
    )
