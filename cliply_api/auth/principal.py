"""The person (or program) behind a request, as the database knows them at this moment."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from uuid import UUID

from cliply_api.auth.permissions import READING, Permission, permissions_of
from cliply_api.errors import ApiError, ErrorCode

__all__ = ["Principal", "Proof"]

Proof = Literal["bearer", "token", "cookie"]


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whose request it is, and where."""

    proof: Proof
    user_id: UUID
    email: str
    name: str
    verified: bool
    is_admin: bool
    session_id: UUID | None = None
    """The sign-in; an API token has none."""
    token_id: UUID | None = None
    """The API token, where one was used."""
    scopes: frozenset[str] | None = None
    """What the API token is confined to."""
    actor_id: UUID | None = None
    """The system admin who looks through this user's eyes."""
    workspace_id: UUID | None = None
    role: str | None = None
    workspace_suspended: bool = False

    @cached_property
    def permissions(self) -> frozenset[Permission]:
        """What the role allows, less what the proof does not."""
        allowed = permissions_of(self.role)
        if self.actor_id is not None:
            allowed &= READING
        if self.scopes is not None and "*" not in self.scopes:
            allowed = frozenset(word for word in allowed if word in self.scopes)
        return allowed

    @property
    def workspace(self) -> UUID:
        """The workspace this request is in; only where the handler's guard demanded one."""
        if self.workspace_id is None:
            raise ApiError(
                "You are a member of no workspace. Create one with POST /api/workspaces.",
                status=403,
                code=ErrorCode.WORKSPACE_REQUIRED,
            )
        if self.workspace_suspended:
            raise ApiError(
                "This workspace is closed: its owner deleted it and can restore it, or it is suspended; then ask the operator.",
                status=403,
                code=ErrorCode.WORKSPACE_SUSPENDED,
            )
        return self.workspace_id

    @property
    def key_owner(self) -> UUID:
        """Whose idempotency keys these are: a token's are apart from its user's."""
        return self.token_id or self.user_id
