"""What stands on the sandbox, newest first, for the page that shows it like a phone."""

import re
from datetime import datetime
from pathlib import Path

import msgspec

from cliply_resources.platforms.documents import Metrics
from cliply_resources.platforms.sandbox import SandboxPost, plausible_metrics

__all__ = ["SandboxEntry", "film_path", "sandbox_feed"]

_SHELF = re.compile(r"[0-9a-f]{16}")
_POST = re.compile(r"sb[0-9a-f]{14}")


class SandboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One post of the page."""

    shelf: str
    """The folder of its account; says nothing about the account."""
    post: SandboxPost
    numbers: Metrics
    """Made up."""


def sandbox_feed(home: Path, now: datetime, *, at_most: int = 60) -> list[SandboxEntry]:
    """The newest posts of all of the sandbox's accounts; one that is being written or deleted is left out."""
    found: list[SandboxEntry] = []
    for place in (home / "sandbox" / "posts").glob("*/*.json"):
        try:
            post = msgspec.json.decode(place.read_bytes(), type=SandboxPost)
        except FileNotFoundError:
            continue
        found.append(SandboxEntry(shelf=place.parent.name, post=post, numbers=plausible_metrics(post, now)))
    found.sort(key=lambda entry: (entry.post.published_at, entry.post.remote_id), reverse=True)
    return found[:at_most]


def film_path(home: Path, shelf: str, remote_id: str) -> Path | None:
    """Where the film of a post lies; `None` where these are no names of the sandbox's, or there is no such film."""
    if not (_SHELF.fullmatch(shelf) and _POST.fullmatch(remote_id)):
        return None
    place = home / "sandbox" / "posts" / shelf / f"{remote_id}.mp4"
    return place if place.is_file() else None
