"""Rows of `clips` and `renders`: which moments were kept, and which versions of them exist."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from cliply_resources.database import Database
from cliply_resources.database.models import Clip, Render
from cliply_resources.database.reviews import ClipComment
from cliply_resources.documents import BrandKit, Candidate
from cliply_resources.errors import NotFound

__all__ = ["ClipRecords", "MadeElsewhere", "RenderVersion", "clip_id"]


class RenderVersion(NamedTuple):
    """One version of a clip in one aspect ratio; `objects` maps kinds of file to object keys once it is ready."""

    id: UUID
    version: int
    objects: Mapping[str, str] | None
    sha256: str | None


class MadeElsewhere(NamedTuple):
    """The files of a finished render by kind, the video's digest, its length in seconds, and what was done to its sound."""

    objects: Mapping[str, str]
    sha256: str
    duration: float
    sound: Mapping[str, Any]


WRITTEN_DOWN = ("start_s", "end_s", "score", "subscores", "title", "description", "hashtags", "hook", "reasons")
"""What the files of a clip repeat of its candidate."""

_THE_SAME = 0.5  # share of the shorter of two clips, above which they show the same moment

UNTOUCHED = (Clip.state == "proposed", Clip.edited_at.is_(None))
"""A clip that no person has decided on or changed."""


def clip_id(upload_id: UUID, start: float, end: float) -> UUID:
    """The same moment of the same upload is the same clip, however often it is proposed."""
    return uuid5(upload_id, f"{start:.3f}-{end:.3f}")


