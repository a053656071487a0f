"""`/api/workspaces` and `/api/invitations`."""

from uuid import UUID

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.orm import Session

from cliply_api.auth.guards import limit, may, signed_in
from cliply_api.auth.principal import Principal
from cliply_api.identity.schemas import WorkspaceView
from cliply_api.identity.service import workspaces_of
from cliply_api.web.facts import RequestFacts
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.limits import take_for_mail
from cliply_api.web.pages import Page, PageRequest
from cliply_api.workspaces import leaving, service
from cliply_api.workspaces.schemas import (
    AcceptInvitation,
    AuditView,
    DeletedWorkspace,
    DeleteWorkspace,
    InvitationView,
    MemberView,
    NewInvitation,
    NewWorkspace,
    RoleChange,
    Transfer,
    WorkspaceChange,
)
from cliply_resources.database import Database
from cliply_resources.settings import Settings

__all__ = ["invitation_routes", "routes"]

PLACE = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e12",
    "name": "Ada's workspace",
    "role": "owner",
    "created_at": "2026-11-20T10:00:00Z",
    "suspended": False,
    "time_zone": "Europe/Berlin",
}
MEMBER = {
    "user_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e11",
    "email": "ada@example.com",
    "name": "Ada",
    "role": "owner",
    "joined_at": "2026-11-20T10:00:00Z",
}
INVITATION = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e14",
    "email": "ben@example.com",
    "role": "editor",
    "invited_by": MEMBER["user_id"],
    "created_at": "2026-11-20T10:00:00Z",
    "expires_at": "2026-11-27T10:00:00Z",
}


@post(
    "/",
    guards=[signed_in()],
    opt=IDEMPOTENT | {"examples": {"body": {"name": "Second channel"}, 201: PLACE | {"name": "Second channel"}}},
    operation_id="CreateWorkspace",
    summary="Create a workspace",
    sync_to_thread=True,
)
def create(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[NewWorkspace],
) -> WorkspaceView:
    """You are its owner. Name it in `X-Workspace-Id` to work in it."""
    return service.create(identity, principal, facts, data.name)


