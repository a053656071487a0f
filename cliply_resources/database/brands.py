"""Brand kits and their files; the tables of `sql/050` as Python sees them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cliply_resources.database.models import BOUND_WORKSPACE, NEW_ID, NOW, Base, Document

__all__ = ["BrandFileRow", "BrandKitRow"]


class BrandKitRow(Base):
    """How a workspace wants its clips to look."""

    __tablename__ = "brand_kits"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),
        Index("brand_kits_one_default", "workspace_id", unique=True, postgresql_where=text("is_default")),
        Index("brand_kits_name_once", "workspace_id", "name", unique=True),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    name: Mapped[str]
    is_default: Mapped[bool] = mapped_column(server_default="false")
    """Whether clips that name no kit are made with it."""
    style: Mapped[str | None]
    """The caption style of clips that name none."""
    colours: Mapped[Document] = mapped_column(server_default="{}")
    placements: Mapped[Document] = mapped_column(server_default="{}")
    """Where logo and watermark lie; what is absent lies where we put it."""
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    look: Mapped[Document | None] = mapped_column(JSONB(none_as_null=True))
    """A caption style of the workspace's own for clips that name none, which goes before `style`."""


class BrandFileRow(Base):
    """A file that was given for a kit, and what we made of it."""

    __tablename__ = "brand_files"
    __table_args__ = (
        PrimaryKeyConstraint("workspace_id", "id"),
        ForeignKeyConstraint(
            ["workspace_id", "kit_id"], ["brand_kits.workspace_id", "brand_kits.id"], ondelete="CASCADE"
        ),
        Index(
            "brand_files_one_of_each",
            "workspace_id",
            "kit_id",
            "kind",
            unique=True,
            postgresql_where=text("confirmed_at IS NOT NULL"),
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(server_default=BOUND_WORKSPACE)
    id: Mapped[UUID] = mapped_column(server_default=NEW_ID)
    kit_id: Mapped[UUID]
    kind: Mapped[str]
    """`logo`, `watermark`, `font` or `outro`."""
    name: Mapped[str]
    """What its owner calls it."""
    content_type: Mapped[str]
    given_size: Mapped[int] = mapped_column(BigInteger)
    """Bytes, as announced."""
    incoming_until: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    object_key: Mapped[str | None]
    """Of the file that we wrote; the object outlives the row, since clips name it."""
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None]
    facts: Mapped[Document] = mapped_column(server_default="{}")
    """What renders need to know of it."""
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
