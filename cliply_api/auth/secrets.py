"""Opaque secrets: made, hashed for keeping, and checked for typing errors. Pure."""

import base64
import hashlib
import hmac
import secrets
import zlib
from typing import Literal

__all__ = ["checks_out", "csrf_token", "hash_secret", "kind_of", "new_salt", "new_secret", "successor"]

Kind = Literal["pt", "rt", "se", "ml", "in"]
"""API token, refresh token, browser session, mailed link, invitation; secret scanners tell them apart by it."""

BYTES = 32
CHECK_LENGTH = 6


def new_secret(kind: Kind) -> str:
    """256 random bits as `cliply_<kind>_<bits><checksum>`."""
    return _written(kind, secrets.token_bytes(BYTES))


def new_salt() -> bytes:
    """What turns a refresh token into its successor, together with that token."""
    return secrets.token_bytes(BYTES)


def successor(token: str, salt: bytes) -> str:
    """The next refresh token: the same for whoever presents `token` again, unknown to whoever has only one of the two."""
    return _written("rt", hmac.digest(salt, token.encode(), "sha256"))


def hash_secret(token: str) -> bytes:
    """What is kept of a secret; it has 256 random bits, so that one round is enough."""
    return hashlib.sha256(token.encode()).digest()


def csrf_token(session_secret: str) -> str:
    """What a page must send back to show that it could read our answers."""
    return base64.urlsafe_b64encode(hmac.digest(session_secret.encode(), b"csrf", "sha256")).rstrip(b"=").decode()


def kind_of(token: str) -> str | None:
    """The kind of a secret of ours."""
    name, _, rest = token.partition("_")
    kind, _, body = rest.partition("_")
    return kind if name == "cliply" and body else None


def checks_out(token: str) -> bool:
    """Whether it was written by us: a mistyped one need not be looked up."""
    head, check = token[:-CHECK_LENGTH], token[-CHECK_LENGTH:]
    return hmac.compare_digest(_check(head), check)


def _written(kind: Kind, bits: bytes) -> str:
    head = f"cliply_{kind}_{base64.urlsafe_b64encode(bits).rstrip(b'=').decode()}"
    return head + _check(head)


def _check(head: str) -> str:
    return base64.urlsafe_b64encode(zlib.crc32(head.encode()).to_bytes(4)).rstrip(b"=").decode()
