"""Bodies of the account handlers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from cliply_api.web.fields import Request, Url, View
from cliply_resources.platforms.documents import AccountLimits, Limits, Visibility

__all__ = [
    "AccountCaps",
    "AccountLimitsView",
    "AccountList",
    "AccountView",
    "CapabilitiesView",
    "Connect",
    "ConnectStarted",
    "Connected",
    "DefaultsList",
    "DefaultsView",
    "Disconnected",
    "Finish",
    "NewDefaults",
    "PlatformList",
    "PlatformName",
    "PlatformView",
    "Reconnect",
    "Stopped",
    "SwitchList",
    "SwitchView",
]

PlatformName = Literal["youtube", "x", "linkedin", "instagram", "tiktok", "sandbox"]
Health = Literal["ok", "expiring", "reconnect", "disconnected"]
Template = Annotated[str, Meta(max_length=5000, pattern=r"^[^\x00]*$", examples=["{title}"])]
Tolerance = Annotated[int, Meta(ge=60, le=7 * 86400)]
Gap = Annotated[int, Meta(ge=0, le=86400)]
MOST_ACCOUNTS = 20
"""That one request may publish to."""
AccountIds = Annotated[list[UUID], Meta(max_length=MOST_ACCOUNTS)]


class CapabilitiesView(View, kw_only=True):
    """What can be done there through Cliply."""

    editable: list[str]
    """Fields of a post that can be changed after it is published."""
    can_delete: bool
    can_list: bool
    metrics: bool
    webhooks: bool
    needs_link: bool
    """Whether the platform fetches the film itself, so that this installation has to be reachable from outside."""
    renews: bool
    """Whether Cliply renews a connection by itself; otherwise people sign in again when it ends."""


class PlatformView(View, kw_only=True):
    """One platform, as this installation can use it."""

    name: str
    title: str
    configured: bool
    missing: str | None
    """What has to be set before accounts can be connected, as a sentence."""
    stopped: str | None
    """Why nothing is published to it just now; posts that are due wait."""
    capabilities: CapabilitiesView
    limits: Limits
    """For forms: `null` where there is none, or none that is known."""


class PlatformList(View, kw_only=True):
    """All platforms."""

    data: list[PlatformView]


class Connect(Request, kw_only=True):
    """Where to connect an account."""

    platform: PlatformName
    return_url: Url | None = None
    """Where the browser is sent in the end, with `connected` or `connect_error` in its query; must be on this installation's list.
    Without one, a small page says how it went."""


class Reconnect(Request, kw_only=True):
    """How to come back."""

    return_url: Url | None = None


class ConnectStarted(View, kw_only=True):
    """A sign-in that was begun."""

    authorize_url: str
    """Send the browser there."""
    expires_at: datetime
    """It has to come back by then."""


class Finish(Request, kw_only=True):
    """The address that the platform sent a browser back to, for a sign-in that was begun by a program."""

    address: Url


class AccountView(View, kw_only=True):
    """An account on a platform. Its sign-in is never shown."""

    id: UUID
    platform: str
    remote_id: str
    name: str
    username: str
    avatar_url: str | None
    url: str | None
    kind: str
    health: Health
    """`expiring`: works, but people have to do something before it ends."""
    health_reason: str | None
    expires_at: datetime | None
    """When the sign-in ends unless it is renewed."""
    scopes: list[str]
    parked_until: datetime | None
    """The platform's cap for this account is reached until then."""
    posts_per_day: int | None
    """In any 24 hours; without one, the platform's own cap alone counts."""
    min_gap_seconds: int
    connected_at: datetime


class AccountList(View, kw_only=True):
    """The workspace's accounts, by platform and name."""

    data: list[AccountView]


class Connected(View, kw_only=True):
    """The accounts that one sign-in opened."""

    accounts: list[AccountView]


class AccountCaps(Request, kw_only=True):
    """How much may be posted to the account; what is not given stays."""

    posts_per_day: Annotated[int, Meta(ge=1, le=10_000)] | UnsetType | None = UNSET
    min_gap_seconds: Gap | UnsetType = UNSET


class Disconnected(View, kw_only=True):
    """An account that Cliply has no access to any more."""

    account: AccountView
    revoked: bool
    """Whether the platform took the access back, too; if not, remove Cliply in the platform's own settings."""
    held_posts: int
    """Posts that wait until it is connected again."""


class AccountLimitsView(View, kw_only=True):
    """What the account may do now, as its platform says."""

    limits: AccountLimits
    cached: bool


class NewDefaults(Request, kw_only=True):
    """What new posts to a platform begin with. Templates may name {title}, {description}, {hook}, {hashtags} and {workspace}."""

    title: Template = "{title}"
    caption: Template = "{description}\n\n{hashtags}"
    visibility: Visibility = "public"
    account_ids: AccountIds = field(default_factory=list)
    """Taken where a post names no accounts."""
    tolerance_seconds: Tolerance | None = None
    """So much later than planned a post may still be published."""
    gap_seconds: Gap | None = None
    """Posts that are planned together for one account are so far apart, at least."""


class DefaultsView(View, kw_only=True):
    """What new posts to a platform begin with."""

    platform: str
    title: str
    caption: str
    visibility: str
    account_ids: list[UUID]
    tolerance_seconds: int
    gap_seconds: int
    updated_at: datetime | None
    """Absent where nobody has chosen anything yet."""


class DefaultsList(View, kw_only=True):
    """Of every platform."""

    data: list[DefaultsView]


class Stopped(Request, kw_only=True):
    """Why; everybody whose posts wait reads it."""

    reason: Annotated[str, Meta(min_length=3, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]


class SwitchView(View, kw_only=True):
    """Whether Cliply publishes to a platform."""

    platform: str
    title: str
    stopped: bool
    reason: str | None
    off_since: datetime | None


class SwitchList(View, kw_only=True):
    """All platforms."""

    data: list[SwitchView]
