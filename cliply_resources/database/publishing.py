"""The tables of publishing as Python sees them: accounts on platforms, posts, every call made for them, and what they reach."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from cliply_resources.database.models import BOUND_WORKSPACE, NEW_ID, NOW, Base, Document

__all__ = [
    "AccountReading",
    "AccountRow",
    "FeedSubscription",
    "ImportedPost",
    "OAuthState",
    "PlatformEvent",
    "PlatformSwitch",
    "PostAttempt",
    "PostMeasure",
    "PostMetrics",
    "PostRow",
    "PublishDefaults",
    "ReadingBudget",
]


class AccountRow(Base):
    """One account of a platform that this workspace may post to."""

    __tablename__ = "accounts"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        UniqueConstraint("workspace_id", "platform", "remote_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    platform: Mapped[str]
    remote_id: Mapped[str]
    name: Mapped[str]
    username: Mapped[str] = mapped_column(server_default="")
    avatar_url: Mapped[str | None]
    url: Mapped[str | None]
    kind: Mapped[str] = mapped_column(server_default="person")
    facts: Mapped[Document] = mapped_column(server_default="{}")
    limits: Mapped[Document] = mapped_column(server_default="{}")
    """An `AccountLimits` document; empty until the platform was asked."""
    state: Mapped[str] = mapped_column(server_default="ok")
    """`ok`, `reconnect` (and `reason` says why) or `disconnected`."""
    reason: Mapped[str | None]
    tokens: Mapped[bytes | None] = mapped_column(LargeBinary)
    """A sealed `Tokens` document; see `cliply_resources.accounts`."""
    scopes: Mapped[list[str]] = mapped_column(server_default="{}")
    token_expires_at: Mapped[datetime | None]
    refresh_expires_at: Mapped[datetime | None]
    refreshed_at: Mapped[datetime | None]
    refresh_failures: Mapped[int] = mapped_column(server_default="0")
    refresh_at: Mapped[datetime | None]
    parked_until: Mapped[datetime | None]
    posts_per_day: Mapped[int | None]
    min_gap_seconds: Mapped[int] = mapped_column(server_default="0")
    connected_by: Mapped[UUID | None]
    connected_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class OAuthState(Base):
    """A sign-in at a platform that was begun; answers one callback."""

    __tablename__ = "oauth_states"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "state_hash"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    state_hash: Mapped[bytes] = mapped_column(LargeBinary)
    user_id: Mapped[UUID]
    platform: Mapped[str]
    account_id: Mapped[UUID | None]
    redirect_uri: Mapped[str]
    verifier: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]


class PublishDefaults(Base):
    """What a new post of this platform begins with."""

    __tablename__ = "publish_defaults"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "platform"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    platform: Mapped[str]
    content: Mapped[Document] = mapped_column(server_default="{}")
    account_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), server_default="{}")
    tolerance_seconds: Mapped[int | None]
    gap_seconds: Mapped[int | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class PlatformSwitch(Base):
    """A platform that nothing is published to now, in the whole installation."""

    __tablename__ = "platform_switches"
    __table_args__ = (PrimaryKeyConstraint("platform"),)

    platform: Mapped[str]
    reason: Mapped[str]
    off_since: Mapped[datetime] = mapped_column(server_default=NOW)


class PostRow(Base):
    """One clip on one account at one moment; its states are those of `cliply_resources.posts.machine`."""

    __tablename__ = "posts"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "account_id"], ["accounts.workspace_id", "accounts.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["workspace_id", "upload_id"], ["uploads.workspace_id", "uploads.id"], ondelete="SET NULL (upload_id)"
        ),
        ForeignKeyConstraint(
            ["workspace_id", "clip_id"], ["clips.workspace_id", "clips.id"], ondelete="SET NULL (clip_id)"
        ),
        Index(
            "posts_once_a_slot",
            "workspace_id",
            "account_id",
            "clip_id",
            "due_at",
            unique=True,
            postgresql_where=text("state NOT IN ('cancelled', 'declined', 'rejected', 'missed')"),
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    account_id: Mapped[UUID]
    platform: Mapped[str]
    upload_id: Mapped[UUID | None]
    clip_id: Mapped[UUID | None]
    object_key: Mapped[str]
    """The stored video that is published; what is rendered later does not change it."""
    video: Mapped[Document]
    """A `VideoFacts` document."""
    content: Mapped[Document]
    """A `PostContent` document."""
    due_at: Mapped[datetime]
    tolerance_seconds: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="due")
    reason: Mapped[str | None]
    code: Mapped[str] = mapped_column(server_default="")
    revision: Mapped[int] = mapped_column(server_default="1")
    wake_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    restarts: Mapped[int] = mapped_column(server_default="0")
    reauthorized: Mapped[bool] = mapped_column(server_default="false")
    committed_at: Mapped[datetime | None]
    progress: Mapped[bytes | None] = mapped_column(LargeBinary)
    """A sealed `PublishState` document."""
    handle: Mapped[str | None]
    lease: Mapped[int] = mapped_column(BigInteger, server_default="0")
    lease_until: Mapped[datetime | None]
    worker: Mapped[UUID | None]
    remote_id: Mapped[str | None]
    url: Mapped[str | None]
    visibility: Mapped[str | None]
    published_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    approved_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
    told_at: Mapped[datetime | None]
    """The platform's own time of the newest thing that it told by itself."""


