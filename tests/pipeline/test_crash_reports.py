"""What a Sentry server is told of a crash: a server of our own takes the envelopes, and nothing secret is in them."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
import sentry_sdk
import sqlalchemy as sa
from litestar import get
from litestar.testing import TestClient

from cliply_api import app as web
from cliply_api.auth.guards import public
from cliply_assets.partitions import REQUEST_TAG
from cliply_assets.pipeline import _told
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.runner import Attempt
from cliply_resources import crash_reports
from cliply_resources.errors import MediaError, StepFailed
from cliply_resources.settings import Settings, get_settings

CANARY = "CANARY0123456789"


@pytest.fixture
def taken(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Envelopes that a stand-in for Sentry received; it is set for the test's length."""
    envelopes: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            envelopes.append(gzip.decompress(data) if self.headers["content-encoding"] == "gzip" else data)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("CLIPLY_SENTRY_DSN", f"http://key@127.0.0.1:{server.server_address[1]}/1")
        get_settings.cache_clear()
        crash_reports._started.cache_clear()
        yield envelopes
        # A client without a server, and without the hooks into this process that one has by default.
        sentry_sdk.get_client().close(0)
        sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)
        server.shutdown()
    monkeypatch.undo()
    get_settings.cache_clear()
    crash_reports._started.cache_clear()


def events(envelopes: list[bytes]) -> list[dict[str, Any]]:
    sentry_sdk.flush(10)
    return [json.loads(line) for one in envelopes for line in one.splitlines() if b'"exception"' in line]


def crash(password: str) -> None:
    raise RuntimeError(
        f"token={password} for {password}@example.com at https://example.com/a?key={password} with Bearer {password}"
    )


def test_a_crash_of_the_web_application_is_told_with_its_request_and_without_secrets(
    taken: list[bytes], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    @get("/api/crash", guards=[public()], sync_to_thread=False)
    def crashing() -> None:
        """Fails."""
        crash(CANARY)

    monkeypatch.setattr(web, "ROUTES", (*web.ROUTES, crashing))
    reported = settings.model_copy(update={"sentry_dsn": get_settings().sentry_dsn})
    with TestClient(web.create_app(reported), raise_server_exceptions=False) as client:
        secret = {"Authorization": f"Bearer {CANARY}", "Cookie": f"session={CANARY}", "X-Request-Id": "request-4711"}
        assert client.get(f"/api/crash?secret={CANARY}", headers=secret).status_code == 500
        assert client.get("/api/nowhere").status_code == 404
    (event,) = events(taken)
    assert CANARY.encode() not in b"".join(taken)
    assert event["tags"] == {"part": "api", "request_id": "request-4711"}
    (told,) = event["exception"]["values"]
    assert told["type"] == "RuntimeError"
    assert told["stacktrace"]["frames"][-1]["function"] == "crash"
    assert "vars" not in json.dumps(event)
    assert not {"request", "user", "breadcrumbs", "extra", "contexts", "modules"} & event.keys()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StepFailed("It broke.", detail=CANARY), True),
        (KeyError(f"secret={CANARY}"), True),
        (MediaError("No film."), False),
    ],
)
def test_a_crash_of_a_step_is_told_with_its_upload_and_what_is_no_fault_of_ours_is_not(
    taken: list[bytes], error: Exception, told: bool
) -> None:
    @dg.op
    def work(context: dg.OpExecutionContext) -> None:
        with _told(context, STEPS["scenes"], Attempt(number=1, run_id=context.run_id), ""):
            raise error

    @dg.job(partitions_def=dg.StaticPartitionsDefinition(["u"]), executor_def=dg.in_process_executor)
    def job() -> None:
        work()

    job.execute_in_process(partition_key="u", tags={REQUEST_TAG: "request-4711"}, raise_on_error=False)
    found = events(taken)
    assert len(found) == told
    assert CANARY.encode() not in b"".join(taken)
    for event in found:
        tags = event["tags"]
        assert (tags["part"], tags["upload"], tags["step"], tags["request_id"]) == (
            "pipeline", "u", "scenes", "request-4711",
        )  # fmt: skip


def test_a_databases_error_is_told_without_the_values_of_its_statement(taken: list[bytes]) -> None:
    class Refused(Exception):
        pass

    error = sa.exc.DBAPIError(f"INSERT INTO t VALUES ('{CANARY}')", {"name": CANARY}, Refused(f"no\nDETAIL: {CANARY}"))
    crash_reports.report_crash(error, part="api", wait=True)
    (event,) = events(taken)
    assert CANARY.encode() not in b"".join(taken)
    assert event["exception"]["values"][-1]["value"].startswith("(")


def test_nothing_is_sent_where_no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_reports, "_started", lambda *_: pytest.fail("it began to report"))
    crash_reports.report_crash(RuntimeError("x"), part="api")
