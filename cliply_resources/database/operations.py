"""What operators keep an eye on; the table of `sql/070` as Python sees it."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Date, ForeignKeyConstraint, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cliply_resources.database.models import BOUND_WORKSPACE, NOW, Base

__all__ = ["StorageTally"]


class StorageTally(Base):
    """What a workspace stored on one day."""

    __tablename__ = "storage_tallies"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "day"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    day: Mapped[date] = mapped_column(Date)
    objects: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    """Of everything, the search index too."""
    source_bytes: Mapped[int] = mapped_column(BigInteger)
    analysis_bytes: Mapped[int] = mapped_column(BigInteger)
    clip_bytes: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime] = mapped_column(server_default=NOW)
