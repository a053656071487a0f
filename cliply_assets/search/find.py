"""Answers "find the part where…" with passages of a workspace's uploads."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import sqlalchemy as sa

from cliply_assets.search.documents import FRAME, PASSAGE
from cliply_assets.search.fusion import fuse
from cliply_assets.search.index import Hit, SearchIndex, open_index
from cliply_assets.search.upkeep import synchronise
from cliply_resources.database import Database
from cliply_resources.database.models import Upload
from cliply_resources.embedding import open_embedder
from cliply_resources.errors import StepFailed, ToolMissing, TryLater
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage

__all__ = ["Found", "Moment", "find_moments"]

DEPTH = 50
"""Hits of each kind that are ranked together; what lies deeper in every list would not come first in the sum."""
PATIENCE_SECONDS = 5.0
"""So long a search waits for an upload that is just being indexed; then it searches what is there."""

_Key = tuple[UUID, int, float]
"""Upload, passage, and for a picture without speech its time."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A place in an upload."""

    upload: UUID
    title: str
    """The upload's."""
    start: float
    end: float
    text: str
    """What is said there; empty for a picture without speech."""
    speaker: str | None
    score: float
    """Higher is better, comparable within one search: BM25, or the sum of reciprocal ranks where pictures are searched, too."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, best first."""

    words: str
    moments: tuple[Moment, ...]
    ranked_by: str
    """`words` (BM25), or `words and pictures`."""
    note: str = ""
    """A sentence for the user, where there is something to know."""


def find_moments(
    database: Database,
    storage: Storage,
    settings: Settings,
    workspace_id: UUID,
    words: str,
    *,
    upload_id: UUID | None = None,
    limit: int = 10,
) -> Found:
    """The passages that say or show `words`, of one upload or of all that the workspace has.

    What is missing for the full answer is said in `note`.

    Raises:
        TryLater: the database is out of reach.
    """
    notes: list[str] = []
    try:
        done = synchronise(database, storage, settings, workspace_id, wait_seconds=PATIENCE_SECONDS)
    except TryLater as busy:
        notes.append(f"{busy} What follows is as of before.")
    else:
        if done.missing:
            notes.append(f"{len(done.missing)} uploads cannot be searched, as their index is no longer stored.")
    index = open_index(settings, workspace_id)
    indexed = index.documents()
    if not indexed or (upload_id is not None and upload_id not in indexed):
        which = "This upload is not" if indexed else "Nothing is"
        notes.append(f"{which} indexed yet; `cliply clip FILM.mp4` indexes the film that it works on.")
        return Found(words=words, moments=(), ranked_by="words", note=" ".join(notes))
    said = index.by_words(words, upload_id=upload_id, limit=max(limit, DEPTH))
    seen = _by_sight(index, settings, words, upload_id, max(limit, DEPTH), notes)
    moments = _moments(database, workspace_id, index, _ranked(said, seen)[:limit])
    return Found(
        words=words,
        moments=moments,
        ranked_by="words and pictures" if seen else "words",
        note=" ".join(notes),
    )


def _by_sight(
    index: SearchIndex, settings: Settings, words: str, upload_id: UUID | None, limit: int, notes: list[str]
) -> list[list[Hit]]:
    if settings.clip_weights is None or not index.has_vectors() or not words.strip():
        return []
    try:
        embedder = open_embedder(settings)
    except (ToolMissing, StepFailed) as problem:
        notes.append(str(problem))
        return []
    vector = embedder.embed_texts([words])[0]
    found = [
        index.by_vector(vector, embedder.name, kind=kind, upload_id=upload_id, limit=limit) for kind in (PASSAGE, FRAME)
    ]
    return [hits for hits in found if hits]


def _ranked(by_words: Sequence[Hit], by_sight: Sequence[Sequence[Hit]]) -> list[tuple[_Key, Hit, float]]:
    """Passages by their words alone, or all rankings in one; a picture counts for the passage that is heard with it.

    Texts and pictures lie in different parts of CLIP's space, so that their cosines cannot be compared, but their ranks can.
    """
    first: dict[_Key, Hit] = {}
    for hits in (by_words, *by_sight):
        for hit in hits:
            first.setdefault(_key(hit), hit)
    if not by_sight:
        return [(_key(hit), hit, hit.score) for hit in by_words]
    fused = fuse([[_key(hit) for hit in hits] for hits in (by_words, *by_sight)])
    return [(key, first[key], score) for key, score in fused]


def _key(hit: Hit) -> _Key:
    return hit.upload, hit.passage, hit.start if hit.passage < 0 else 0.0


def _moments(
    database: Database, workspace_id: UUID, index: SearchIndex, ranked: Sequence[tuple[_Key, Hit, float]]
) -> tuple[Moment, ...]:
    said = index.passages([(key[0], key[1]) for key, _, _ in ranked if key[1] >= 0])
    wanted = {hit.upload for _, hit, _ in ranked}
    alive = sa.select(Upload.id, Upload.title).where(
        Upload.workspace_id == workspace_id, Upload.id.in_(wanted), Upload.deleted_at.is_(None)
    )
    with database.pipeline(workspace_id) as session:
        titles = {row[0]: row[1] for row in session.execute(alive)}
    moments = []
    for (upload, passage, _), hit, score in ranked:
        if upload not in titles:
            continue
        spoken = said.get((upload, passage))
        moments.append(
            Moment(
                upload=upload,
                title=titles[upload],
                start=spoken.start if spoken else hit.start,
                end=spoken.end if spoken else hit.end,
                text=spoken.text if spoken else "",
                speaker=spoken.speaker if spoken else None,
                score=round(score, 4),
            )
        )
    return tuple(moments)
