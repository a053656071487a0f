"""Bodies of the system admins' handlers."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from cliply_api.web.fields import Name, Request, View

__all__ = ["AdminUserView", "AdminWorkspaceView", "Impersonate", "Impersonation", "LogView", "NewPlan", "Reason"]


BEARER: Literal["Bearer"] = "Bearer"


class Reason(Request, kw_only=True):
    """Why; it is written down."""

    reason: Name


class NewPlan(Request, kw_only=True):
    """Which plan, and why."""

    plan: Literal["free", "standard", "business"]
    reason: Name


class Impersonate(Request, kw_only=True):
    """Through whose eyes, where, and why."""

    user_id: UUID
    workspace_id: UUID
    reason: Name


class Impersonation(View, kw_only=True):
    """An access token that reads what the user could read in that workspace."""

    access_token: str
    token_type: Literal["Bearer"] = BEARER
    expires_in: int
    session_id: UUID


class AdminUserView(View, kw_only=True):
    """An account, as its keeper sees it."""

    id: UUID
    email: str
    name: str
    email_verified: bool
    is_admin: bool
    suspended_at: datetime | None
    created_at: datetime


class AdminWorkspaceView(View, kw_only=True):
    """A workspace, as its keeper sees it."""

    id: UUID
    name: str
    members: int
    plan: str
    """How many uploads are worked on at once, and how many may wait."""
    suspended_at: datetime | None
    created_at: datetime


class LogView(View, kw_only=True):
    """Something done to an account, or by a system admin."""

    id: UUID
    at: datetime
    action: str
    user_id: UUID | None
    actor_id: UUID | None
    address: str
    request_id: str
    facts: dict[str, Any]
