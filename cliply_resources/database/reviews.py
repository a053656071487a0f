"""What people say about clips and want of them; the tables of `sql/030` and `sql/031` as Python sees them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cliply_resources.database.models import BOUND_WORKSPACE, NEW_ID, NOW, Base, Document

__all__ = ["ClipComment", "RenderWish"]


class ClipComment(Base):
    """A remark on a clip, at a moment of it or on the whole."""

    __tablename__ = "clip_comments"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "clip_id"], ["clips.workspace_id", "clips.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    clip_id: Mapped[UUID]
    source_s: Mapped[float | None]
    """Seconds from the start of the source."""
    body: Mapped[str]
    author_id: Mapped[UUID]
    author_name: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    edited_at: Mapped[datetime | None]


class RenderWish(Base):
    """A clip that somebody wants rendered again, with these settings."""

    __tablename__ = "render_wishes"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id", "clip_id"], ["clips.workspace_id", "clips.id"], ondelete="CASCADE"),
        Index(
            "render_wishes_open_once",
            "workspace_id",
            "clip_id",
            "settings_digest",
            unique=True,
            postgresql_where=text("state IN ('open', 'claimed', 'running')"),
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    clip_id: Mapped[UUID]
    aspects: Mapped[list[str]]
    style: Mapped[str]
    start_s: Mapped[float]
    end_s: Mapped[float]
    recut: Mapped[bool] = mapped_column(server_default="false")
    """Whether the clip keeps this span once it is rendered."""
    settings_digest: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="open")
    """`open`, `claimed` (a run was asked for), `running`, `done` or `failed`."""
    attempt: Mapped[int] = mapped_column(server_default="0")
    """How often a run was asked for; only the newest may fulfil it."""
    deadline_at: Mapped[datetime | None]
    """When the run that claimed it counts as lost."""
    versions: Mapped[Document] = mapped_column(server_default="{}")
    """Aspect ratio to the number of the version that fulfils it."""
    reason: Mapped[str | None]
    asked_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]
    brand: Mapped[Document | None] = mapped_column(JSONB(none_as_null=True))
    """The brand kit it is to be made with, as it was when somebody asked; nothing: with none."""
    options: Mapped[Document] = mapped_column(server_default="{}")
    """What it is to be made with beside its style and brand."""
    request_id: Mapped[str | None]
    """The web request that asked for it last."""
