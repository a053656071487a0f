"""Bodies of the dead-letter handlers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from cliply_api.web.fields import Request, View

__all__ = ["Chosen", "Decided", "LetterView"]


class LetterView(View, kw_only=True):
    """A step that failed and that no run is going to try again by itself."""

    upload_id: UUID
    title: str
    step: str
    label: str
    clip_id: UUID | None
    """Where the step is one clip's."""
    reason: str | None
    """What happened, why, and what to do."""
    attempt: int
    max_attempts: int
    ended_at: datetime | None


class Chosen(Request, kw_only=True):
    """Uploads whose failures something is to be done about; those that have none are passed over."""

    upload_ids: Annotated[list[UUID], Meta(min_length=1, max_length=500)]


class Decided(View, kw_only=True):
    """The uploads that it was done for."""

    upload_ids: list[UUID]
