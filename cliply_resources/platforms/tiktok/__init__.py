"""TikTok: direct posts by the Content Posting API, import by the Display API."""

from cliply_resources.platforms.tiktok.adapter import TikTok, adapter

__all__ = ["TikTok", "adapter"]
