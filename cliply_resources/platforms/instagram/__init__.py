"""Instagram: reels of professional accounts by the Graph API with Instagram Login."""

from cliply_resources.platforms.instagram.adapter import Instagram, adapter

__all__ = ["Instagram", "adapter"]
