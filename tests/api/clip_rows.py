"""Rows of clips as the pipeline leaves them, made without it."""

import itertools
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from cliply_resources.database import Clip, Render, Upload, UploadStep
from cliply_resources.storage import clip_key

FILES = {
    "video": "clip.mp4",
    "thumbnail": "thumbnail.jpg",
    "srt": "clip.srt",
    "edl": "clip.edl",
    "xml": "clip.xml",
    "fcpxml": "clip.fcpxml",
    "provenance": "clip.json",
}
KINDS = tuple(FILES)
_starts = itertools.count(200, 40)


def add_upload(session: Session) -> UUID:
    """An analyzed upload."""
    made = Upload(
        title="Episode 41",
        source_kind="url",
        source_uri="https://example.com/41",
        source_sha256="a" * 64,
        settings={"aspects": ["9:16", "1:1"]},
        settings_digest="d",
    )
    session.add(made)
    session.flush()
    told = {"transcript": {"engine": "whisperx", "quality": "high"}, "clip_candidates": {"ranker": "built-in"}}
    session.add_all(
        UploadStep(upload_id=made.id, step=step, state="completed", summary=summary) for step, summary in told.items()
    )
    session.flush()
    return made.id


def add_clip(session: Session, upload: UUID, **facts: object) -> UUID:
    """A clip of 30 s; the first of an upload starts at second 100."""
    start = float(next(_starts)) if "rank" in facts else 100.0
    made = Clip(
        **{
            "upload_id": upload,
            "rank": 1,
            "start_s": start,
            "end_s": start + 30,
            "score": 80.0,
            "subscores": {"hook": 91.0},
            "title": "Why the first version failed",
            "description": "It was ready too late.",
            "hashtags": ["#startup"],
            "hook": "We shipped a year too late",
            "reasons": ["It opens with a question."],
            **facts,
        }
    )
    session.add(made)
    session.flush()
    return made.id


def add_render(
    session: Session, clip: UUID, *, version: int = 1, aspect: str = "9:16", state: str = "ready"
) -> dict[str, str]:
    """A version of the clip; returns its object keys by kind."""
    of_workspace = session.info["workspace"]
    keys = {
        kind: clip_key(of_workspace, clip, version, f"{aspect.replace(':', 'x')}-{name}")
        for kind, name in FILES.items()
    }
    ready = state == "ready"
    session.add(
        Render(
            clip_id=clip,
            version=version,
            aspect=aspect,
            style="karaoke",
            spec_digest=uuid4().hex,
            state=state,
            objects=keys if ready else {},
            sha256="b" * 64 if ready else None,
            duration=30.0 if ready else None,
            reason=None if ready else "The disk has no room left.",
        )
    )
    session.flush()
    return keys
