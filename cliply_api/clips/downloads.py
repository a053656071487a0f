"""Links to the files of a clip."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_api.clips.schemas import DownloadLink, FileKind
from cliply_api.clips.service import clip_of
from cliply_resources.database import Render, Upload
from cliply_resources.documents.clips import Aspect
from cliply_resources.errors import NotFound
from cliply_resources.storage import Storage

__all__ = ["LINK_SECONDS", "link_to"]

LINK_SECONDS = 3600
"""An hour: long enough for a slow line to begin a large file, short enough for a link that leaks."""

SUFFIXES: dict[str, str] = {
    "video": "mp4",
    "thumbnail": "jpg",
    "srt": "srt",
    "edl": "edl",
    "xml": "xml",
    "fcpxml": "fcpxml",
    "provenance": "json",
}


def link_to(
    session: Session, storage: Storage, clip_id: UUID, *, file: FileKind, version: int | None, aspect: Aspect | None
) -> DownloadLink:
    """A link to one file of a finished version: the newest in the upload's first aspect ratio unless another is named.

    Raises:
        NotFound: there is no such clip, or no finished version of it with that file.
    """
    clip = clip_of(session, clip_id)
    query = sa.select(Render).where(Render.clip_id == clip_id, Render.state == "ready")
    if version is not None:
        query = query.where(Render.version == version)
    if aspect is not None:
        query = query.where(Render.aspect == aspect)
    rows = [row for row in session.scalars(query.order_by(Render.version.desc(), Render.aspect)) if file in row.objects]
    if not rows:
        raise NotFound("There is no finished version of this clip with that file.")
    settings = session.scalars(sa.select(Upload.settings).where(Upload.id == clip.upload_id)).one()
    order = list(settings.get("aspects") or [])
    # Sorting keeps the order of versions among those of the same aspect ratio.
    chosen = min(rows, key=lambda row: order.index(row.aspect) if row.aspect in order else len(order))
    name = f"{_readable(clip.title)}-v{chosen.version}-{chosen.aspect.replace(':', 'x')}.{SUFFIXES[file]}"
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LINK_SECONDS)
    return DownloadLink(
        url=storage.signed_download_url(str(chosen.objects[file]), expires_seconds=LINK_SECONDS, filename=name),
        expires_at=expires,
        file=file,
        filename=name,
        version=chosen.version,
        aspect=chosen.aspect,
    )


def _readable(title: str) -> str:
    """A file name that people recognise and every file system takes."""
    return re.sub(r"[\W_]+", "-", title).strip("-")[:60].strip("-") or "clip"