class PostAttempt(Base):
    """One call to a platform; of kind `commit`, the intent to publish, written before the call."""

    __tablename__ = "post_attempts"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["workspace_id", "post_id"], ["posts.workspace_id", "posts.id"], ondelete="CASCADE"),
        Index(
            "post_attempts_one_intent",
            "workspace_id",
            "post_id",
            unique=True,
            postgresql_where=text("kind = 'commit' AND (resolution IS NULL OR resolution = 'applied')"),
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    post_id: Mapped[UUID]
    lease: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int]
    step: Mapped[str]
    kind: Mapped[str]
    outcome: Mapped[str | None]
    resolution: Mapped[str | None]
    code: Mapped[str] = mapped_column(server_default="")
    reason: Mapped[str | None]
    raw: Mapped[str] = mapped_column(server_default="")
    handle: Mapped[str | None]
    sent_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class PlatformEvent(Base):
    """One thing that a platform told of an account by webhook."""

    __tablename__ = "platform_events"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        UniqueConstraint("workspace_id", "account_id", "event_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "account_id"], ["accounts.workspace_id", "accounts.id"], ondelete="CASCADE"
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    account_id: Mapped[UUID]
    event_id: Mapped[str]
    """The platform's, or made of what it said: the same for a repetition."""
    kind: Mapped[str]
    at: Mapped[datetime]
    handle: Mapped[str | None]
    remote_id: Mapped[str | None]
    reason: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default="waiting")
    """`waiting` for its post, `matched`, or `unmatched` for good."""
    post_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class FeedSubscription(Base):
    """A feed of an account's new posts that was asked for; its id stands in the address that the platform calls."""

    __tablename__ = "feed_subscriptions"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        UniqueConstraint("workspace_id", "account_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "account_id"], ["accounts.workspace_id", "accounts.id"], ondelete="CASCADE"
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    account_id: Mapped[UUID]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Sealed."""
    state: Mapped[str] = mapped_column(server_default="asked")
    """`asked`, `active` while its lease lasts, or `leaving` since its account was disconnected."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """Times it was asked for since it was confirmed last."""
    reason: Mapped[str | None]
    asked_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    next_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class PostMetrics(Base):
    """What a platform said of a post's counters at one moment: totals since publishing; `None` where it does not tell."""

    __tablename__ = "post_metrics"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "post_id", "at"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["workspace_id", "post_id"], ["posts.workspace_id", "posts.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    post_id: Mapped[UUID]
    at: Mapped[datetime]
    views: Mapped[int | None] = mapped_column(BigInteger)
    likes: Mapped[int | None] = mapped_column(BigInteger)
    comments: Mapped[int | None] = mapped_column(BigInteger)
    shares: Mapped[int | None] = mapped_column(BigInteger)
    saves: Mapped[int | None] = mapped_column(BigInteger)
    reach: Mapped[int | None] = mapped_column(BigInteger)
    watch_seconds: Mapped[float | None]
    average_watch_seconds: Mapped[float | None]
    extra: Mapped[Document] = mapped_column(server_default="{}")
    """The platform's own numbers, by its own names."""


class PostMeasure(Base):
    """When a published post is measured next."""

    __tablename__ = "post_measures"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "post_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["workspace_id", "post_id"], ["posts.workspace_id", "posts.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "account_id"], ["accounts.workspace_id", "accounts.id"], ondelete="CASCADE"
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    post_id: Mapped[UUID]
    account_id: Mapped[UUID]
    next_at: Mapped[datetime | None]
    measured_at: Mapped[datetime | None]
    misses: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str | None]


class AccountReading(Base):
    """What is read from an account besides publishing: counters of its posts, and its own earlier posts."""

    __tablename__ = "account_readings"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "account_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "account_id"], ["accounts.workspace_id", "accounts.id"], ondelete="CASCADE"
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    account_id: Mapped[UUID]
    parked_until: Mapped[datetime | None]
    """Nothing is read until then; publishing goes on."""
    reason: Mapped[str | None]
    import_seconds: Mapped[int | None]
    """Between two looks at the account's own posts; `None`: by how often it posts."""
    import_next_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    """`None`: its posts are not imported."""
    import_cursor: Mapped[str | None]
    imported_at: Mapped[datetime | None]
    import_quiet: Mapped[int] = mapped_column(server_default="0")
    import_failures: Mapped[int] = mapped_column(server_default="0")
    import_reason: Mapped[str | None]


class ReadingBudget(Base):
    """Calls for reading that the installation made to a platform on its latest day (UTC)."""

    __tablename__ = "reading_budgets"
    __table_args__ = (PrimaryKeyConstraint("platform"),)

    platform: Mapped[str]
    day: Mapped[date]
    calls: Mapped[int]


class ImportedPost(Base):
    """A post of an account's own that Cliply did not publish; a source for posting it elsewhere."""

    __tablename__ = "imported_posts"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        UniqueConstraint("workspace_id", "account_id", "remote_id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "account_id"], ["accounts.workspace_id", "accounts.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["workspace_id", "upload_id"], ["uploads.workspace_id", "uploads.id"], ondelete="SET NULL (upload_id)"
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    account_id: Mapped[UUID]
    platform: Mapped[str]
    remote_id: Mapped[str]
    published_at: Mapped[datetime]
    title: Mapped[str] = mapped_column(server_default="")
    caption: Mapped[str] = mapped_column(server_default="")
    url: Mapped[str | None]
    duration: Mapped[float | None]
    """Seconds."""
    width: Mapped[int | None]
    height: Mapped[int | None]
    cover_url: Mapped[str | None]
    views: Mapped[int | None] = mapped_column(BigInteger)
    likes: Mapped[int | None] = mapped_column(BigInteger)
    comments: Mapped[int | None] = mapped_column(BigInteger)
    shares: Mapped[int | None] = mapped_column(BigInteger)
    upload_id: Mapped[UUID | None]
    """The upload that was made of it."""
    found_at: Mapped[datetime] = mapped_column(server_default=NOW)
