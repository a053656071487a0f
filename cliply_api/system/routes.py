"""`/api/health` and `/api/readyz`."""

import importlib.metadata
from typing import Any

from litestar import Request, Router, get

from cliply_api.auth.guards import public
from cliply_api.system import service
from cliply_api.system.schemas import Health, Readiness
from cliply_api.web.responses import ApiResponse

__all__ = ["routes"]

READY = {"ready": True, "checks": [{"name": "database", "ok": True, "detail": "answers in 1 ms"}]}
NOT_READY = {"ready": False, "checks": [{"name": "database", "ok": False, "detail": "The database cannot be reached."}]}


@get(
    "/health",
    guards=[public()],
    opt={"examples": {200: {"status": "ok", "version": "0.1.0"}}},
    operation_id="GetHealth",
    summary="Whether the process answers",
    sync_to_thread=False,
)
def health() -> Health:
    """Asks nobody else; use it to decide whether the process must be restarted."""
    return Health(version=importlib.metadata.version("cliply"))


@get(
    "/readyz",
    guards=[public()],
    opt={"examples": {200: READY, 503: NOT_READY}, "answers": {503: "Readiness"}},
    operation_id="GetReadiness",
    summary="Whether everything works, and what does not",
    sync_to_thread=True,
)
def readyz(request: Request[Any, Any, Any]) -> ApiResponse[Readiness]:
    """Looks at database, storage, disk, the Dagster daemon and its sensors; answers 503 when one of them is not fine."""
    state = request.app.state
    found = service.readiness(state.settings, state.database, state.storage)
    return ApiResponse(found, status_code=200 if found.ready else 503)


routes = Router("/api", route_handlers=[health, readyz], tags=["System"])
