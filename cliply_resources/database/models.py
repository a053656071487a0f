"""The tables as Python sees them; `sql/` defines them, and a test holds the two together.

Constraints and triggers live in the database alone. States are plain text here, checked there.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cliply_resources.documents.spans import Span

__all__ = ["Base", "Clip", "Event", "EventHead", "Render", "Upload", "UploadStep", "Workspace"]

Document = dict[str, Any]
"""A JSON object."""

NEW_ID = text("uuidv7()")
BOUND_WORKSPACE = text("app.workspace_id()")
NOW = text("now()")


class Base(DeclarativeBase):
    """What all tables share: how Python types become column types."""

    type_annotation_map: ClassVar = {
        str: Text(),
        int: Integer(),
        float: Double(),
        datetime: DateTime(timezone=True),
        Document: JSONB(),
        list[str]: ARRAY(Text()),
    }


class Workspace(Base):
    """The tenant."""

    __tablename__ = "workspaces"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=NEW_ID)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    suspended_at: Mapped[datetime | None]
    requests_per_minute: Mapped[int | None]
    """Its budget; without one, the installation's default."""
    deleted_at: Mapped[datetime | None]
    """When its owner deleted it; it is suspended from then on, and goes after the grace."""
    plan: Mapped[str] = mapped_column(server_default="standard")
    """How many uploads are worked on at once, and how many may wait: see `cliply_resources.plans`."""
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    """An IANA name: the zone of local times that name none."""


