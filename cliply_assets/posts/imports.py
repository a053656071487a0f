"""Finds an account's own earlier posts, newest first, as sources for posting them elsewhere.

A look goes page by page until it meets a post that is known. The first look at an account goes on where the last one stopped, until all
of its posts, or the newest `MOST_POSTS`, are there. What Cliply published itself is left out.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cliply_assets.posts.reading import PutOff, Reader
from cliply_resources.database import AccountReading, Database, ImportedPost, PostRow
from cliply_resources.platforms.contract import Call, Platform
from cliply_resources.platforms.documents import RecentPage, RecentPost
from cliply_resources.platforms.outcomes import NotSupported
from cliply_resources.posts.reading import next_import_after

__all__ = ["accounts_to_import", "import_account", "import_due"]

PAGE = 50
PAGES_A_LOOK = 4
MOST_POSTS = 500
"""Of one account's past."""
SOON = timedelta(seconds=60)
"""After a look that stopped in the middle of the past."""
LONGEST_AFTER_FAILURE = timedelta(hours=24)
SAME_MOMENT = timedelta(minutes=15)
"""A post of the same words so near to one that Cliply sent, and whose id it does not know yet, is that one."""
NEWEST = 20
"""Posts that tell how often an account posts."""


def accounts_to_import(database: Database, moment: datetime, at_most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and account ids whose own posts are to be looked at by then."""
    with database.across() as session:
        found = session.execute(
            sa.text("SELECT * FROM app.accounts_to_import(:moment, :most)"), {"moment": moment, "most": at_most}
        )
        return [(row[0], row[1]) for row in found]


def import_due(reader: Reader, *, at_most: int = 200) -> dict[str, str]:
    """Looks at so many accounts whose turn it is; account ids to what came of it."""
    said: dict[str, str] = {}
    for workspace_id, account_id in accounts_to_import(reader.database, reader.clock(), at_most):
        try:
            said[str(account_id)] = f"{import_account(reader, workspace_id, account_id)} new posts"
        except PutOff as error:
            said[str(account_id)] = str(error)
    return said


def import_account(reader: Reader, workspace_id: UUID, account_id: UUID) -> int:
    """One look at the account's own posts; returns how many were new.

    Raises:
        PutOff: the platform did not answer, and the account says when it is looked at instead.
    """
    with reader.database.pipeline(workspace_id) as session:
        reading = session.get_one(AccountReading, (workspace_id, account_id))
        cursor, going_on = reading.import_cursor, reading.import_cursor is not None
    new, following = 0, cursor
    try:
        for _ in range(PAGES_A_LOOK):
            page = reader.ask(workspace_id, account_id, _Page(following))
            stored, met_known, in_all = _store(reader, workspace_id, account_id, page, going_on=going_on)
            new += stored
            following = page.cursor
            if met_known or following is None or in_all >= MOST_POSTS:
                following = None
                break
    except PutOff as error:
        _put_off(reader, workspace_id, account_id, error)
        raise
    _looked(reader, workspace_id, account_id, new=new, cursor=following)
    return new


class _Page(msgspec.Struct, frozen=True):
    """The question for one page."""

    cursor: str | None

    def __call__(self, platform: Platform, call: Call) -> RecentPage:
        if not platform.capabilities.can_list:
            raise NotSupported(f"{platform.title} cannot list an account's posts.")
        return platform.recent(call, cursor=self.cursor, at_most=PAGE)


def _store(
    reader: Reader, workspace_id: UUID, account_id: UUID, page: RecentPage, *, going_on: bool
) -> tuple[int, bool, int]:
    """How many of the page were new, whether the look is at its end, and how many posts of the account there are now.

    A cursor that counts positions shows the last ones again when something new was posted meanwhile, so a look that goes on is
    only over at a page of which everything is known.
    """
    with reader.database.pipeline(workspace_id) as session:
        ids = [post.remote_id for post in page.posts]
        ours = _ours(session, account_id, page.posts)
        before = set(
            session.scalars(
                sa.select(ImportedPost.remote_id).where(
                    ImportedPost.account_id == account_id, ImportedPost.remote_id.in_(ids)
                )
            )
        )
        new = [post for post in page.posts if post.remote_id not in ours | before]
        if new:
            platform = session.scalars(
                sa.text("SELECT platform FROM accounts WHERE id = :id"), {"id": account_id}
            ).one()
            rows = [_row(account_id, platform, post) for post in new]
            session.execute(insert(ImportedPost).values(rows).on_conflict_do_nothing())
        _forget_ours(session, account_id)
        count = sa.select(sa.func.count()).select_from(ImportedPost).where(ImportedPost.account_id == account_id)
        in_all = session.scalars(count).one()
    known = len(before)
    over = known == len(ids) - len(ours) and known > 0 if going_on else known > 0
    return len(new), over, in_all


def _ours(session: Session, account_id: UUID, posts: Sequence[RecentPost]) -> set[str]:
    """Those that Cliply published: by their id, or by words and time where the platform has not told the id yet."""
    mine = sa.select(PostRow.remote_id).where(
        PostRow.account_id == account_id, PostRow.remote_id.in_([post.remote_id for post in posts])
    )
    found = {remote_id for remote_id in session.scalars(mine) if remote_id is not None}
    unnamed = sa.select(PostRow.content, PostRow.committed_at).where(
        PostRow.account_id == account_id, PostRow.remote_id.is_(None), PostRow.committed_at.is_not(None)
    )
    sent = [(content, at) for content, at in session.execute(unnamed) if at is not None]
    for post in posts:
        words = {text for text in (post.caption.strip(), post.title.strip()) if text}
        for content, at in sent:
            near = abs(post.published_at - at) < SAME_MOMENT
            if near and (words & {str(content.get(name, "")).strip() for name in ("caption", "title")} or not words):
                found.add(post.remote_id)
    return found


def _forget_ours(session: Session, account_id: UUID) -> None:
    """What was found before its id was known to be ours goes."""
    ours = sa.select(PostRow.remote_id).where(PostRow.account_id == account_id, PostRow.remote_id.is_not(None))
    session.execute(
        sa.delete(ImportedPost).where(ImportedPost.account_id == account_id, ImportedPost.remote_id.in_(ours))
    )


def _row(account_id: UUID, platform: str, post: RecentPost) -> dict[str, object]:
    told = post.metrics
    return {
        "account_id": account_id,
        "platform": platform,
        **{
            name: getattr(post, name)
            for name in (
                "remote_id",
                "published_at",
                "title",
                "caption",
                "url",
                "duration",
                "width",
                "height",
                "cover_url",
            )
        },
        **{name: getattr(told, name) if told else None for name in ("views", "likes", "comments", "shares")},
    }


def _looked(reader: Reader, workspace_id: UUID, account_id: UUID, *, new: int, cursor: str | None) -> None:
    now = reader.clock()
    with reader.database.pipeline(workspace_id) as session:
        row = session.get_one(AccountReading, (workspace_id, account_id), with_for_update=True)
        newest = session.scalars(
            sa.select(ImportedPost.published_at)
            .where(ImportedPost.account_id == account_id)
            .order_by(ImportedPost.published_at.desc())
            .limit(NEWEST)
        ).all()
        row.import_quiet = 0 if new else row.import_quiet + 1
        row.import_cursor, row.imported_at = cursor, now
        row.import_failures, row.import_reason = 0, None
        if row.import_next_at is None:
            return  # switched off meanwhile
        chosen = float(row.import_seconds) if row.import_seconds is not None else None
        later = timedelta(seconds=next_import_after(newest, quiet=row.import_quiet, chosen=chosen))
        row.import_next_at = now + (SOON if cursor is not None else later)


def _put_off(reader: Reader, workspace_id: UUID, account_id: UUID, error: PutOff) -> None:
    with reader.database.pipeline(workspace_id) as session:
        row = session.get_one(AccountReading, (workspace_id, account_id), with_for_update=True)
        row.import_reason, row.import_failures = str(error), row.import_failures + 1
        # A cursor that the platform no longer takes would be refused for ever.
        row.import_cursor = None if row.import_failures > 1 else row.import_cursor
        if error.for_good:
            row.import_next_at = None
        elif row.import_next_at is not None:
            wait = min((error.until - reader.clock()) * 2 ** min(row.import_failures - 1, 6), LONGEST_AFTER_FAILURE)
            row.import_next_at = max(error.until, reader.clock() + wait)
