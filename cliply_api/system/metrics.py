"""`/metrics`: what this process has counted, and how the pipeline is doing, for Prometheus."""

import hmac
from ipaddress import ip_address
from typing import Any

from litestar import Request, get

from cliply_api.auth.guards import public
from cliply_api.events.hub import EventHub
from cliply_api.system.pipeline_metrics import PipelineMetrics
from cliply_api.web.facts import facts_of
from cliply_api.web.metrics import METRICS
from cliply_api.web.responses import ApiResponse
from cliply_resources.errors import NotFound
from cliply_resources.settings import Settings

__all__ = ["metrics"]

AnyRequest = Request[Any, Any, Any]


@get(
    "/metrics",
    guards=[public()],
    opt={"examples": {200: "cliply_streams 3\n"}},
    media_type="text/plain",
    operation_id="GetMetrics",
    summary="What this process has counted",
    tags=["System"],
    sync_to_thread=True,
)
def metrics(request: AnyRequest) -> ApiResponse[str]:
    """Requests, their durations, deliveries, streams, and how the pipeline is doing; as text for Prometheus.

    Asks for `CLIPLY_METRICS_TOKEN` as bearer token.
    """
    _check(request)
    hub: EventHub = request.app.state.hub
    gauges = {"cliply_streams": float(hub.readers), "cliply_listening": float(hub.listening)}
    pipeline: PipelineMetrics = request.app.state.pipeline_metrics
    return ApiResponse(METRICS.text(gauges) + pipeline.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _check(request: AnyRequest) -> None:
    settings: Settings = request.app.state.settings
    if settings.metrics_token is not None:
        wanted = f"Bearer {settings.metrics_token.get_secret_value()}"
        if hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted.encode()):
            return
    elif "x-forwarded-for" not in request.headers and _is_here(facts_of(request.scope).address):
        return
    # As if it were not there: who may not read it need not know of it.
    raise NotFound("There is nothing at this address.")


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
