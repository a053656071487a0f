"""`/api/accounts/{id}/import`: an account's own earlier posts, which Cliply finds and offers for posting elsewhere."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk
from cliply_api.accounts.service import account_of
from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.fields import Request, View
from cliply_api.web.pages import Page, PageRequest, count_of
from cliply_resources.database import AccountReading, AccountRow, ImportedPost
from cliply_resources.errors import CallerError

__all__ = ["import_handlers"]

SETTING = {
    "enabled": True,
    "every_seconds": None,
    "next_at": "2026-11-20T16:00:00Z",
    "imported_at": "2026-11-20T10:00:00Z",
    "reason": None,
}
FOUND = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e60",
    "remote_id": "aqz-KE-bpKQ",
    "published_at": "2026-10-01T10:00:00Z",
    "title": "Big Buck Bunny",
    "caption": "",
    "url": "https://www.youtube.com/watch?v=aqz-KE-bpKQ",
    "duration_s": 635.0,
    "width": 1920,
    "height": 1080,
    "cover_url": None,
    "views": 5120,
    "likes": 301,
    "comments": 25,
    "shares": None,
    "upload_id": None,
    "found_at": "2026-11-20T10:00:00Z",
}


class ImportChoice(Request, kw_only=True):
    """Whether, and how often."""

    enabled: bool
    every_seconds: Annotated[int, Meta(ge=900, le=30 * 86_400)] | None = None
    """Between two looks; without one, by how often the account posts (15 min to a day)."""


class ImportView(View, kw_only=True):
    """How an account's own posts are looked at."""

    enabled: bool
    every_seconds: int | None
    next_at: datetime | None
    imported_at: datetime | None
    reason: str | None
    """Why it did not work lately."""


class ImportedPostView(View, kw_only=True):
    """A post of the account's own. Its `url` can be the `source_url` of an upload."""

    id: UUID
    remote_id: str
    published_at: datetime
    title: str
    caption: str
    url: str | None
    duration_s: float | None
    width: int | None
    height: int | None
    cover_url: str | None
    views: int | None
    """As when it was found."""
    likes: int | None
    comments: int | None
    shares: int | None
    upload_id: UUID | None
    """The upload that was made of it."""
    found_at: datetime


@get(
    "/{account_id:uuid}/import",
    guards=[may("account.read")],
    opt={"examples": {200: SETTING}},
    operation_id="GetAccountImport",
    summary="Get how an account's own posts are found",
    sync_to_thread=True,
)
def get_import(session: NamedDependency[Session], account_id: FromPath[UUID]) -> ImportView:
    """Whether they are, how often, and when next."""
    return _view(_reading(session, account_of(session, account_id)))


@put(
    "/{account_id:uuid}/import",
    guards=[may("account.connect")],
    opt={"examples": {"body": {"enabled": True, "every_seconds": 3600}, 200: SETTING | {"every_seconds": 3600}}},
    operation_id="SetAccountImport",
    summary="Choose whether and how often an account's own posts are found",
    sync_to_thread=True,
)
def set_import(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    account_id: FromPath[UUID],
    data: JSONBody[ImportChoice],
) -> ImportView:
    """When it is switched on or asked for more often, the first look is at once."""
    account = account_of(session, account_id)
    platform = desk.platform(account.platform)
    if data.enabled and not platform.capabilities.can_list:
        raise CallerError(f"{platform.title} does not let the posts of an account be listed.")
    row = _reading(session, account)
    row.import_seconds = data.every_seconds
    row.import_next_at = desk.now() if data.enabled else None
    audit(session, principal, facts, "account.import_changed", subject=str(account_id), enabled=data.enabled)
    session.flush()
    return _view(row)


@get(
    "/{account_id:uuid}/imported-posts",
    guards=[may("account.read")],
    opt={"examples": {200: {"data": [FOUND], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListImportedPosts",
    summary="List an account's own earlier posts",
    sync_to_thread=True,
)
def list_imported(
    session: NamedDependency[Session], page: NamedDependency[PageRequest], account_id: FromPath[UUID]
) -> Page[ImportedPostView]:
    """The newest first; what Cliply published itself is not among them."""
    account_of(session, account_id)
    query = sa.select(ImportedPost).where(ImportedPost.account_id == account_id)
    total = count_of(session, query)
    after = page.after(datetime, UUID)
    query = query.order_by(ImportedPost.published_at.desc(), ImportedPost.id.desc()).limit(page.limit)
    if after is None:
        query = query.offset((page.page - 1) * page.limit)
    else:
        query = query.where(sa.tuple_(ImportedPost.published_at, ImportedPost.id) < sa.tuple_(*after))
    rows = session.scalars(query).all()
    return page.page_of_rows(rows, _found, total, lambda row: (row.published_at, row.id))


def _reading(session: Session, account: AccountRow) -> AccountReading:
    """Made with the account."""
    return session.get_one(AccountReading, (account.workspace_id, account.id))


def _view(row: AccountReading) -> ImportView:
    return ImportView(
        enabled=row.import_next_at is not None,
        every_seconds=row.import_seconds,
        next_at=row.import_next_at,
        imported_at=row.imported_at,
        reason=row.import_reason or row.reason,
    )


def _found(row: ImportedPost) -> ImportedPostView:
    return ImportedPostView(
        id=row.id,
        remote_id=row.remote_id,
        published_at=row.published_at,
        title=row.title,
        caption=row.caption,
        url=row.url,
        duration_s=row.duration,
        width=row.width,
        height=row.height,
        cover_url=row.cover_url,
        views=row.views,
        likes=row.likes,
        comments=row.comments,
        shares=row.shares,
        upload_id=row.upload_id,
        found_at=row.found_at,
    )


import_handlers = [get_import, set_import, list_imported]
