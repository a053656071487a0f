"""Everything that is sealed, looked through row by row: under which key, and wrapped anew under the newest."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa

from cliply_resources.accounts import tokens_place
from cliply_resources.database import AccountRow, Database, FeedSubscription, PostRow
from cliply_resources.errors import Conflict
from cliply_resources.posts.places import feed_place, progress_place
from cliply_resources.vault import Vault, key_of
from cliply_resources.webhooks.sealing import keys_of, rewrap_secrets

__all__ = ["keys_in_use", "retire_key", "rotate_keys"]

PAGE = 500
FIRST = UUID(int=0)
ACCOUNTS = sa.text("SELECT * FROM app.accounts_after(:last, :page)")
FEEDS = sa.text("SELECT * FROM app.feed_subscriptions_after(:last, :page)")
POSTS = sa.text("SELECT * FROM app.posts_in_progress_after(:last, :page)")


def rotate_keys(database: Database, vault: Vault) -> tuple[str, int]:
    """Seals under a new key from now on, and wraps everything anew; the new key's name, and how many secrets that were.

    Nobody has to stop: running processes read the ring again as soon as it changes. Interrupted, it is simply run again.
    """
    name = vault.add_key()
    return name, wrap_anew(database, vault)


def wrap_anew(database: Database, vault: Vault) -> int:
    """Wraps what is under older keys under the newest; how many secrets that were."""
    changed = 0
    for workspace_id, account_id in _pages(database, ACCOUNTS):
        with database.pipeline(workspace_id) as session:
            row = session.get(AccountRow, (workspace_id, account_id), with_for_update=True)
            if row is not None and row.tokens is not None:
                again = vault.rewrap(row.tokens, tokens_place(workspace_id, account_id))
                row.tokens = again or row.tokens
                changed += again is not None
    for workspace_id, post_id in _pages(database, POSTS):
        with database.pipeline(workspace_id) as session:
            post = session.get(PostRow, (workspace_id, post_id), with_for_update=True)
            if post is not None and post.progress is not None:
                again = vault.rewrap(post.progress, progress_place(workspace_id, post_id))
                post.progress = again or post.progress
                changed += again is not None
    for workspace_id, feed_id in _pages(database, FEEDS):
        with database.pipeline(workspace_id) as session:
            feed = session.get(FeedSubscription, (workspace_id, feed_id), with_for_update=True)
            if feed is not None:
                again = vault.rewrap(feed.secret, feed_place(workspace_id, feed_id))
                feed.secret = again or feed.secret
                changed += again is not None
    return changed + rewrap_secrets(database, vault)


def keys_in_use(database: Database) -> Counter[str]:
    """How many secrets are sealed under each key."""
    used: Counter[str] = Counter()
    for workspace_id, account_id in _pages(database, ACCOUNTS):
        with database.pipeline(workspace_id) as session:
            sealed = session.scalars(sa.select(AccountRow.tokens).where(AccountRow.id == account_id)).one_or_none()
            used.update([key_of(sealed)] if sealed else [])
    for workspace_id, post_id in _pages(database, POSTS):
        with database.pipeline(workspace_id) as session:
            sealed = session.scalars(sa.select(PostRow.progress).where(PostRow.id == post_id)).one_or_none()
            used.update([key_of(sealed)] if sealed else [])
    for workspace_id, feed_id in _pages(database, FEEDS):
        with database.pipeline(workspace_id) as session:
            wanted = sa.select(FeedSubscription.secret).where(FeedSubscription.id == feed_id)
            sealed = session.scalars(wanted).one_or_none()
            used.update([key_of(sealed)] if sealed else [])
    used.update(keys_of(database))
    return used


def retire_key(database: Database, vault: Vault, name: str) -> None:
    """Takes a key off the ring that nothing is sealed under any more.

    Raises:
        NotFound: the ring has no such key.
        Conflict: it seals, or something is still sealed under it.
    """
    used = keys_in_use(database)[name]
    if used:
        raise Conflict(f"{used} secrets are sealed under {name}; run `cliply keys rotate` first.")
    vault.drop_key(name)


def _pages(database: Database, function: sa.TextClause) -> Iterator[tuple[UUID, UUID]]:
    last = FIRST
    while True:
        with database.across() as session:
            found = session.execute(function, {"last": last, "page": PAGE}).all()
        for workspace_id, row_id in found:
            yield workspace_id, row_id
            last = row_id
        if len(found) < PAGE:
            return
