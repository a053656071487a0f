"""The finished file of a clip that a post publishes, and what is known about it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.clips.service import clips_of
from cliply_resources.database import Clip, Render, Upload
from cliply_resources.documents.clips import ASPECTS
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.platforms.documents import VideoFacts
from cliply_resources.storage import Storage

__all__ = ["Film", "films_of"]


class _Quality(msgspec.Struct):
    size_bytes: int
    width: int
    height: int
    frame_rate: str = "30"
    video_codec: str = "h264"
    audio_codec: str | None = None


class _Account(msgspec.Struct):
    """What is read of a clip's `clip.json`."""

    quality: _Quality
    candidate: dict[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class Film:
    """A clip and its file."""

    clip: Clip
    object_key: str
    facts: VideoFacts
    hook: str


def films_of(
    session: Session, storage: Storage, clip_ids: list[UUID], *, aspect: str | None, version: int | None
) -> dict[UUID, Film]:
    """The newest finished file of each clip, in the upload's first aspect ratio unless another is named.

    Raises:
        NotFound: a clip, or a finished version of it, does not exist.
        Conflict: a clip was rejected.
    """
    clips = {clip.id: clip for clip in clips_of(session, clip_ids)}
    for clip in clips.values():
        if clip.state == "rejected":
            raise Conflict(f"“{clip.title}” was rejected; approve it before it is published.")
    query = sa.select(Render, Upload.settings).join(Clip, Clip.id == Render.clip_id)
    query = query.join(Upload, Upload.id == Clip.upload_id)
    query = query.where(Render.clip_id.in_(clips), Render.state == "ready")
    if version is not None:
        query = query.where(Render.version == version)
    if aspect is not None:
        query = query.where(Render.aspect == aspect)
    best: dict[UUID, tuple[int, Render]] = {}
    for row, settings in session.execute(query.order_by(Render.version.desc(), Render.aspect)):
        order = list((settings or {}).get("aspects") or [])
        place = order.index(row.aspect) if row.aspect in order else len(order)
        if "video" in row.objects and (row.clip_id not in best or place < best[row.clip_id][0]):
            best[row.clip_id] = (place, row)
    lacking = next((clip for clip in clips.values() if clip.id not in best), None)
    if lacking is not None:
        raise NotFound(f"There is no such finished version of “{lacking.title}”.")
    return {clip_id: _film(storage, clip, best[clip_id][1]) for clip_id, clip in clips.items()}


def _film(storage: Storage, clip: Clip, row: Render) -> Film:
    key = str(row.objects["video"])
    told = _told(storage, row)
    width, height = ASPECTS.get(row.aspect, (1080, 1920))
    quality = told.quality if told else _Quality(size_bytes=storage.size(key), width=width, height=height)
    return Film(
        clip=clip,
        object_key=key,
        # Clips that are older than the column have it in their account alone.
        hook=clip.hook or (str(told.candidate.get("hook") or "") if told else ""),
        facts=VideoFacts(
            size=quality.size_bytes,
            sha256=row.sha256 or "",
            duration=row.duration or 0.0,
            width=quality.width,
            height=quality.height,
            fps=_rate(quality.frame_rate),
            video_codec=quality.video_codec,
            audio_codec=quality.audio_codec if told else "aac",
        ),
    )


def _told(storage: Storage, row: Render) -> _Account | None:
    """What was measured when it was made; nothing of files that were made before that was kept."""
    if "provenance" not in row.objects:
        return None
    try:
        return msgspec.json.decode(storage.get_bytes(str(row.objects["provenance"])), type=_Account)
    except (NotFound, msgspec.DecodeError):
        return None


def _rate(text: str) -> float:
    over, _, under = text.partition("/")
    try:
        return float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError):
        return 30.0
