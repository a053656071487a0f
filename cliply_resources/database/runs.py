"""Which runs were asked for an upload; the table of `sql/065` as Python sees it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cliply_resources.database.models import BOUND_WORKSPACE, NOW, Base

__all__ = ["UploadRun"]


class UploadRun(Base):
    """One run that was asked for an upload, and what became of it."""

    __tablename__ = "upload_runs"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "upload_id", "number"),
        ForeignKeyConstraint(["workspace_id", "upload_id"], ["uploads.workspace_id", "uploads.id"], ondelete="CASCADE"),
        Index(
            "upload_runs_one_at_a_time",
            "workspace_id",
            "upload_id",
            unique=True,
            postgresql_where=text("state IN ('asked', 'running')"),
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    upload_id: Mapped[UUID]
    number: Mapped[int]
    """Part of the run's key: a run that is asked for anew is another run."""
    attempt: Mapped[int]
    """The upload's attempt that it is for."""
    state: Mapped[str] = mapped_column(server_default="asked")
    """`asked`, `running`, `succeeded`, `failed`, `halted` (nobody wanted it any more) or `lost`."""
    run_id: Mapped[str | None]
    """Dagster's newest run for it; one whose process died is followed by its retry."""
    asked_at: Mapped[datetime] = mapped_column(server_default=NOW)
    begun_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    """A sentence, where it did not end well."""
