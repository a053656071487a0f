"""The tables of `sql/010_identity.sql` as Python sees them: accounts, sign-ins, memberships, logs and limits.

Only `Database.identity()` reaches them, except for members, the audit log and idempotency keys, which also belong to a workspace.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cliply_resources.database.models import BOUND_WORKSPACE, NEW_ID, NOW, Base, Document

__all__ = [
    "AccountIdempotencyKey",
    "ApiToken",
    "AuditEntry",
    "IdempotencyKey",
    "IdentityEntry",
    "Invitation",
    "MailToken",
    "MailWish",
    "Member",
    "RateLimit",
    "RefreshToken",
    "SignIn",
    "SigningKey",
    "User",
]


class User(Base):
    """A person with an account."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("email"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=NEW_ID)
    email: Mapped[str]
    """Lower case; the name that people sign in with."""
    name: Mapped[str] = mapped_column(server_default="")
    password_hash: Mapped[str]
    email_verified_at: Mapped[datetime | None]
    is_admin: Mapped[bool] = mapped_column(server_default="false")
    suspended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class SignIn(Base):
    """One sign-in, until it is revoked or expires."""

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("cookie_hash"),
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["actor_id"], ["users.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=NEW_ID)
    user_id: Mapped[UUID]
    kind: Mapped[str]
    """`program`, `browser` or `impersonation`."""
    workspace_id: Mapped[UUID | None]
    """The only one it reaches, where it is confined to one."""
    actor_id: Mapped[UUID | None]
    """The system admin behind an impersonation."""
    cookie_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    address: Mapped[str] = mapped_column(server_default="")
    agent: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_used_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]


class RefreshToken(Base):
    """One link in a sign-in's chain of refresh tokens."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    session_id: Mapped[UUID]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    """With the token itself it yields the successor; neither alone does."""
    issued_at: Mapped[datetime] = mapped_column(server_default=NOW)
    used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]


class ApiToken(Base):
    """A program's own key to one workspace."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=NEW_ID)
    user_id: Mapped[UUID]
    workspace_id: Mapped[UUID]
    name: Mapped[str]
    start: Mapped[str]
    """Its first characters, by which a person recognises it."""
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class MailToken(Base):
    """The secret of a mailed link to verify an address or set a new password."""

    __tablename__ = "mail_tokens"
    __table_args__ = (ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID]
    purpose: Mapped[str]
    email: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Member(Base):
    """A user's part in a workspace."""

    __tablename__ = "members"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "user_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    user_id: Mapped[UUID]
    role: Mapped[str]
    """`viewer`, `editor`, `admin` or `owner`."""
    joined_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Invitation(Base):
    """A mailed link by which somebody may join a workspace, once."""

    __tablename__ = "invitations"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index(
            "invitations_one_open_each",
            "workspace_id",
            "email",
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["invited_by"], ["users.id"], ondelete="SET NULL"),
        ForeignKeyConstraint(["accepted_by"], ["users.id"], ondelete="SET NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=NEW_ID)
    workspace_id: Mapped[UUID]
    email: Mapped[str]
    role: Mapped[str]
    invited_by: Mapped[UUID | None]
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the link that was mailed last; nothing before the first."""
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None]
    revoked_at: Mapped[datetime | None]


class MailWish(Base):
    """A mail that is to be sent; its secrets are made when it is."""

    __tablename__ = "mail_queue"
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["invitation_id"], ["invitations.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=NEW_ID)
    purpose: Mapped[str]
    recipient: Mapped[str]
    user_id: Mapped[UUID | None]
    invitation_id: Mapped[UUID | None]
    due_at: Mapped[datetime] = mapped_column(server_default=NOW)
    attempts: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class SigningKey(Base):
    """A secret that access tokens are signed with."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    signs_from: Mapped[datetime]
    retires_at: Mapped[datetime | None]


class RateLimit(Base):
    """A bucket of `app.take`."""

    __tablename__ = "rate_limits"

    bucket: Mapped[str] = mapped_column(primary_key=True)
    refilled_at: Mapped[datetime]


class IdentityEntry(Base):
    """Something done to an account, or by a system admin."""

    __tablename__ = "identity_log"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=NEW_ID)
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    action: Mapped[str]
    user_id: Mapped[UUID | None]
    actor_id: Mapped[UUID | None]
    address: Mapped[str] = mapped_column(server_default="")
    request_id: Mapped[str] = mapped_column(server_default="")
    facts: Mapped[Document] = mapped_column(server_default="{}")


class AuditEntry(Base):
    """Something a person did in a workspace."""

    __tablename__ = "audit_log"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(server_default="")
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(server_default="")
    address: Mapped[str] = mapped_column(server_default="")
    request_id: Mapped[str] = mapped_column(server_default="")
    facts: Mapped[Document] = mapped_column(server_default="{}")


class IdempotencyKey(Base):
    """A request of a workspace that must not happen twice, and its answer."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "owner_id", "key"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    owner_id: Mapped[UUID]
    """The user, or the API token, whose key it is."""
    key: Mapped[str]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    attempt: Mapped[int] = mapped_column(server_default="1")
    """Whoever took over has the higher one; the other's answer is refused."""
    state: Mapped[str] = mapped_column(server_default="running")
    status: Mapped[int | None]
    headers: Mapped[Document] = mapped_column(server_default="{}")
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    claimed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class AccountIdempotencyKey(Base):
    """The same for requests outside of any workspace."""

    __tablename__ = "account_idempotency_keys"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "key"),)

    owner_id: Mapped[UUID]
    key: Mapped[str]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    attempt: Mapped[int] = mapped_column(server_default="1")
    state: Mapped[str] = mapped_column(server_default="running")
    status: Mapped[int | None]
    headers: Mapped[Document] = mapped_column(server_default="{}")
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    claimed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
