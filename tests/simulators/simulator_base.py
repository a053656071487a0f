"""What all platform simulators share: a real HTTP server, a clock that is set by hand, a ledger, and faults on purpose.

A simulator is a class with handlers::

    class ExampleSimulator(Simulator):
        @route("POST", r"/v1/videos/(?P<video>[^/]+)/publish")
        def publish(self, asked: Request) -> Response:
            token = self.account_of(asked)                     # 401 by itself where the token is not taken
            if self.fault_is(FaultKind.REJECT, asked): ...
            self.ledger.publish(account=token.account, remote_id=..., key=..., **what)
            return Response(200, {"id": ...})

A handler that runs has *applied* its effect: `DROP_AFTER` and `ERROR_AFTER` run it and then lose its answer.
"""

import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simulator_parts import Entry, FakeClock, Fault, FaultKind, FaultPlan, Ledger, RealClock

__all__ = [
    "Entry",
    "FakeClock",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Harness",
    "Ledger",
    "RealClock",
    "Refused",
    "Request",
    "Response",
    "Simulator",
    "Token",
    "route",
    "running",
]


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: datetime
    match: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body; `None` where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def form(self) -> dict[str, str]:
        """The body as a form."""
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    def parts(self) -> dict[str, tuple[Message, bytes]]:
        """The body as `multipart/form-data`: field name to its headers and bytes."""
        head = f"Content-Type: {self.headers.get('content-type', '')}\r\n\r\n".encode()
        read = BytesParser(policy=HTTP).parsebytes(head + self.body)
        found: dict[str, tuple[Message, bytes]] = {}
        for part in read.iter_parts():  # type: ignore[attr-defined]
            name = part.get_param("name", header="content-disposition")
            found[str(name)] = (part, part.get_payload(decode=True) or b"")
        return found

    @property
    def bearer(self) -> str | None:
        """The token after `Bearer`."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None


@dataclass
class Response:
    """What is answered; a `dict` or `list` is sent as JSON."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, dict[str, str]]:
        """Bytes and headers to send."""
        if isinstance(self.body, bytes):
            return self.body, dict(self.headers)
        if isinstance(self.body, str):
            return self.body.encode(), {"Content-Type": "text/plain; charset=utf-8", **self.headers}
        return json.dumps(self.body).encode(), {"Content-Type": "application/json", **self.headers}


class Refused(Exception):
    """Raised in a handler to answer at once: nothing took effect."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass
class Token:
    """An access token the simulator has handed out."""

    value: str
    account: str
    expires_at: datetime
    scopes: tuple[str, ...] = ()
    refresh: str | None = None
    revoked: bool = False


Handler = Callable[[Any, Request], Response]


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Marks a handler: `path` is a regular expression for the whole path; its named groups arrive in `Request.match`."""

    def mark(handler: Handler) -> Handler:
        handler.routed = (method, re.compile(path))  # type: ignore[attr-defined]
        return handler

    return mark


