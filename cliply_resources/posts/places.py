"""Where the secrets of posts are sealed to."""

from uuid import UUID

from cliply_resources.vault import Place

__all__ = ["progress_place"]


def progress_place(workspace_id: UUID, post_id: UUID) -> Place:
    """Where a post's publish state is sealed to."""
    return Place(workspace_id, post_id, "posts.progress")
