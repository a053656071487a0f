"""Rows of `render_wishes`: who may fulfil one, and what came of it.

    open ─► claimed (a run was asked for) ─► running ─► done | failed

A claim that is not followed up by its deadline is lost and may be taken again, under the next attempt's number; only the newest
attempt counts, so that a run which was merely late does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from cliply_resources.database import Clip, Database, RenderWish
from cliply_resources.documents import Candidate, Span

__all__ = ["ClaimedWish", "WishFacts", "WishRecords", "as_candidate", "wishes_to_start"]

QUEUED = timedelta(hours=1)
"""How long a run may wait for its turn before it counts as lost."""
MOST_ATTEMPTS = 5
"""What cost so many runs their lives would cost the next one its life, too."""


@dataclass(frozen=True, kw_only=True)
class ClaimedWish:
    """A wish that a run is to be started for."""

    workspace_id: UUID
    upload_id: UUID
    wish_id: UUID
    attempt: int
    request_id: str | None = None
    """The web request that asked for it."""


@dataclass(frozen=True, kw_only=True)
class WishFacts:
    """What is to be rendered: the clip as people want it."""

    wish_id: UUID
    clip_id: UUID
    aspects: tuple[str, ...]
    style: str
    candidate: Candidate
    options: Mapping[str, Any]
    """What else was chosen, as a document of `ClipOptions`."""
    brand: Mapping[str, Any] | None
    """The brand kit as it was when somebody asked, as a document."""


def wishes_to_start(database: Database, most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and wish ids that no run is at work on, the oldest first, over all workspaces."""
    with database.across() as session:
        rows = session.execute(sa.text("SELECT * FROM app.render_wishes_to_start(:most)"), {"most": most}).all()
    return [(row[0], row[1]) for row in rows]


def as_candidate(row: Clip, span: Span) -> Candidate:
    """The clip as it is to be rendered: what was found in it, with the words and the span that people want."""
    return Candidate(
        start=span.start,
        end=span.end,
        score=row.score,
        subscores={name: float(value) for name, value in row.subscores.items()},
        title=row.title,
        description=row.description,
        hashtags=tuple(row.hashtags),
        hook=row.hook,
        reasons=tuple(row.reasons),
    )


class WishRecords:
    """Reads and writes the wishes of a workspace, each call in a transaction of its own."""

    def __init__(self, database: Database, workspace_id: UUID) -> None:
        self._database = database
        self.workspace_id = workspace_id

    def claim(self, wish_id: UUID) -> ClaimedWish | None:
        """Takes the wish for a new run; nothing where another was quicker, or where it has failed too often."""
        with self._database.pipeline(self.workspace_id) as session:
            row = session.scalars(self._mine(wish_id).with_for_update()).one_or_none()
            now = session.execute(sa.select(sa.func.now())).scalar_one()
            lost = row is not None and row.deadline_at is not None and row.deadline_at < now
            if row is None or not (row.state == "open" or (row.state in {"claimed", "running"} and lost)):
                return None
            if row.attempt >= MOST_ATTEMPTS:
                row.state, row.ended_at = "failed", now
                row.reason = (
                    f"The rendering was cut off {row.attempt} times. Ask for it again; the log says what ended it."
                )
                return None
            row.state, row.attempt, row.deadline_at = "claimed", row.attempt + 1, now + QUEUED
            of_clip = sa.select(Clip.upload_id).where(Clip.workspace_id == self.workspace_id, Clip.id == row.clip_id)
            return ClaimedWish(
                workspace_id=self.workspace_id,
                upload_id=session.scalars(of_clip).one(),
                wish_id=wish_id,
                attempt=row.attempt,
                request_id=row.request_id,
            )

    def begin(self, wish_id: UUID, attempt: int, *, deadline_seconds: float) -> WishFacts | None:
        """What to do; nothing where a newer attempt has taken over, the wish is over, or its clip is gone."""
        with self._database.pipeline(self.workspace_id) as session:
            row = session.scalars(self._mine(wish_id).with_for_update()).one_or_none()
            if row is None or row.attempt != attempt or row.state not in {"claimed", "running"}:
                return None
            clip = session.get_one(Clip, (self.workspace_id, row.clip_id))
            if clip.deleted_at is not None:
                row.state, row.ended_at, row.reason = "failed", sa.func.now(), "The clip was deleted."
                return None
            row.state = "running"
            row.deadline_at = sa.func.now() + timedelta(seconds=deadline_seconds)
            return WishFacts(
                wish_id=wish_id,
                clip_id=row.clip_id,
                aspects=tuple(row.aspects),
                style=row.style,
                candidate=as_candidate(clip, Span(row.start_s, row.end_s)),
                options=row.options,
                brand=row.brand,
            )

    def finish(self, wish_id: UUID, attempt: int, versions: Mapping[str, int]) -> None:
        """The wish is fulfilled by these versions; where it was one for another span, the clip has that span now."""
        with self._database.pipeline(self.workspace_id) as session:
            done = self._end(wish_id, attempt, state="done", versions=dict(versions), reason=None)
            row = session.execute(done.returning(*FULFILLED)).one_or_none()
            if row is not None and row.recut:
                session.execute(
                    sa.update(Clip)
                    .where(Clip.workspace_id == self.workspace_id, Clip.id == row.clip_id)
                    .values(cut_start_s=row.start_s, cut_end_s=row.end_s, edited_at=sa.func.now())
                )

    def fail(self, wish_id: UUID, attempt: int, reason: str) -> None:
        """The wish cannot be fulfilled; `reason` is a sentence for who made it."""
        with self._database.pipeline(self.workspace_id) as session:
            session.execute(self._end(wish_id, attempt, state="failed", reason=reason))

    def _end(self, wish_id: UUID, attempt: int, **values: Any) -> sa.Update:
        return (
            sa.update(RenderWish)
            .where(
                RenderWish.workspace_id == self.workspace_id,
                RenderWish.id == wish_id,
                RenderWish.attempt == attempt,
                RenderWish.state == "running",
            )
            .values(ended_at=sa.func.now(), deadline_at=None, **values)
        )

    def _mine(self, wish_id: UUID) -> sa.Select[RenderWish]:
        return sa.select(RenderWish).where(RenderWish.workspace_id == self.workspace_id, RenderWish.id == wish_id)


FULFILLED = (RenderWish.clip_id, RenderWish.recut, RenderWish.start_s, RenderWish.end_s)
