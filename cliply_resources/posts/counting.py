"""How many posts of an upload are underway, and how many are published."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_resources.database import PostRow
from cliply_resources.posts.machine import ACTIVE, PostState

__all__ = ["NO_POSTS", "UNDERWAY", "PostCount", "count_posts"]

UNDERWAY: frozenset[PostState] = ACTIVE | {"held", "asking"}
"""While an upload has such a post, it is being published."""


@dataclass(frozen=True)
class PostCount:
    """Of one upload."""

    underway: int = 0
    published: int = 0


NO_POSTS = PostCount()


def count_posts(session: Session, workspace_id: UUID, upload_ids: Collection[UUID]) -> Mapping[UUID, PostCount]:
    """Of each of these uploads; one statement."""
    query = (
        sa.select(
            PostRow.upload_id,
            sa.func.count().filter(PostRow.state.in_(UNDERWAY)),
            sa.func.count().filter(PostRow.state == "published"),
        )
        .where(PostRow.workspace_id == workspace_id, PostRow.upload_id.in_(upload_ids))
        .group_by(PostRow.upload_id)
    )
    found = {row[0]: PostCount(row[1], row[2]) for row in session.execute(query)}
    return {upload_id: found.get(upload_id, NO_POSTS) for upload_id in upload_ids}