class Simulator:
    """One platform on a port of this machine. Handlers run one at a time, under `self.lock`."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.ledger = Ledger(self.clock)
        self.faults = FaultPlan()
        self.log: list[tuple[Request, int | None]] = []  # None: the connection was broken
        self.tokens: dict[str, Token] = {}
        self.lock = threading.RLock()
        self._routes = [
            (method, pattern, getattr(self, name))
            for name in dir(type(self))
            if (routed := getattr(getattr(type(self), name), "routed", None))
            for method, pattern in [routed]
        ]
        self._server = _Server(("127.0.0.1", 0), type("Exchange", (_Exchange,), {"simulator": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Tokens

    def give_token(self, value: str, account: str, *, seconds: float = 3600, **more: Any) -> Token:
        """A token that is taken for so many seconds of the simulator's clock."""
        token = Token(value, account, self.clock() + timedelta(seconds=seconds), **more)
        self.tokens[value] = token
        return token

    def account_of(self, asked: Request, *, scope: str | None = None) -> Token:
        """Whose token the request carries; answers `unauthorized` or `forbidden` where it is not taken."""
        token = self.tokens.get(asked.bearer or "")
        if token is not None and self.fault_is(FaultKind.EXPIRE_TOKEN, asked):
            token.expires_at = self.clock()
        if token is None or token.revoked or token.expires_at <= self.clock():
            raise Refused(self.unauthorized(asked))
        if scope is not None and scope not in token.scopes:
            raise Refused(self.forbidden(asked, scope))
        return token

    def unauthorized(self, asked: Request) -> Response:
        """The platform's own 401; override."""
        return Response(401, {"error": "unauthorized"})

    def forbidden(self, asked: Request, scope: str) -> Response:
        """The platform's own answer to a missing scope; override."""
        return Response(403, {"error": "forbidden", "scope": scope})

    def too_many(self, asked: Request, fault: Fault) -> Response:
        """The platform's own 429; override where its body or headers matter."""
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return Response(429, fault.body or {"error": "rate limited"}, headers)

    def broken(self, asked: Request, fault: Fault) -> Response:
        """The platform's own 5xx; override where its body matters."""
        return Response(fault.status, fault.body or {"error": "internal"})

    # Faults and the log

    def fault_is(self, kind: FaultKind, asked: Request) -> Fault | None:
        """Whether this kind is planned for this request; uses it up."""
        return self.faults.take(asked, {kind})

    def count(self, method: str, path: str) -> int:
        """How many requests of this method and path (a regular expression) have arrived."""
        with self.lock:
            return sum(1 for asked, _ in self.log if asked.method == method and re.search(path, asked.path))

    # The exchange

    def answer(self, asked: Request) -> Response | None:
        """What to send; `None` breaks the connection."""
        if asked.path.startswith("/__sim/"):
            return self._control(asked)
        response = self._answer(asked)
        with self.lock:
            self.log.append((asked, None if response is None else response.status))
        return response

    def _answer(self, asked: Request) -> Response | None:
        take = self.faults.take
        if slow := take(asked, {FaultKind.SLOW}):
            time.sleep(slow.seconds)
        if take(asked, {FaultKind.DROP_BEFORE}):
            return None
        if fault := take(asked, {FaultKind.RATE_LIMIT}):
            return self.too_many(asked, fault)
        if fault := take(asked, {FaultKind.ERROR_BEFORE}):
            return self.broken(asked, fault)
        response = self._handled(asked)
        if response.status < 400:
            if take(asked, {FaultKind.DROP_AFTER}):
                return None
            if fault := take(asked, {FaultKind.ERROR_AFTER}):
                return self.broken(asked, fault)
        return response

    def _handled(self, asked: Request) -> Response:
        for method, pattern, handler in self._routes:
            if method == asked.method and (found := pattern.fullmatch(asked.path)):
                with self.lock:
                    try:
                        return handler(replace(asked, match=found.groupdict()))
                    except Refused as refused:
                        return refused.response
        return Response(404, {"error": f"no such endpoint: {asked.method} {asked.path}"})

    def _control(self, asked: Request) -> Response:
        """`/__sim/faults`, `/__sim/clock`, `/__sim/log`, `/__sim/posts`: the same from another process."""
        what = asked.json() or {}
        match (asked.method, asked.path):
            case ("POST", "/__sim/faults"):
                self.faults.add(**what)
            case ("POST", "/__sim/reset"):
                self.faults.clear()
            case ("POST", "/__sim/clock"):
                self.clock.advance(what["advance"])
            case ("GET", "/__sim/clock"):
                pass
            case ("GET", "/__sim/log"):
                return Response(200, [[one.method, one.path, status] for one, status in self.log])
            case ("GET", "/__sim/posts"):
                return Response(200, [[e.account, e.remote_id, e.key, e.at.isoformat()] for e in self.ledger.entries])
            case _:
                return Response(404)
        return Response(200, {"now": self.clock().isoformat()})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that was killed has nobody left to tell.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Exchange(BaseHTTPRequestHandler):
    simulator: Simulator
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        asked = Request(
            method=self.command,
            path=parts.path,
            query={name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=b"",
            at=self.simulator.clock(),
        )
        length = int(self.headers.get("Content-Length") or 0)
        control = asked.path.startswith("/__sim/")
        if not control and self.simulator.faults.take(asked, {FaultKind.DROP_BODY}):
            self.rfile.read(length // 2)
            with self.simulator.lock:
                self.simulator.log.append((asked, None))
            return self.break_off()
        body = self.read_chunked() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        response = self.simulator.answer(replace(asked, body=body))
        if response is None:
            return self.break_off()
        content, headers = response.encoded()
        self.send_response(response.status)
        for name, value in headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        return None

    def read_chunked(self) -> bytes:
        read = bytearray()
        while size := int(self.rfile.readline().strip() or b"0", 16):
            read += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(read)

    def break_off(self) -> None:
        # A reset, not a polite end: what a client sees when the other side dies.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            return


@dataclass(frozen=True, kw_only=True)
class Harness:
    """How the contract suite gets at one platform. Each `tests/simulators/NAME_simulator.py` has `HARNESS = Harness(…)`."""

    name: str
    simulator: Callable[[], Any]  # a fresh Simulator with at least one account
    settings: Callable[
        [Any], dict[str, Any]
    ]  # fields of Settings that point at the simulator, app id and secret included
    connect: Callable[[Any], Any]  # -> Tokens of an account that is ready to post, scopes complete
    content: Callable[[str], Any]  # (unique text) -> PostContent that publishes; the ledger key is this text
    sizes: tuple[int, ...] = (
        300_000,
    )  # of the videos to publish, in bytes; name one of a single chunk and one of several
    commit_path: str = ".*"  # regular expressions of the request that publishes
    commit_method: str = "POST|PUT"
    faults: tuple[FaultKind, ...] = tuple(FaultKind)  # those the simulator knows
    platform: Callable[[Any], Any] | None = None  # (Settings) -> Platform; unset opens it by name
    advance: float = 60.0  # seconds of the simulator's clock that let its processing end


@contextmanager
def running(harness: Harness) -> Iterator[Any]:
    """A simulator that is closed in the end."""
    simulator = harness.simulator()
    try:
        yield simulator
    finally:
        simulator.close()
