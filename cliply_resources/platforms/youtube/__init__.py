"""YouTube: resumable uploads of our own, everything else through Google's client library."""

from cliply_resources.platforms.youtube.adapter import YouTube, adapter

__all__ = ["YouTube", "adapter"]
