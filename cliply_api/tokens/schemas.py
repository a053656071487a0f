"""Bodies of the API token handlers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from cliply_api.auth.permissions import Permission
from cliply_api.web.fields import Name, Request, View

__all__ = ["MAX_DAYS", "NewToken", "TokenMade", "TokenView"]

MAX_DAYS = 366

Scope = Permission | Literal["*"]


class NewToken(Request, kw_only=True):
    """What the token may do, and for how long."""

    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=50)]
    """Permissions such as `clip.read`, or `*` for everything that its owner may do."""
    expires_in_days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] = 90


class TokenView(View, kw_only=True):
    """An API token, without its secret."""

    id: UUID
    name: str
    start: str
    """Its first characters, to tell one from another."""
    scopes: list[str]
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class TokenMade(View, kw_only=True):
    """A new API token; its secret is shown now and never again."""

    token: str
    info: TokenView
