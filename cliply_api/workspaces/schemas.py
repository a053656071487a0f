"""Bodies of the workspace handlers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from cliply_api.auth.permissions import Role
from cliply_api.web.fields import Email, Name, Request, Secret, TimeZone, View

__all__ = [
    "AcceptInvitation",
    "AuditView",
    "DeleteWorkspace",
    "DeletedWorkspace",
    "InvitationView",
    "MemberView",
    "NewInvitation",
    "NewWorkspace",
    "RoleChange",
    "Transfer",
    "WorkspaceChange",
]


class NewWorkspace(Request, kw_only=True):
    """A further workspace."""

    name: Name


class WorkspaceChange(Request, kw_only=True):
    """What may be changed about a workspace."""

    name: Name | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET
    """The zone of local times that name none; what is planned already stays at its moment."""


class DeleteWorkspace(Request, kw_only=True):
    """The workspace's name, written out, shows that it is meant."""

    name: Name


class DeletedWorkspace(View, kw_only=True):
    """A workspace that is closed, and will go."""

    id: UUID
    name: str
    deleted_at: datetime
    purged_after: datetime
    """Until then an owner can restore it; then it goes with everything in it."""


class RoleChange(Request, kw_only=True):
    """The member's new role."""

    role: Role


class Transfer(Request, kw_only=True):
    """Who is to own the workspace."""

    user_id: UUID


class NewInvitation(Request, kw_only=True):
    """Whom to invite, and as what."""

    email: Email
    role: Role = "editor"


class AcceptInvitation(Request, kw_only=True):
    """The secret of the mailed link."""

    token: Secret


class MemberView(View, kw_only=True):
    """A person's part in the workspace."""

    user_id: UUID
    email: str
    name: str
    role: str
    joined_at: datetime


class InvitationView(View, kw_only=True):
    """An invitation that is open."""

    id: UUID
    email: str
    role: str
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime


class AuditView(View, kw_only=True):
    """Something a person did."""

    id: UUID
    at: datetime
    actor_id: UUID | None
    actor_name: str
    action: str
    subject: str
    address: str
    request_id: str
    facts: dict[str, Any]
