"""`/api/admin/platforms`: stops and starts one platform, without a deploy."""

from typing import Annotated

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from sqlalchemy.orm import Session

from cliply_api.accounts import defaults, examples
from cliply_api.accounts.desk import Desk
from cliply_api.accounts.schemas import Stopped, SwitchList, SwitchView
from cliply_api.auth.guards import system_admin
from cliply_api.auth.principal import Principal
from cliply_api.web.facts import RequestFacts

__all__ = ["routes"]

Platform = Annotated[str, PathParameter(max_length=40)]
RUNNING = examples.SWITCH | {"stopped": False, "reason": None, "off_since": None}


@get(
    "/",
    guards=[system_admin()],
    opt={"examples": {200: {"data": [examples.SWITCH]}}},
    operation_id="AdminListPlatforms",
    summary="List which platforms are published to",
    sync_to_thread=True,
)
def list_switches(identity: NamedDependency[Session], desk: NamedDependency[Desk]) -> SwitchList:
    """Running or stopped, since when and why."""
    return defaults.list_switches(identity, desk)


@post(
    "/{platform:str}/stop",
    guards=[system_admin()],
    status_code=200,
    opt={"examples": {"body": {"reason": examples.SWITCH["reason"]}, 200: examples.SWITCH}},
    operation_id="AdminStopPlatform",
    summary="Stop publishing to a platform",
    sync_to_thread=True,
)
def stop(
    identity: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    platform: Platform,
    data: JSONBody[Stopped],
) -> SwitchView:
    """In the whole installation and at once; posts that are due wait and tell the reason."""
    return defaults.stop_platform(identity, desk, principal, facts, platform, data.reason)


@post(
    "/{platform:str}/start",
    guards=[system_admin()],
    status_code=200,
    opt={"examples": {200: RUNNING}},
    operation_id="AdminStartPlatform",
    summary="Publish to a platform again",
    sync_to_thread=True,
)
def start(
    identity: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    platform: Platform,
) -> SwitchView:
    """What waited is published within half a minute, unless it is too late for it."""
    return defaults.start_platform(identity, desk, principal, facts, platform)


routes = Router("/api/admin/platforms", route_handlers=[list_switches, stop, start], tags=["Administration"])
