"""X: posts with a video by the v2 interface. Wire: `adapter`; how it counts text: `text`."""

from cliply_resources.platforms.x.adapter import X, adapter

__all__ = ["X", "adapter"]
