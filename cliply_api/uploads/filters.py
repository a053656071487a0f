"""Which uploads a list is to show."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from litestar.params import QueryParameter

from cliply_api.uploads.schemas import State
from cliply_api.uploads.states import state_column
from cliply_api.web.fields import MOMENT, moment
from cliply_resources.database.models import Upload, UploadStep

__all__ = ["UploadFilter", "provide_filter"]


MOMENT_PARAMETER = QueryParameter(max_length=40, pattern=MOMENT, schema_extra={"format": "date-time"})


@dataclass(frozen=True)
class UploadFilter:
    """All that is given must hold."""

    title: str | None = None
    source: str | None = None
    confirmed: bool | None = None
    cancelled: bool | None = None
    paused: bool | None = None
    failed: bool | None = None
    state: State | None = None
    deleted: bool = False
    created_after: datetime | None = None
    created_before: datetime | None = None

    def of(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """The query, narrowed."""
        gone = Upload.deleted_at.is_not(None)
        # Of those that were deleted only what can still be had back.
        query = query.where(sa.and_(gone, Upload.incoming_until.is_not(None)) if self.deleted else sa.not_(gone))
        if self.state is not None:
            query = query.where(state_column() == self.state)
        if self.title:
            query = query.where(Upload.title.icontains(self.title, autoescape=True))
        if self.source is not None:
            query = query.where((Upload.source_kind == "url") == (self.source == "url"))
        flags = (
            (self.confirmed, Upload.confirmed_at.is_not(None)),
            (self.cancelled, Upload.cancelled_at.is_not(None)),
            (self.paused, Upload.paused_at.is_not(None)),
            (self.failed, _has_failed()),
        )
        for wanted, holds in flags:
            if wanted is not None:
                query = query.where(holds if wanted else sa.not_(holds))
        if self.created_after is not None:
            query = query.where(Upload.created_at >= self.created_after)
        if self.created_before is not None:
            query = query.where(Upload.created_at < self.created_before)
        return query


def _has_failed() -> sa.ColumnElement[bool]:
    """A step failed, and it was not asked for again since."""
    step = sa.select(UploadStep.step).where(
        UploadStep.workspace_id == Upload.workspace_id,
        UploadStep.upload_id == Upload.id,
        UploadStep.state == "failed",
    )
    return sa.and_(sa.exists(step), Upload.retry_at.is_(None))


def provide_filter(  # noqa: PLR0913, PLR0917 - a query parameter each
    title: Annotated[str | None, QueryParameter(name="title", max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = None,
    source: Annotated[Literal["file", "url"] | None, QueryParameter(name="source")] = None,
    confirmed: Annotated[bool | None, QueryParameter(name="confirmed")] = None,
    cancelled: Annotated[bool | None, QueryParameter(name="cancelled")] = None,
    paused: Annotated[bool | None, QueryParameter(name="paused")] = None,
    failed: Annotated[bool | None, QueryParameter(name="failed")] = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    deleted: Annotated[bool, QueryParameter(name="deleted")] = False,
    created_after: Annotated[str | None, MOMENT_PARAMETER] = None,
    created_before: Annotated[str | None, MOMENT_PARAMETER] = None,
) -> UploadFilter:
    """The dependency `wanted`."""
    after, before = moment(created_after, "created_after"), moment(created_before, "created_before")
    return UploadFilter(title, source, confirmed, cancelled, paused, failed, in_state, deleted, after, before)