class ClipRecords:
    """Reads and writes clips and their renders, each call in a transaction of its own."""

    def __init__(self, database: Database, workspace_id: UUID) -> None:
        self._database = database
        self.workspace_id = workspace_id

    def keep(self, upload_id: UUID, candidates: Sequence[Candidate]) -> list[UUID]:
        """Makes clips of the candidates, best first, and returns their ids.

        Proposals that are no longer made go; what people decided, edited or spoke about stays, and what they deleted stays away.
        Nor is such a moment proposed beside itself because a later analysis begins it a little earlier or ends it a little later.
        """
        with self._database.pipeline(self.workspace_id) as session:
            candidates = self._new_or_the_same(session, upload_id, candidates)
            ids = [clip_id(upload_id, candidate.start, candidate.end) for candidate in candidates]
            of_clip = (ClipComment.workspace_id == Clip.workspace_id, ClipComment.clip_id == Clip.id)
            session.execute(
                sa.delete(Clip).where(
                    Clip.workspace_id == self.workspace_id,
                    Clip.upload_id == upload_id,
                    *UNTOUCHED,
                    Clip.deleted_at.is_(None),
                    Clip.id.not_in(ids),
                    ~sa.exists().where(*of_clip),
                )
            )
            for rank, (identity, candidate) in enumerate(zip(ids, candidates, strict=True), start=1):
                self._upsert(session, upload_id, identity, rank, candidate)
            deleted = sa.select(Clip.id).where(
                Clip.workspace_id == self.workspace_id, Clip.id.in_(ids), Clip.deleted_at.is_not(None)
            )
            gone = set(session.scalars(deleted))
        return [identity for identity in ids if identity not in gone]

    def _new_or_the_same(
        self, session: Session, upload_id: UUID, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """Without those that share more than half of the shorter one with another clip that people have dealt with."""
        of_clip = (ClipComment.workspace_id == Clip.workspace_id, ClipComment.clip_id == Clip.id)
        dealt_with = sa.or_(~sa.and_(*UNTOUCHED), Clip.deleted_at.is_not(None), sa.exists().where(*of_clip))
        known = session.execute(
            sa.select(Clip.id, Clip.start_s, Clip.end_s).where(
                Clip.workspace_id == self.workspace_id, Clip.upload_id == upload_id, dealt_with
            )
        ).all()
        same = {row[0] for row in known}

        def retold(one: Candidate) -> bool:
            return any(
                min(one.end, end) - max(one.start, start) > _THE_SAME * min(one.end - one.start, end - start)
                for _, start, end in known
            )

        return [one for one in candidates if clip_id(upload_id, one.start, one.end) in same or not retold(one)]

    def _upsert(self, session: Session, upload_id: UUID, identity: UUID, rank: int, candidate: Candidate) -> None:
        facts = {
            "rank": rank,
            "score": candidate.score,
            "subscores": dict(candidate.subscores),
            "title": candidate.title,
            "description": candidate.description,
            "hashtags": list(candidate.hashtags),
            "hook": candidate.hook,
            "reasons": list(candidate.reasons),
        }
        row = {
            "workspace_id": self.workspace_id,
            "id": identity,
            "upload_id": upload_id,
            "start_s": candidate.start,
            "end_s": candidate.end,
            **facts,
        }
        statement = insert(Clip).values(row)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["workspace_id", "id"], set_=facts, where=sa.and_(*UNTOUCHED)
            )
        )

    def clip(self, identity: UUID) -> Clip:
        """The clip's row.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        with self._database.pipeline(self.workspace_id) as session:
            row = session.get(Clip, (self.workspace_id, identity))
            if row is None:
                raise NotFound(f"There is no clip {identity}; it may have been deleted.")
            session.expunge(row)
            return row

    def begin_render(
        self,
        clip: UUID,
        *,
        aspect: str,
        style: str,
        spec_digest: str,
        brand: BrandKit | None = None,
        options: Mapping[str, object] | None = None,
    ) -> RenderVersion:
        """The version with exactly this spec: a ready one as it is, otherwise a new or unfinished one to be made."""
        same_spec = (
            Render.workspace_id == self.workspace_id,
            Render.clip_id == clip,
            Render.spec_digest == spec_digest,
        )
        newest = sa.select(sa.func.coalesce(sa.func.max(Render.version), 0) + 1).where(
            Render.workspace_id == self.workspace_id, Render.clip_id == clip, Render.aspect == aspect
        )
        with self._database.pipeline(self.workspace_id) as session:
            # Two that render the same clip at once must not count to the same version.
            session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"renders:{clip}", 0))))
            row = session.scalars(sa.select(Render).where(*same_spec)).first()
            if row is None:
                row = Render(
                    workspace_id=self.workspace_id,
                    clip_id=clip,
                    version=session.execute(newest).scalar_one(),
                    aspect=aspect,
                    style=style,
                    spec_digest=spec_digest,
                    state="running",
                    brand=msgspec.to_builtins(brand) if brand is not None else None,
                    options=dict(options or {}),
                )
                session.add(row)
            elif row.state != "ready":
                row.state, row.reason = "running", None
            session.flush()
            objects = dict(row.objects) if row.state == "ready" and row.objects else None
            return RenderVersion(row.id, row.version, objects, row.sha256)

    def same_made_elsewhere(self, clip: UUID, *, spec_digest: str) -> "MadeElsewhere | None":
        """A ready render of the same spec for another upload's clip, of which everything that is written down is the same.

        So all its files are the very ones that this clip would get.
        """
        mine, theirs = aliased(Clip), aliased(Clip)
        query = (
            sa.select(Render.objects, Render.sha256, Render.duration, Render.sound)
            .join(theirs, sa.and_(theirs.workspace_id == Render.workspace_id, theirs.id == Render.clip_id))
            .join(mine, sa.and_(mine.workspace_id == Render.workspace_id, mine.id == clip))
            .where(
                Render.workspace_id == self.workspace_id,
                Render.spec_digest == spec_digest,
                Render.state == "ready",
                Render.clip_id != clip,
                # Their files may repeat what was there before somebody edited it.
                mine.edited_at.is_(None),
                theirs.edited_at.is_(None),
                *(getattr(mine, name) == getattr(theirs, name) for name in WRITTEN_DOWN),
            )
            .limit(1)
        )
        with self._database.pipeline(self.workspace_id) as session:
            row = session.execute(query).first()
            if row is None or row.sha256 is None or row.duration is None:
                return None
            return MadeElsewhere(dict(row.objects), row.sha256, row.duration, dict(row.sound))

    def finish_render(
        self,
        render: UUID,
        *,
        objects: Mapping[str, str],
        sha256: str,
        duration: float,
        sound: Mapping[str, Any] | None = None,
    ) -> None:
        """The version is ready; `sound` is what was done to its sound."""
        made = {"objects": dict(objects), "sha256": sha256, "duration": duration, "sound": dict(sound or {})}
        self._end(render, state="ready", reason=None, **made)

    def fail_render(self, render: UUID, reason: str) -> None:
        """The version could not be made."""
        self._end(render, state="failed", reason=reason)

    def _end(self, render: UUID, **values: object) -> None:
        with self._database.pipeline(self.workspace_id) as session:
            session.execute(
                sa.update(Render)
                .where(Render.workspace_id == self.workspace_id, Render.id == render)
                .values(ended_at=datetime.now(UTC), **values)
            )
