"""One trace from a web request to its last step, as a collector receives it, and without secrets."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest

from cliply_assets.partitions import REQUEST_TAG
from cliply_assets.pipeline import _told
from cliply_assets.steps.rules import STEPS
from cliply_assets.steps.runner import Attempt
from cliply_resources.errors import StepFailed
from cliply_resources.settings import get_settings
from cliply_resources.tracing import Span, Tracer, as_otlp, continued, root_span_id, trace_id_of

REQUEST = "0123456789abcdef"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that takes OTLP over HTTP, and what it took."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert self.path == "/v1/traces"
            assert self.headers["content-type"] == "application/json"
            for resource in document["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    taken.extend({**span, "authorization": self.headers["authorization"]} for span in scope["spans"])
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", taken
        server.shutdown()


def span(**more: Any) -> Span:
    known = {"name": "n", "request_id": REQUEST, "root": False, "begun": 10**18, "ended": 10**18 + 5}
    return Span(**(known | more))


def test_a_request_and_its_steps_are_one_trace(collector: tuple[str, list[dict[str, Any]]]) -> None:
    url, taken = collector
    tracer = Tracer(url, service="s", token="t0ken")
    tracer.record(span(root=True, name="POST /api/uploads"))
    tracer.record(span(name="step scenes", ok=False, attributes={"a": "password=SECRET", "n": 3, "f": 0.5}))
    tracer.flush(20)
    root, step = sorted(taken, key=lambda each: "parentSpanId" in each)
    assert root["traceId"] == step["traceId"] == trace_id_of(REQUEST)
    assert (step["parentSpanId"], root["spanId"]) == (root_span_id(REQUEST), root_span_id(REQUEST))
    assert (root["kind"], root["status"]["code"], step["status"]["code"]) == (2, 1, 2)
    assert int(step["endTimeUnixNano"]) - int(step["startTimeUnixNano"]) == 5
    assert "SECRET" not in json.dumps(taken)
    assert {"key": "n", "value": {"intValue": "3"}} in step["attributes"]
    assert root["authorization"] == "Bearer t0ken"


def test_a_collector_that_is_away_costs_spans_and_no_work() -> None:
    tracer = Tracer("http://127.0.0.1:1", service="s")
    tracer.record(span())
    tracer.flush(20)
    assert tracer.dropped == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_step_tells_of_itself_under_the_request_that_asked_for_it(
    fails: bool, collector: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, taken = collector
    monkeypatch.setenv("CLIPLY_OTLP_ENDPOINT", url)
    get_settings.cache_clear()

    @dg.op
    def work(context: dg.OpExecutionContext) -> None:
        with _told(context, STEPS["scenes"], Attempt(number=1, run_id=context.run_id), ""):
            if fails:
                raise StepFailed("It did not work.")

    @dg.job(partitions_def=dg.StaticPartitionsDefinition(["u"]), executor_def=dg.in_process_executor)
    def job() -> None:
        work()

    try:
        for tags in ({}, {REQUEST_TAG: REQUEST}):
            job.execute_in_process(partition_key="u", tags=tags, raise_on_error=False)
    finally:
        get_settings.cache_clear()
    (step,) = taken
    assert (step["name"], step["traceId"], step["status"]["code"]) == ("step scenes", trace_id_of(REQUEST), 1 + fails)
    assert {"key": "cliply.upload", "value": {"stringValue": "u"}} in step["attributes"]


def test_the_web_application_tells_of_each_request(collector: tuple[str, list[dict[str, Any]]], settings: Any) -> None:
    from litestar.testing import TestClient

    from cliply_api.app import create_app

    url, taken = collector
    with TestClient(create_app(settings.model_copy(update={"otlp_endpoint": url}))) as client:
        client.get("/api/health", headers={"X-Request-Id": REQUEST})
        from cliply_resources.tracing import tracer

        found = tracer(settings.model_copy(update={"otlp_endpoint": url}), service="cliply-api")
        assert found is not None
        found.flush(20)
    (root,) = [each for each in taken if each["traceId"] == trace_id_of(REQUEST)]
    assert (root["name"], root["spanId"]) == ("GET /api/health", root_span_id(REQUEST))


def test_a_callers_trace_is_continued_by_the_request_and_all_its_steps() -> None:
    outer, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    errand = continued(REQUEST, f"00-{outer}-{caller}-01")
    assert errand.startswith(REQUEST)
    document = as_otlp([span(root=True, request_id=errand), span(request_id=errand)], service="s")
    root, step = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert root["traceId"] == step["traceId"] == outer
    assert (root["parentSpanId"], step["parentSpanId"]) == (caller, root["spanId"])


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"ff-{'1' * 32}-{'1' * 16}-01",
        f"00-{'A' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'1' * 16}-01-more",
    ],
)
def test_a_header_that_names_no_trace_is_passed_over(wrong: str) -> None:
    assert continued(REQUEST, wrong) == REQUEST
    assert continued(REQUEST, f"01-{'1' * 32}-{'1' * 16}-01-more") != REQUEST
