"""Examples of the account handlers' bodies, for the OpenAPI document."""

from typing import Any

__all__ = ["ACCOUNT", "BACK", "DEFAULTS", "LIMITS", "NEW_DEFAULTS", "STARTED", "SWITCH"]

ACCOUNT: dict[str, Any] = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e40",
    "platform": "youtube",
    "remote_id": "UCuAXFkgsw1L7xaCfnd5JJOw",
    "name": "Ada's studio",
    "username": "@adasstudio",
    "avatar_url": "https://yt3.ggpht.com/ada=s88",
    "url": "https://www.youtube.com/@adasstudio",
    "kind": "channel",
    "health": "ok",
    "health_reason": None,
    "expires_at": "2026-11-20T11:00:00Z",
    "scopes": ["https://www.googleapis.com/auth/youtube.upload"],
    "parked_until": None,
    "posts_per_day": None,
    "min_gap_seconds": 0,
    "connected_at": "2026-11-20T10:00:00Z",
}
STARTED: dict[str, Any] = {
    "authorize_url": "https://accounts.google.com/o/oauth2/v2/auth?client_id=…&state=…",
    "expires_at": "2026-11-20T10:10:00Z",
}
BACK = "https://cliply.example/api/accounts/callback/youtube?state=AZLwxH4afD6aVQ&code=4-0AX4"
LIMITS: dict[str, Any] = {
    "limits": {
        "visibilities": ["public", "friends", "private"],
        "duration_max": 600.0,
        "comments_disabled": False,
        "duet_disabled": False,
        "stitch_disabled": True,
        "posts_left": 14,
        "resets_at": None,
        "username": "adasstudio",
        "asked_at": "2026-11-20T10:00:00Z",
    },
    "cached": False,
}
NEW_DEFAULTS: dict[str, Any] = {
    "title": "{title}",
    "caption": "{hook}\n\n{description}\n\n{hashtags}",
    "visibility": "public",
}
DEFAULTS: dict[str, Any] = {
    "platform": "youtube",
    **NEW_DEFAULTS,
    "account_ids": [],
    "tolerance_seconds": 3600,
    "gap_seconds": 900,
    "updated_at": "2026-11-20T10:00:00Z",
}
SWITCH: dict[str, Any] = {
    "platform": "tiktok",
    "title": "TikTok",
    "stopped": True,
    "reason": "TikTok's interface is down; posts wait.",
    "off_since": "2026-11-20T10:00:00Z",
}
