"""Whether what counts as published can be shown to be: asked of the rows, over all workspaces."""

from uuid import UUID

import dagster as dg
import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import aliased

from cliply_assets.housekeeping.across import every_workspace
from cliply_assets.pipeline import Pipeline
from cliply_resources.database import Database, PostAttempt, PostRow

__all__ = ["Doubts", "doubtful_posts", "published_posts_are_proved"]

SHOWN = 20


class Doubts(msgspec.Struct, frozen=True, kw_only=True):
    """Post ids."""

    nameless: tuple[UUID, ...] = ()
    """Published, and nothing says so: no id, address or handle of the platform's, no person's word, and nobody asks any more."""
    doubled: tuple[UUID, ...] = ()
    """Share the platform's id with another post of the account."""
    without_intent: tuple[UUID, ...] = ()
    """Published by Cliply without a recorded intent, or with more than one that was not refuted."""


def doubtful_posts(database: Database, workspace_id: UUID) -> Doubts:
    """Those of one workspace."""
    attempt = sa.and_(PostAttempt.workspace_id == PostRow.workspace_id, PostAttempt.post_id == PostRow.id)
    person = sa.exists().where(attempt, PostAttempt.kind == "person")
    published = PostRow.state == "published"
    silent = (PostRow.remote_id, PostRow.url, PostRow.handle, PostRow.wake_at)
    nameless = sa.select(PostRow.id).where(published, *(column.is_(None) for column in silent), ~person)
    other = aliased(PostRow)
    same = sa.exists().where(
        other.workspace_id == PostRow.workspace_id,
        other.account_id == PostRow.account_id,
        other.remote_id == PostRow.remote_id,
        other.id != PostRow.id,
    )
    doubled = sa.select(PostRow.id).where(PostRow.remote_id.is_not(None), same)
    intents = (
        sa.select(sa.func.count())
        .select_from(PostAttempt)
        .where(
            attempt,
            PostAttempt.kind == "commit",
            sa.or_(PostAttempt.resolution.is_(None), PostAttempt.resolution == "applied"),
        )
        .scalar_subquery()
    )
    without_intent = sa.select(PostRow.id).where(published, intents != 1, ~person)
    with database.pipeline(workspace_id) as session:
        return Doubts(
            nameless=tuple(session.scalars(nameless)),
            doubled=tuple(session.scalars(doubled)),
            without_intent=tuple(session.scalars(without_intent)),
        )


@dg.asset_check(
    asset="published_posts",
    name="every_published_post_is_proved",
    description=(
        "Every published post has the platform's id, address or handle, or a person's word; exactly one intent; and its id alone.\n\n"
        "Runbook: look at the post's rows in post_attempts, and at the account itself."
    ),
)
def published_posts_are_proved(pipeline: Pipeline) -> dg.AssetCheckResult:
    """Looks at all posts."""
    database = pipeline.database()
    found = [doubtful_posts(database, workspace_id) for workspace_id in every_workspace(database)]
    doubts = {name: [str(post) for each in found for post in getattr(each, name)] for name in Doubts.__struct_fields__}
    return dg.AssetCheckResult(
        passed=not any(doubts.values()),
        severity=dg.AssetCheckSeverity.ERROR,
        description=", ".join(f"{len(posts)} {name.replace('_', ' ')}" for name, posts in doubts.items()),
        metadata={name: posts[:SHOWN] for name, posts in doubts.items()},
    )
