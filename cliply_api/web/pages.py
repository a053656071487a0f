"""Lists in pages: `?page=1&limit=20`, and `?cursor=…` where a list may grow large.

@get("/", dependencies…)
def list_clips(session: NamedDependency[Session], page: NamedDependency[PageRequest]) -> Page[ClipView]:
    query = sa.select(Clip).order_by(Clip.created_at.desc(), Clip.id.desc())
    return page.of(session, query, view)
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from litestar.params import QueryParameter
from sqlalchemy.orm import Session

from cliply_resources.errors import CallerError

__all__ = ["MAX_LIMIT", "Page", "PageRequest", "count_of", "decode_cursor", "encode_cursor", "provide_page"]

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
MAX_PAGE = 100_000
"""Beyond it the database would count rows for seconds; a cursor has no such end."""

T = TypeVar("T")
Row = TypeVar("Row")


class Page(msgspec.Struct, Generic[T], kw_only=True, omit_defaults=True):
    """A part of a list."""

    data: list[T]
    total: int
    """How many there are on all pages."""
    page: int
    pages: int
    next_cursor: str | None = None
    """Pass it as `cursor` for what comes next; absent at the end, and in lists that have no cursor."""


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted."""

    page: int = 1
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def of(self, session: Session, query: sa.Select[Any], view: Callable[[Any], T]) -> Page[T]:
        """The wanted page of an ordered query of one entity; each row becomes `view(row)`. Two statements."""
        total = count_of(session, query)
        rows = session.scalars(query.limit(self.limit).offset((self.page - 1) * self.limit))
        return self.page_of([view(row) for row in rows], total)

    def page_of(self, data: list[T], total: int, next_cursor: str | None = None) -> Page[T]:
        """A page of what the area has fetched itself."""
        pages = -(-total // self.limit)
        return Page(data=data, total=total, page=self.page, pages=pages, next_cursor=next_cursor)

    def page_of_rows(
        self, rows: Sequence[Row], view: Callable[[Row], T], total: int, sort_key: Callable[[Row], tuple[Any, ...]]
    ) -> Page[T]:
        """A page with a cursor that starts after its last row; none where the rows did not fill the page."""
        follows = encode_cursor(*sort_key(rows[-1])) if len(rows) == self.limit else None
        return self.page_of([view(row) for row in rows], total, follows)

    def after(self, *kinds: type) -> list[Any] | None:
        """The values that the cursor holds, converted to `kinds`; nothing without a cursor."""
        return None if self.cursor is None else decode_cursor(self.cursor, *kinds)


def count_of(session: Session, query: sa.Select[Any]) -> int:
    """How many rows a query of one entity would give in all; it costs the database (and the compiler) no columns."""
    counting = query.with_only_columns(sa.func.count(), maintain_column_froms=True).order_by(None)
    return session.scalar(counting) or 0


def provide_page(
    # Not named `page`, which is this dependency's own name: it would depend on itself.
    number: Annotated[int, QueryParameter(name="page", ge=1, le=MAX_PAGE)] = 1,
    limit: Annotated[int, QueryParameter(name="limit", ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, QueryParameter(name="cursor", max_length=500, pattern=r"^[A-Za-z0-9_-]*$")] = None,
) -> PageRequest:
    """The dependency `page`."""
    return PageRequest(number, limit, cursor)


def encode_cursor(*values: Any) -> str:
    """A cursor that remembers the last row's sort key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The values again.

    Raises:
        CallerError: it is not one of ours.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=list[Any])
        return [msgspec.convert(value, kind, strict=False) for value, kind in zip(values, kinds, strict=True)]
    except (ValueError, binascii.Error, msgspec.MsgspecError) as failure:
        raise CallerError("This cursor is not one of ours; start again without one.") from failure
