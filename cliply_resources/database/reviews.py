"""What people say about clips; the tables of `sql/030_clips_api.sql` as Python sees them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cliply_resources.database.models import BOUND_WORKSPACE, NEW_ID, NOW, Base

__all__ = ["ClipComment"]


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
