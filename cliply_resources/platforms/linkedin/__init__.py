"""LinkedIn: video posts of members and organisations by the versioned REST interface."""

from cliply_resources.platforms.linkedin.adapter import LinkedIn, adapter

__all__ = ["LinkedIn", "adapter"]
