"""What the sandbox's page is told."""

from datetime import datetime

from cliply_api.web.fields import View

__all__ = ["SandboxFeed", "SandboxPostView"]


class SandboxPostView(View):
    """One post, with numbers that are made up."""

    id: str
    film: str
    """Where the browser fetches it from."""
    account: str
    title: str
    caption: str
    visibility: str
    published_at: datetime
    duration: float
    width: int
    height: int
    views: int
    likes: int
    comments: int
    shares: int


class SandboxFeed(View):
    """Newest first."""

    posts: list[SandboxPostView]
