"""Examples of the clip handlers' bodies, for the OpenAPI document."""

from typing import Any

__all__ = ["BATCH", "CLIP", "COMMENT", "DETAIL", "LINK", "RERENDER", "VERSION", "page"]

CLIP_ID = "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e21"
USER_ID = "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e11"

VERSION: dict[str, Any] = {
    "version": 1,
    "aspect": "9:16",
    "style": "highlight_word",
    "look": None,
    "speaker_colours": None,
    "emoji": False,
    "show_hook": True,
    "brand_kit": {"id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e30", "name": "Acme"},
    "layout": "auto",
    "mask_profanity": False,
    "tighten": "gentle",
    "denoise": "auto",
    "music": None,
    "removed_s": 2.4,
    "removed_words": 3,
    "noise_reduced_db": 0.0,
    "state": "ready",
    "files": ["edl", "fcpxml", "provenance", "srt", "thumbnail", "video", "xml"],
    "duration_s": 31.4,
    "sha256": "9f2c1f7ab0d5a8f6f7c3f4a90e6a3e3d9d5b7a1c2e4f60718293a4b5c6d7e8f9",
    "spec_digest": "4b1f0d2c3e5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "reason": None,
    "created_at": "2026-11-20T10:03:00Z",
    "ended_at": "2026-11-20T10:03:21Z",
}
CLIP: dict[str, Any] = {
    "id": CLIP_ID,
    "upload_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e20",
    "rank": 1,
    "start_s": 612.48,
    "end_s": 643.88,
    "duration_s": 31.4,
    "score": 87.2,
    "title": "Why the first version failed",
    "description": "It was ready too late, and for the wrong people.",
    "hashtags": ["#startup", "#podcast"],
    "state": "proposed",
    "reject_reason": "",
    "created_at": "2026-11-20T10:02:11Z",
    "edited_at": None,
    "decided_at": None,
    "decided_by": None,
    "newest": [VERSION],
}
DETAIL: dict[str, Any] = {
    **CLIP,
    "hook": "We shipped it a year too late",
    "subscores": {"hook": 91.0, "emotion": 74.5},
    "reasons": ["It opens with a question.", "The audience laughs at its end."],
    "provenance": {
        "upload_title": "Episode 41",
        "source_kind": "url",
        "source_url": "https://www.youtube.com/watch?v=aqz-KE-bpKQ",
        "source_sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        "transcript_engine": "whisperx",
        "transcript_quality": "high",
        "ranker": "built-in",
    },
    "versions": [VERSION],
    "comments": 2,
}
LINK: dict[str, Any] = {
    "url": "https://cliply.example/objects/…?expires=1795172400&signature=…",
    "expires_at": "2026-11-20T11:00:00Z",
    "file": "video",
    "filename": "Why-the-first-version-failed-v1-9x16.mp4",
    "version": 1,
    "aspect": "9:16",
}
COMMENT: dict[str, Any] = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e31",
    "clip_id": CLIP_ID,
    "text": "Start a word earlier?",
    "at_s": 0.4,
    "source_s": 612.88,
    "author_id": USER_ID,
    "author_name": "Ada",
    "created_at": "2026-11-20T10:10:00Z",
    "edited_at": None,
}
BATCH: dict[str, Any] = {"clip_ids": [CLIP_ID], "state": "approved"}
RERENDER: dict[str, Any] = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e41",
    "clip_id": CLIP_ID,
    "state": "waiting",
    "aspects": ["1:1"],
    "style": "karaoke",
    "start_s": 611.9,
    "end_s": 643.88,
    "versions": {},
    "reason": None,
    "look": None,
    "speaker_colours": None,
    "emoji": False,
    "show_hook": True,
    "brand_kit": None,
    "layout": "auto",
    "mask_profanity": False,
    "tighten": "gentle",
    "denoise": "auto",
    "music": None,
    "created_at": "2026-11-20T10:12:00Z",
    "ended_at": None,
}


def page(one: dict[str, Any]) -> dict[str, Any]:
    """A list with one entry."""
    return {"data": [one], "total": 1, "page": 1, "pages": 1}
