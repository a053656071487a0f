"""Names of stored objects: the workspace first, ids only, never a user's text."""

import re
from datetime import date
from uuid import UUID

from cliply_resources.errors import CallerError

__all__ = [
    "analysis_key",
    "brand_key",
    "check_key",
    "check_prefix",
    "clip_key",
    "incoming_key",
    "metrics_key",
    "source_key",
    "workspace_prefix",
]

MAX_KEY_LENGTH = 512
"""Characters; S3 allows 1024 bytes, and a bucket prefix comes on top."""

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# A segment never begins with a dot: that rules out "." and "..", and keeps the store's own hidden folders out of reach.
_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
_KEY = re.compile(rf"{_UUID}(?:/{_SEGMENT})+")
_PREFIX = re.compile(rf"{_UUID}(?:/{_SEGMENT})*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


def source_key(workspace: UUID | str, upload: UUID | str, suffix: str) -> str:
    """Where an upload's source lies; `suffix` is lower case and begins with its dot (`.mp4`)."""
    if not _SUFFIX.fullmatch(suffix):
        raise CallerError(
            f"{suffix!r} is not a file suffix; it must be a dot and at most 8 lower-case letters or digits."
        )
    return check_key(f"{_workspace(workspace)}/uploads/{_id(upload)}/source{suffix}")


def incoming_key(workspace: UUID | str, upload: UUID | str, suffix: str) -> str:
    """Where a signed link puts an upload's bytes; what was looked at is copied away, so that the link cannot change it."""
    source = source_key(workspace, upload, suffix)
    return check_key(f"{source.rpartition('/')[0]}/incoming{suffix}")


def analysis_key(workspace: UUID | str, upload: UUID | str, name: str) -> str:
    """Where something derived from an upload lies (`transcript.json`)."""
    return check_key(f"{_workspace(workspace)}/analysis/{_id(upload)}/{name}")


def clip_key(workspace: UUID | str, clip: UUID | str, version: int, name: str) -> str:
    """Where one file of one version of a clip lies (`clip.mp4`); versions count from 1."""
    if version < 1:
        raise CallerError(f"{version} is not a clip version; versions count from 1.")
    return check_key(f"{_workspace(workspace)}/clips/{_id(clip)}/v{version}/{name}")


def brand_key(workspace: UUID | str, kit: UUID | str, name: str) -> str:
    """Where a file of a brand kit lies; `name` is its sha256 and suffix, or that of what a signed link puts there first."""
    return check_key(f"{_workspace(workspace)}/brands/{_id(kit)}/{name}")


def metrics_key(workspace: UUID | str, day: date) -> str:
    """Where the table of one day's snapshots of posts lies."""
    return check_key(f"{_workspace(workspace)}/metrics/{day.isoformat()}.parquet")


def workspace_prefix(workspace: UUID | str) -> str:
    """The prefix under which everything of a workspace lies."""
    return _workspace(workspace)


def check_key(key: str) -> str:
    """Returns `key` if it names an object inside a workspace; no accepted key can leave the store's root."""
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise CallerError(f"{key[:MAX_KEY_LENGTH]!r} is not the key of a stored object.")
    return key


def check_prefix(prefix: str) -> str:
    """Returns `prefix` if it names a workspace or a folder inside one; it has no slash at its end."""
    if len(prefix) > MAX_KEY_LENGTH or not _PREFIX.fullmatch(prefix):
        raise CallerError(f"{prefix[:MAX_KEY_LENGTH]!r} is not a folder of stored objects.")
    return prefix


def _workspace(workspace: UUID | str) -> str:
    try:
        return str(workspace if isinstance(workspace, UUID) else UUID(workspace))
    except ValueError as error:
        raise CallerError(f"{workspace!r} is not the id of a workspace; it must be a UUID.") from error


def _id(value: UUID | str) -> str:
    text = str(value)
    if not _ID.fullmatch(text):
        raise CallerError(f"{text[:80]!r} is not an id; it must be at most 64 letters, digits, dashes or underscores.")
    return text
