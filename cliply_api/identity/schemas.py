"""Bodies of the sign-in and account handlers."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from cliply_api.web.fields import Email, Line, Name, Password, Request, Secret, View

__all__ = [
    "Accepted",
    "AskReset",
    "ChangeEmail",
    "ChangePassword",
    "DeleteAccount",
    "Login",
    "Me",
    "MeChange",
    "Refresh",
    "Register",
    "ResetPassword",
    "SessionView",
    "SignedIn",
    "UserView",
    "VerifyEmail",
    "WorkspaceView",
]


class Register(Request, kw_only=True):
    """A new account, with a first workspace."""

    email: Email
    password: Password
    name: Line = ""
    workspace_name: Name | None = None
    """Unless it is called after the person."""
    transport: Literal["tokens", "cookie"] = "tokens"
    """`tokens` for programs, `cookie` for pages in a browser."""


class Login(Request, kw_only=True):
    """E-mail address and password."""

    email: Email
    password: Password
    transport: Literal["tokens", "cookie"] = "tokens"


class Refresh(Request, kw_only=True):
    """The refresh token of the last answer."""

    refresh_token: Secret


class VerifyEmail(Request, kw_only=True):
    """The secret of the mailed link."""

    token: Secret


class AskReset(Request, kw_only=True):
    """Whose password is forgotten."""

    email: Email


class ResetPassword(Request, kw_only=True):
    """The secret of the mailed link, and the new password."""

    token: Secret
    password: Password


class Accepted(View, kw_only=True):
    """It will be seen to."""

    status: Literal["accepted"] = "accepted"


class ChangePassword(Request, kw_only=True):
    """The present password proves that it is still you."""

    current_password: Password
    new_password: Password


class DeleteAccount(Request, kw_only=True):
    """The present password proves that it is still you."""

    current_password: Password


class ChangeEmail(Request, kw_only=True):
    """The new address, and the present password as a proof."""

    email: Email
    current_password: Password


class MeChange(Request, kw_only=True):
    """What may be changed about oneself."""

    name: Line | UnsetType = UNSET


class UserView(View, kw_only=True):
    """A person."""

    id: UUID
    email: str
    name: str
    email_verified: bool
    is_admin: bool
    """Looks after the whole installation."""
    created_at: datetime


class WorkspaceView(View, kw_only=True):
    """A workspace, and the caller's part in it."""

    id: UUID
    name: str
    role: str
    created_at: datetime
    suspended: bool
    time_zone: str
    """An IANA name: of local times that name none."""


class Me(View, kw_only=True):
    """The caller."""

    user: UserView
    workspaces: list[WorkspaceView]
    workspace_id: UUID | None
    """The one this request is in: named by `X-Workspace-Id`, else the oldest."""
    role: str | None
    permissions: list[str]
    """There."""
    impersonated_by: UUID | None


class SignedIn(View, kw_only=True, omit_defaults=True):
    """The proofs of a sign-in: tokens, or for a browser cookies and `csrf_token`."""

    user: UserView
    workspace_id: UUID | None
    access_token: str | None = None
    token_type: Literal["Bearer"] | None = None
    expires_in: int | None = None
    """Seconds that the access token is valid for."""
    refresh_token: str | None = None
    """Valid once."""
    csrf_token: str | None = None
    """To be sent as `X-CSRF-Token` with everything that changes something."""


class SessionView(View, kw_only=True):
    """One sign-in that is in force."""

    id: UUID
    kind: str
    current: bool
    address: str
    agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