class Upload(Base):
    """One source video with its processing settings."""

    __tablename__ = "uploads"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        Index(
            "uploads_same_bytes_once",
            "workspace_id",
            "source_sha256",
            "settings_digest",
            unique=True,
            postgresql_where=text("source_sha256 IS NOT NULL AND deleted_at IS NULL AND source_kind = 'file'"),
        ),
        Index(
            "uploads_same_stored_bytes_once",
            "workspace_id",
            "source_sha256",
            "settings_digest",
            unique=True,
            postgresql_where=text("source_sha256 IS NOT NULL AND deleted_at IS NULL AND source_kind = 'stored'"),
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    title: Mapped[str] = mapped_column(server_default="")
    source_kind: Mapped[str]
    """`file`, `url` or `stored`."""
    source_uri: Mapped[str]
    source_sha256: Mapped[str | None]
    source_size: Mapped[int | None] = mapped_column(BigInteger)
    settings: Mapped[Document] = mapped_column(server_default="{}")
    settings_digest: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    cancelled_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    request_id: Mapped[str | None]
    deleted_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    """Since when the bytes are there and were looked at; nothing is done before."""
    incoming_until: Mapped[datetime | None]
    """Until when a signed link takes bytes; nothing where there is none (any more) to tidy up after."""
    attempt: Mapped[int] = mapped_column(server_default="1")
    """How often it was asked for: the first time, and each retry and resumption."""
    retry_at: Mapped[datetime | None]
    """Since when it waits to be started again; the first step of the new run clears it."""
    part_size: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes of each part but the last; nothing where the film is put in one piece."""
    multipart_id: Mapped[str | None]
    """The storage's name for the parts that are being received; nothing before the first and after the last."""
    started_attempt: Mapped[int] = mapped_column(server_default="0")
    """The newest attempt that a run was asked for; while it is below `attempt`, the upload waits for one."""
    expired_at: Mapped[datetime | None]
    """When its source and intermediate objects were deleted; work on it afterwards makes new ones."""
    forgotten_at: Mapped[datetime | None]
    """When its steps and documents were deleted, too; only its clips remain."""


class UploadStep(Base):
    """One asset's work on one upload, as the user sees it."""

    __tablename__ = "upload_steps"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "upload_id", "step", "part"),
        ForeignKeyConstraint(["workspace_id", "upload_id"], ["uploads.workspace_id", "uploads.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "reused_from"], ["uploads.workspace_id", "uploads.id"], ondelete="SET NULL (reused_from)"
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    upload_id: Mapped[UUID]
    step: Mapped[str]
    part: Mapped[str] = mapped_column(server_default="")
    """Empty for a whole step; a clip id where a step fans out."""
    state: Mapped[str] = mapped_column(server_default="pending")
    """`pending`, `running`, `completed`, `failed`, `skipped` or `cancelled`."""
    percent: Mapped[float] = mapped_column(REAL, server_default="0")
    """0 to 100."""
    doing: Mapped[str] = mapped_column(server_default="")
    attempt: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int] = mapped_column(server_default="1")
    deadline_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    run_id: Mapped[str | None]
    reason: Mapped[str | None]
    """A sentence for the user."""
    raw_error: Mapped[str | None]
    input_digest: Mapped[str | None]
    output: Mapped[Document] = mapped_column(server_default="{}")
    """Name of each stored object to its key, size and sha256."""
    summary: Mapped[Document] = mapped_column(server_default="{}")
    reused_from: Mapped[UUID | None]
    usage: Mapped[Document] = mapped_column(server_default="{}")
    discarded_at: Mapped[datetime | None]
    """When somebody decided that this failure needs nothing more."""


class Clip(Base):
    """A candidate that was kept."""

    __tablename__ = "clips"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        UniqueConstraint("workspace_id", "upload_id", "start_s", "end_s"),
        ForeignKeyConstraint(["workspace_id", "upload_id"], ["uploads.workspace_id", "uploads.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    upload_id: Mapped[UUID]
    rank: Mapped[int]
    """1 is the best of its upload."""
    start_s: Mapped[float]
    end_s: Mapped[float]
    score: Mapped[float]
    subscores: Mapped[Document] = mapped_column(server_default="{}")
    title: Mapped[str] = mapped_column(server_default="")
    description: Mapped[str] = mapped_column(server_default="")
    hashtags: Mapped[list[str]] = mapped_column(server_default="{}")
    reasons: Mapped[list[str]] = mapped_column(server_default="{}")
    state: Mapped[str] = mapped_column(server_default="proposed")
    """`proposed`, `approved` or `rejected`."""
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    """The person who approved or rejected it last."""
    reject_reason: Mapped[str] = mapped_column(server_default="")
    edited_at: Mapped[datetime | None]
    """When a person last changed it; from then on no analysis does."""
    deleted_at: Mapped[datetime | None]
    cut_start_s: Mapped[float | None]
    cut_end_s: Mapped[float | None]
    """Where people moved the cut to; nothing: it is as proposed."""
    purged_at: Mapped[datetime | None]
    """When the stored files of a deleted clip went."""
    hook: Mapped[str] = mapped_column(server_default="")
    """A line to open with; empty where nothing is said."""

    @property
    def span(self) -> Span:
        """The stretch of the source that the clip shows now."""
        if self.cut_start_s is None or self.cut_end_s is None:
            return Span(self.start_s, self.end_s)
        return Span(self.cut_start_s, self.cut_end_s)


class Render(Base):
    """One version of a clip's media in one aspect ratio."""

    __tablename__ = "renders"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        UniqueConstraint("workspace_id", "clip_id", "version", "aspect"),
        UniqueConstraint("workspace_id", "clip_id", "spec_digest"),
        ForeignKeyConstraint(["workspace_id", "clip_id"], ["clips.workspace_id", "clips.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    clip_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(server_default="1")
    aspect: Mapped[str]
    style: Mapped[str]
    spec_digest: Mapped[str | None]
    """Unknown until the render was planned."""
    state: Mapped[str] = mapped_column(server_default="pending")
    """`pending`, `running`, `ready` or `failed`; a ready one has `spec_digest` and `sha256`."""
    objects: Mapped[Document] = mapped_column(server_default="{}")
    sha256: Mapped[str | None]
    duration: Mapped[float | None]
    """Seconds."""
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]
    brand: Mapped[Document | None] = mapped_column(JSONB(none_as_null=True))
    """The brand kit it was made with, as it was then."""
    options: Mapped[Document] = mapped_column(server_default="{}")
    """What else was chosen for it: layout and the like."""
    sound: Mapped[Document] = mapped_column(server_default="{}")
    """What was done to its sound, once it is ready: what was taken out and the like."""


class EventHead(Base):
    """The number of a workspace's newest event; written by `app.write_event` only."""

    __tablename__ = "event_heads"
    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),)

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=BOUND_WORKSPACE)
    last_seq: Mapped[int] = mapped_column(BigInteger)


class Event(Base):
    """Something that happened; numbered without gaps in a workspace, in the order of the commits."""

    __tablename__ = "events"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "seq"),
        UniqueConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "upload_id"], ["uploads.workspace_id", "uploads.id"], ondelete="SET NULL (upload_id)"
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    seq: Mapped[int] = mapped_column(BigInteger)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    upload_id: Mapped[UUID | None]
    kind: Mapped[str]
    payload: Mapped[Document] = mapped_column(server_default="{}")
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
