"""Bodies of the webhook handlers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from cliply_api.web.fields import Line, Request, Url, View

__all__ = [
    "AttemptView",
    "DeliveryDetail",
    "DeliveryView",
    "EndpointMade",
    "EndpointView",
    "NewEndpoint",
    "Replay",
    "Replayed",
]
__all__ += ["ChangedEndpoint", "SecretView"]

Wanted = Annotated[str, Meta(max_length=60, pattern=r"^(\*|[a-z_]+\.(\*|[a-z_]+))$(?!\n)", examples=["clip.*"])]
"""`clip.approved`, `clip.*` or `*`."""
WantedList = Annotated[list[Wanted], Meta(min_length=1, max_length=50)]


class NewEndpoint(Request, kw_only=True):
    """Where to send what."""

    url: Url
    events: WantedList
    """Kinds such as `clip.approved`, families such as `render.*`, or `*`."""
    description: Line = ""


class ChangedEndpoint(Request, kw_only=True):
    """What is to be different; all of it may be left out."""

    url: Url | UnsetType = UNSET
    events: WantedList | UnsetType = UNSET
    description: Line | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class EndpointView(View, kw_only=True):
    """A webhook, without its secret."""

    id: UUID
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: str | None
    failing_since: datetime | None
    """The first failure since the last success."""
    rotating_until: datetime | None
    """Until then messages are signed with the previous secret, too."""
    created_at: datetime


class EndpointMade(View, kw_only=True):
    """A new webhook; its secret is shown now and never again."""

    secret: str
    info: EndpointView


class SecretView(View, kw_only=True):
    """The new secret, shown now and never again."""

    secret: str
    previous_valid_until: datetime


class DeliveryView(View, kw_only=True):
    """One event on its way to one webhook."""

    id: UUID
    message_id: str
    """The header `webhook-id` of every attempt."""
    kind: str
    seq: int | None
    upload_id: UUID | None
    state: str
    """`pending`, `delivered` or `failed`."""
    attempts: int
    last_status: int | None
    last_error: str | None
    due_at: datetime | None
    """The next attempt, while there will be one."""
    delivered_at: datetime | None
    created_at: datetime


class AttemptView(View, kw_only=True):
    """One try."""

    number: int
    at: datetime
    ms: int
    status: int | None
    """Nothing where no answer came."""
    error: str | None


class DeliveryDetail(View, kw_only=True):
    """A delivery with its payload and all tries."""

    delivery: DeliveryView
    data: dict[str, Any]
    attempts: list[AttemptView]


class Replay(Request, kw_only=True):
    """Which deliveries are to be sent again."""

    since: datetime
    """Of events that happened then or later."""
    only_failed: bool = True


class Replayed(View, kw_only=True):
    """How many deliveries will be sent again."""

    count: int
