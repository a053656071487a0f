"""Where the secrets of posts and feeds are sealed to."""

from uuid import UUID

from cliply_resources.vault import Place

__all__ = ["feed_place", "progress_place"]


def feed_place(workspace_id: UUID, subscription_id: UUID) -> Place:
    """Where the secret of a feed's subscription is sealed to."""
    return Place(workspace_id, subscription_id, "feed_subscriptions.secret")


def progress_place(workspace_id: UUID, post_id: UUID) -> Place:
    """Where a post's publish state is sealed to."""
    return Place(workspace_id, post_id, "posts.progress")
