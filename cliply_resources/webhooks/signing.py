"""Signatures of webhooks (Standard Webhooks, symmetric scheme `v1`) and the times of their retries. Pure.

webhook-id         stays the same however often a message is sent; receivers remember it to act once
webhook-timestamp  seconds since 1970, of this attempt
webhook-signature  `v1,<base64 of HMAC-SHA256 over "id.timestamp.body">`, one for each secret in force, with blanks between
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence

from cliply_resources.errors import CallerError

__all__ = ["RETRY_SECONDS", "TOLERANCE_SECONDS", "new_signing_secret", "retry_delay", "sign", "verify"]

PREFIX = "whsec_"
SECRET_BYTES = 32
TOLERANCE_SECONDS = 300.0
"""Older (or newer) messages are refused by receivers, so that a recorded one cannot be played again."""

MINUTE, HOUR = 60.0, 3600.0
RETRY_SECONDS = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""After the first failure, the second, …: 75 hours and a half in all, enough for a weekend."""
JITTER = 0.2
"""Part of a delay by which it may be longer, so that what failed together does not come back together."""


def new_signing_secret() -> str:
    """256 random bits as `whsec_<base64>`."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def retry_delay(failures: int, chance: float) -> float | None:
    """Seconds until the next attempt after so many failures; `None` when it is given up. `chance` is from 0 to 1."""
    if failures > len(RETRY_SECONDS):
        return None
    return RETRY_SECONDS[max(failures, 1) - 1] * (1.0 + JITTER * chance)


def sign(body: bytes, keys: Sequence[str], *, message_id: str, timestamp: int) -> dict[str, str]:
    """The three headers; `keys` are all secrets in force, the newest first."""
    signatures = " ".join(_signature(key, message_id, timestamp, body) for key in keys)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def verify(body: bytes, headers: Mapping[str, str], keys: Sequence[str], *, now: float) -> str:
    """The message's id, if one of `keys` has signed these bytes within the last five minutes.

    Raises:
        CallerError: a header is missing, the time is too far off, or no signature fits.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, stamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise CallerError(f"The header {missing.args[0]} is missing.") from missing
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
        raise CallerError("The header webhook-timestamp is not a number of seconds.")
    if abs(now - int(stamp)) > TOLERANCE_SECONDS:
        raise CallerError(f"The message is more than {TOLERANCE_SECONDS:.0f} s old, or comes from the future.")
    offered = [one.encode() for one in signatures.split(" ")]
    wanted = [_signature(key, message_id, int(stamp), body).encode() for key in keys]
    # All pairs are compared, so that the time taken says nothing.
    if not any([hmac.compare_digest(one, other) for one in offered for other in wanted]):
        raise CallerError("No signature fits the message.")
    return message_id


def _signature(key: str, message_id: str, timestamp: int, body: bytes) -> str:
    try:
        raw = base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except binascii.Error as failure:
        raise CallerError("A signing secret is whsec_ and base64.") from failure
    digest = hmac.digest(raw, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