@get(
    "/",
    guards=[signed_in()],
    opt={"examples": {200: {"data": [PLACE], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListWorkspaces",
    summary="List your workspaces",
    sync_to_thread=True,
)
def list_workspaces(
    identity: NamedDependency[Session], principal: NamedDependency[Principal], page: NamedDependency[PageRequest]
) -> Page[WorkspaceView]:
    """The oldest membership comes first; it is where you are without `X-Workspace-Id`."""
    found = workspaces_of(identity, principal.user_id)
    start = (page.page - 1) * page.limit
    return page.page_of(found[start : start + page.limit], len(found))


@get(
    "/{workspace_id:uuid}",
    guards=[may("workspace.read")],
    opt={"examples": {200: PLACE}},
    operation_id="GetWorkspace",
    summary="Get a workspace",
    sync_to_thread=True,
)
def read(
    identity: NamedDependency[Session], principal: NamedDependency[Principal], workspace_id: FromPath[UUID]
) -> WorkspaceView:
    """And your part in it."""
    _ = workspace_id  # the principal is in it already
    return service.read(identity, principal)


@patch(
    "/{workspace_id:uuid}",
    guards=[may("workspace.settings")],
    opt={"examples": {"body": {"name": "Ada's studio"}, 200: PLACE}},
    operation_id="ChangeWorkspace",
    summary="Rename a workspace, or set its time zone",
    sync_to_thread=True,
)
def rename(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
    data: JSONBody[WorkspaceChange],
) -> WorkspaceView:
    """What is not given stays."""
    _ = workspace_id
    return service.rename(identity, principal, facts, data)


@post(
    "/{workspace_id:uuid}/delete",
    guards=[may("workspace.delete")],
    status_code=200,
    opt={
        "examples": {
            "body": {"name": PLACE["name"]},
            200: {
                "id": PLACE["id"],
                "name": PLACE["name"],
                "deleted_at": "2026-11-20T10:00:00Z",
                "purged_after": "2026-11-27T10:00:00Z",
            },
        }
    },
    operation_id="DeleteWorkspace",
    summary="Delete a workspace",
    sync_to_thread=True,
)
def delete_workspace(
    identity: NamedDependency[Session],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
    data: JSONBody[DeleteWorkspace],
) -> DeletedWorkspace:
    """It is closed at once, and work in it ends. An owner can restore it for a week; then it goes with everything in it."""
    _ = workspace_id
    return leaving.delete(identity, database, principal, facts, data.name, settings)


@post(
    "/{workspace_id:uuid}/restore",
    guards=[signed_in()],
    status_code=200,
    opt={"examples": {200: PLACE}},
    operation_id="RestoreWorkspace",
    summary="Have a deleted workspace back",
    sync_to_thread=True,
)
def restore_workspace(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
) -> WorkspaceView:
    """For its owners. Uploads that were being worked on stay cancelled; retry them."""
    return leaving.restore(identity, principal, facts, workspace_id)


@get(
    "/{workspace_id:uuid}/members",
    guards=[may("member.read")],
    opt={"examples": {200: {"data": [MEMBER], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListMembers",
    summary="List a workspace's members",
    sync_to_thread=True,
)
def list_members(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    page: NamedDependency[PageRequest],
    workspace_id: FromPath[UUID],
) -> Page[MemberView]:
    """The longest-standing come first."""
    _ = workspace_id
    return service.list_members(identity, principal, page)


@patch(
    "/{workspace_id:uuid}/members/{user_id:uuid}",
    guards=[may("member.manage")],
    opt={"examples": {"body": {"role": "admin"}, 200: MEMBER | {"role": "admin"}}},
    operation_id="ChangeMemberRole",
    summary="Give a member another role",
    sync_to_thread=True,
)
def change_role(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
    user_id: FromPath[UUID],
    data: JSONBody[RoleChange],
) -> MemberView:
    """Only owners make and unmake owners; the last owner stays one."""
    _ = workspace_id
    return service.change_role(identity, principal, facts, user_id, data.role)


@delete(
    "/{workspace_id:uuid}/members/{user_id:uuid}",
    guards=[may("member.manage")],
    operation_id="RemoveMember",
    summary="Put a member out of a workspace",
    sync_to_thread=True,
)
def remove(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
    user_id: FromPath[UUID],
) -> None:
    """Their API tokens for this workspace are revoked."""
    _ = workspace_id
    service.remove(identity, principal, facts, user_id)


@post(
    "/{workspace_id:uuid}/leave",
    guards=[may("member.leave")],
    status_code=204,
    operation_id="LeaveWorkspace",
    summary="Leave a workspace",
    sync_to_thread=True,
)
def leave(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
) -> None:
    """Your API tokens for it are revoked. The last owner cannot leave."""
    _ = workspace_id
    service.leave(identity, principal, facts)


@post(
    "/{workspace_id:uuid}/transfer",
    guards=[may("workspace.transfer")],
    status_code=200,
    opt={"examples": {"body": {"user_id": MEMBER["user_id"]}, 200: MEMBER}},
    operation_id="TransferWorkspace",
    summary="Hand a workspace over to another member",
    sync_to_thread=True,
)
def transfer(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
    data: JSONBody[Transfer],
) -> MemberView:
    """They become its owner, and you an admin."""
    _ = workspace_id
    return service.transfer(identity, principal, facts, data.user_id)


@post(
    "/{workspace_id:uuid}/invitations",
    guards=[may("member.invite")],
    opt=IDEMPOTENT | {"examples": {"body": {"email": "ben@example.com", "role": "editor"}, 201: INVITATION}},
    operation_id="InviteMember",
    summary="Invite somebody by mail",
    sync_to_thread=True,
)
def invite(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    settings: NamedDependency[Settings],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
    data: JSONBody[NewInvitation],
) -> InvitationView:
    """The mailed link works once, for seven days. An open invitation of the same address is replaced."""
    _ = workspace_id
    take_for_mail(identity, data.email, settings.mails_per_hour)
    return service.invite(identity, principal, facts, data)


@get(
    "/{workspace_id:uuid}/invitations",
    guards=[may("member.invite")],
    opt={"examples": {200: {"data": [INVITATION], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListInvitations",
    summary="List open invitations",
    sync_to_thread=True,
)
def list_invitations(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    page: NamedDependency[PageRequest],
    workspace_id: FromPath[UUID],
) -> Page[InvitationView]:
    """The newest come first."""
    _ = workspace_id
    return service.list_invitations(identity, principal, page)


@delete(
    "/{workspace_id:uuid}/invitations/{invitation_id:uuid}",
    guards=[may("member.invite")],
    operation_id="WithdrawInvitation",
    summary="Withdraw an invitation",
    sync_to_thread=True,
)
def withdraw(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    workspace_id: FromPath[UUID],
    invitation_id: FromPath[UUID],
) -> None:
    """Its link is worthless from now on."""
    _ = workspace_id
    service.withdraw(identity, principal, facts, invitation_id)


@get(
    "/{workspace_id:uuid}/audit",
    guards=[may("audit.read")],
    operation_id="ListAudit",
    summary="Look up who did what",
    sync_to_thread=True,
)
def list_audit(
    session: NamedDependency[Session], page: NamedDependency[PageRequest], workspace_id: FromPath[UUID]
) -> Page[AuditView]:
    """The newest come first; follow `next_cursor`. Kept for 90 days."""
    _ = workspace_id
    return service.list_audit(session, page)


@post(
    "/accept",
    guards=[signed_in(), limit("accept", "login_per_minute", 60)],
    status_code=200,
    opt={"examples": {"body": {"token": "cliply_in_example"}, 200: PLACE | {"role": "editor"}}},
    operation_id="AcceptInvitation",
    summary="Join a workspace by a mailed link",
    sync_to_thread=True,
)
def accept(
    identity: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[AcceptInvitation],
) -> WorkspaceView:
    """Sign up or sign in with the address that the invitation was sent to."""
    return service.accept(identity, principal, facts, data.token)


routes = Router(
    "/api/workspaces",
    route_handlers=[
        create,
        list_workspaces,
        read,
        rename,
        delete_workspace,
        restore_workspace,
        list_members,
        change_role,
        remove,
        leave,
        transfer,
        invite,
        list_invitations,
        withdraw,
        list_audit,
    ],
    tags=["Workspaces"],
)
invitation_routes = Router("/api/invitations", route_handlers=[accept], tags=["Workspaces"])
