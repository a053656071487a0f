"""`/api/admin`."""

from typing import Any
from uuid import UUID

from litestar import Request as HttpRequest
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from sqlalchemy.orm import Session

from cliply_api.administration import service
from cliply_api.administration.schemas import (
    AdminUserView,
    AdminWorkspaceView,
    Impersonate,
    Impersonation,
    LogView,
    NewPlan,
    Reason,
)
from cliply_api.auth.guards import system_admin
from cliply_api.auth.principal import Principal
from cliply_api.web.facts import RequestFacts
from cliply_api.web.fields import Line
from cliply_api.web.pages import Page, PageRequest

__all__ = ["routes"]

WHY = {"reason": "terms of use, ticket 4711"}


@get(
    "/users",
    guards=[system_admin()],
    operation_id="AdminListUsers",
    summary="List accounts",
    sync_to_thread=True,
)
def list_users(
    identity: NamedDependency[Session], page: NamedDependency[PageRequest], words: FromQuery[Line | None] = None
) -> Page[AdminUserView]:
    """The newest come first; `words` looks in address and name."""
    return service.list_users(identity, page, words)


@post(
    "/users/{user_id:uuid}/suspend",
    guards=[system_admin()],
    status_code=200,
    opt={"examples": {"body": WHY}},
    operation_id="AdminSuspendUser",
    summary="Suspend an account",
    sync_to_thread=True,
)
def suspend_user(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    user_id: FromPath[UUID],
    data: JSONBody[Reason],
) -> AdminUserView:
    """Its sign-ins end at once and its API tokens are refused."""
    return service.suspend_user(identity, principal, facts, user_id, reason=data.reason, suspended=True)


@post(
    "/users/{user_id:uuid}/unsuspend",
    guards=[system_admin()],
    status_code=200,
    opt={"examples": {"body": WHY}},
    operation_id="AdminUnsuspendUser",
    summary="Let a suspended account in again",
    sync_to_thread=True,
)
def unsuspend_user(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    user_id: FromPath[UUID],
    data: JSONBody[Reason],
) -> AdminUserView:
    """Its API tokens work again; sign-ins have to be begun anew."""
    return service.suspend_user(identity, principal, facts, user_id, reason=data.reason, suspended=False)


@get(
    "/workspaces",
    guards=[system_admin()],
    operation_id="AdminListWorkspaces",
    summary="List workspaces",
    sync_to_thread=True,
)
def list_workspaces(
    identity: NamedDependency[Session], page: NamedDependency[PageRequest], words: FromQuery[Line | None] = None
) -> Page[AdminWorkspaceView]:
    """The newest come first; `words` looks in the name."""
    return service.list_workspaces(identity, page, words)


@post(
    "/workspaces/{place_id:uuid}/suspend",
    guards=[system_admin()],
    status_code=200,
    opt={"examples": {"body": WHY}},
    operation_id="AdminSuspendWorkspace",
    summary="Suspend a workspace",
    sync_to_thread=True,
)
def suspend_workspace(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    place_id: FromPath[UUID],
    data: JSONBody[Reason],
) -> AdminWorkspaceView:
    """Every request in it is refused."""
    return service.suspend_workspace(identity, principal, facts, place_id, reason=data.reason, suspended=True)


@post(
    "/workspaces/{place_id:uuid}/unsuspend",
    guards=[system_admin()],
    status_code=200,
    opt={"examples": {"body": WHY}},
    operation_id="AdminUnsuspendWorkspace",
    summary="Let a suspended workspace go on",
    sync_to_thread=True,
)
def unsuspend_workspace(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    place_id: FromPath[UUID],
    data: JSONBody[Reason],
) -> AdminWorkspaceView:
    """Requests in it are served again."""
    return service.suspend_workspace(identity, principal, facts, place_id, reason=data.reason, suspended=False)


@post(
    "/workspaces/{place_id:uuid}/plan",
    guards=[system_admin()],
    status_code=200,
    opt={"examples": {"body": {"plan": "business", **WHY}}},
    operation_id="AdminChangePlan",
    summary="Give a workspace another plan",
    sync_to_thread=True,
)
def change_plan(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    place_id: FromPath[UUID],
    data: JSONBody[NewPlan],
) -> AdminWorkspaceView:
    """It says how many uploads are worked on at once and how many may wait, and holds from the next turn on."""
    return service.change_plan(identity, principal, facts, place_id, plan=data.plan, reason=data.reason)


@post(
    "/impersonations",
    guards=[system_admin()],
    opt={"examples": {"body": {"user_id": str(UUID(int=1)), "workspace_id": str(UUID(int=2)), **WHY}}},
    operation_id="AdminImpersonate",
    summary="See a workspace through a member's eyes",
    sync_to_thread=True,
)
def impersonate(
    request: HttpRequest[Any, Any, Any],
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[Impersonate],
) -> Impersonation:
    """Reading only, for a quarter of an hour, and written down in the workspace's own audit log."""
    return service.impersonate(
        identity,
        principal,
        facts,
        request.app.state.key_ring,
        user_id=data.user_id,
        workspace_id=data.workspace_id,
        reason=data.reason,
    )


@get(
    "/log",
    guards=[system_admin()],
    operation_id="AdminListLog",
    summary="Look up what happened to accounts",
    sync_to_thread=True,
)
def list_log(identity: NamedDependency[Session], page: NamedDependency[PageRequest]) -> Page[LogView]:
    """Sign-ins, passwords, suspensions, impersonations; the newest come first; follow `next_cursor`."""
    return service.list_log(identity, page)


routes = Router(
    "/api/admin",
    route_handlers=[
        list_users,
        suspend_user,
        unsuspend_user,
        list_workspaces,
        suspend_workspace,
        unsuspend_workspace,
        change_plan,
        impersonate,
        list_log,
    ],
    tags=["Administration"],
)
