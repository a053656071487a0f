"""Which platforms there are, by name. An adapter's module has a function `adapter(settings)`; it is imported when it is first asked for."""

from importlib import import_module

from cliply_resources.errors import NotFound
from cliply_resources.platforms.contract import Platform
from cliply_resources.settings import Settings

__all__ = ["PLATFORM_NAMES", "open_platform"]

_MODULES = {
    "youtube": "cliply_resources.platforms.youtube",
    "x": "cliply_resources.platforms.x",
    "linkedin": "cliply_resources.platforms.linkedin",
    "instagram": "cliply_resources.platforms.instagram",
    "tiktok": "cliply_resources.platforms.tiktok",
    "sandbox": "cliply_resources.platforms.sandbox",
}

PLATFORM_NAMES = tuple(_MODULES)


def open_platform(name: str, settings: Settings) -> Platform:
    """The adapter of this platform, under these settings. It holds nothing that is worth keeping.

    Raises:
        NotFound: there is no such platform.
    """
    if name not in _MODULES:
        raise NotFound(f"There is no platform {name[:40]!r}; there are {', '.join(PLATFORM_NAMES)}.")
    opened: Platform = import_module(_MODULES[name]).adapter(settings)
    return opened
