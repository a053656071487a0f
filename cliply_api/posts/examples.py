"""Examples of the post handlers' bodies, for the OpenAPI document."""

from typing import Any

__all__ = ["BULK", "DETAIL", "NEW", "POST"]

POST_ID = "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e50"
ACCOUNT_ID = "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e40"
CLIP_ID = "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e21"

NEW: dict[str, Any] = {
    "clip_id": CLIP_ID,
    "account_ids": [ACCOUNT_ID],
    "local_time": "2026-11-25T18:30",
    "time_zone": "Europe/Berlin",
    "by_platform": {"x": {"caption": "It was ready too late."}},
}
BULK: dict[str, Any] = {
    "clip_ids": [CLIP_ID],
    "account_ids": [ACCOUNT_ID],
    "due_at": "2026-11-25T17:30:00Z",
    "spacing_seconds": 86400,
}
POST: dict[str, Any] = {
    "id": POST_ID,
    "platform": "youtube",
    "account_id": ACCOUNT_ID,
    "account_name": "Ada's studio",
    "upload_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e20",
    "clip_id": CLIP_ID,
    "content": {
        "title": "Why the first version failed",
        "caption": "It was ready too late, and for the wrong people.\n\n#startup #podcast",
        "tags": [],
        "visibility": "public",
        "cover_at": None,
        "allow_comments": True,
        "allow_duet": True,
        "allow_stitch": True,
        "made_for_kids": False,
        "made_with_ai": False,
        "paid_partnership": False,
        "own_brand": False,
        "options": {},
    },
    "due_at": "2026-11-25T17:30:00Z",
    "local_time": "2026-11-25T18:30:00+01:00",
    "tolerance_seconds": 3600,
    "state": "due",
    "reason": None,
    "code": "",
    "revision": 1,
    "can": ["edit", "cancel"],
    "remote_id": None,
    "url": None,
    "visibility": None,
    "published_at": None,
    "removed_at": None,
    "created_by": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e11",
    "approved_by": None,
    "created_at": "2026-11-20T10:00:00Z",
}
DETAIL: dict[str, Any] = {
    **POST,
    "state": "published",
    "can": ["refresh", "edit_published", "delete_published"],
    "remote_id": "aqz-KE-bpKQ",
    "url": "https://www.youtube.com/watch?v=aqz-KE-bpKQ",
    "visibility": "public",
    "published_at": "2026-11-25T17:30:01Z",
    "attempts": [
        {
            "step": "last_bytes",
            "kind": "commit",
            "outcome": "ok",
            "resolution": "applied",
            "code": "",
            "reason": None,
            "handle": None,
            "sent_bytes": 8123456,
            "started_at": "2026-11-25T17:30:00Z",
            "ended_at": "2026-11-25T17:30:01Z",
        }
    ],
    "candidates": [],
}
