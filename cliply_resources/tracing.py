"""One trace from a web request to the last step that it caused, sent as OpenTelemetry (OTLP over HTTP, as JSON) where a collector is set.

The trace's id is derived from the request's, which runs and steps carry anyway; so nothing has to be handed from process to process.
A caller's own trace (W3C `traceparent`) is continued: what runs and steps carry then ends with its ids.
Sending happens beside the work, in batches; a collector that is away costs spans, never work.
"""

import hashlib
import os
import queue
import re
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from cliply_resources.errors import CliplyError
from cliply_resources.notify import scrub
from cliply_resources.outbound import CONFIGURED, fetch
from cliply_resources.settings import Settings, get_settings

__all__ = ["Span", "Tracer", "as_otlp", "continued", "root_span_id", "trace_id_of", "tracer"]

MOST_WAITING = 2000
"""Spans that wait to be sent; beyond it the newest are dropped."""
BATCH = 200
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0

SERVER, INTERNAL = 2, 1
_NONZERO = r"(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
_TRACEPARENT = re.compile(rf"(?P<version>[0-9a-f]{{2}})-{_NONZERO}-[0-9a-f]{{2}}(?P<more>-.*)?")
_CONTINUED = re.compile(rf"~{_NONZERO}$")
OK, FAILED = 1, 2
"""Of OTLP's SpanKind and StatusCode."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Something that took time; moments in nanoseconds since 1970."""

    name: str
    request_id: str
    root: bool
    """Whether it is the request itself; everything else hangs below it."""
    begun: int
    ended: int
    ok: bool = True
    attributes: Mapping[str, str | int | float] = {}


def continued(request_id: str, traceparent: str) -> str:
    """The request's id for all work that it asks for, with the caller's trace where the header names one; any other is passed over.

    The header's grammar is that of W3C Trace Context, section 3.2: later versions may add fields, ids of zeros are none.
    """
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return request_id
    return f"{request_id}~{found['trace']}-{found['span']}"


def trace_id_of(request_id: str) -> str:
    """32 hexadecimal digits, the same for the same request; the caller's own where it continues theirs."""
    if outer := _CONTINUED.search(request_id):
        return outer["trace"]
    return hashlib.sha256(f"cliply trace {request_id}".encode()).hexdigest()[:32]


def root_span_id(request_id: str) -> str:
    """16 hexadecimal digits: the span of the request itself."""
    return hashlib.sha256(f"cliply root {request_id}".encode()).hexdigest()[:16]


def as_otlp(spans: list[Span], *, service: str) -> dict[str, Any]:
    """The document of an ExportTraceServiceRequest in OTLP's JSON encoding, without secrets."""
    resource = {"attributes": [_attribute("service.name", service)]}
    scope = {"name": "cliply"}
    return {
        "resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": [_otlp(s) for s in spans]}]}]
    }


def _otlp(span: Span) -> dict[str, Any]:
    root = root_span_id(span.request_id)
    written: dict[str, Any] = {
        "traceId": trace_id_of(span.request_id),
        "spanId": root if span.root else os.urandom(8).hex(),
        "name": span.name,
        "kind": SERVER if span.root else INTERNAL,
        "startTimeUnixNano": str(span.begun),
        "endTimeUnixNano": str(span.ended),
        "attributes": [_attribute(name, value) for name, value in span.attributes.items()],
        "status": {"code": OK if span.ok else FAILED},
    }
    outer = _CONTINUED.search(span.request_id)
    parent = root if not span.root else outer["span"] if outer else None
    return written if parent is None else {**written, "parentSpanId": parent}


def _attribute(name: str, value: str | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"key": name, "value": {"stringValue": scrub(value)[:1000]}}
    if isinstance(value, int):
        return {"key": name, "value": {"intValue": str(value)}}
    return {"key": name, "value": {"doubleValue": value}}


class Tracer:
    """Takes spans from any thread, and sends them from one of its own."""

    def __init__(self, endpoint: str, *, service: str, token: str = "") -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        self._service = service
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._waiting: queue.Queue[Span] = queue.Queue(MOST_WAITING)
        self.dropped = 0
        threading.Thread(target=self._run, name="cliply-tracing", daemon=True).start()

    def record(self, span: Span) -> None:
        """Never waits, never raises."""
        try:
            self._waiting.put_nowait(span)
        except queue.Full:
            self.dropped += 1

    def flush(self, seconds: float = 2.0) -> None:
        """Returns once everything recorded so far was sent or given up, or the time is over; before a process ends."""
        end = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            document = as_otlp(batch, service=self._service)
            try:
                fetch(
                    self._url,
                    policy=CONFIGURED,
                    method="POST",
                    headers=self._headers,
                    json=document,
                    timeout=TIMEOUT_SECONDS,
                )
            except CliplyError:
                self.dropped += len(batch)
                time.sleep(PAUSE_SECONDS)
            finally:
                for _ in batch:
                    self._waiting.task_done()


def tracer(settings: Settings | None = None, *, service: str = "cliply") -> Tracer | None:
    """This process's tracer; nothing where no collector is set. A forked process gets one of its own."""
    used = settings or get_settings()
    if used.otlp_endpoint is None:
        return None
    token = used.otlp_token.get_secret_value() if used.otlp_token is not None else ""
    return _tracer_of(os.getpid(), used.otlp_endpoint, service, token)


@lru_cache(maxsize=8)
def _tracer_of(_process: int, endpoint: str, service: str, token: str) -> Tracer:
    return Tracer(endpoint, service=service, token=token)
