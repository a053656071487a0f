"""Requests to platforms: sent once, answered whatever the status, and never in doubt about whether they were sent.

Base URLs are the operator's (`CONFIGURED`). Upload URLs that a platform hands out are used as they are, but only under the rules for
strangers' URLs (https, public addresses, no redirect), so that an answer cannot make Cliply write into its own network; while a
platform's base URL points at a machine of one's own, its upload URLs may point at the same host.
"""

import secrets as random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from cliply_resources.errors import CallerError, NotSent, TryLater
from cliply_resources.outbound import (
    CONFIGURED,
    PUBLIC,
    FileSlice,
    OutboundPolicy,
    Reply,
    exchange,
    retry_after_seconds,
)
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, scrub, trouble

__all__ = ["Answer", "common_trouble", "multipart", "policy_for_opaque_url", "send"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `repr` is short, because bodies may hold secrets."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def document(self) -> dict[str, Any]:
        """The body as a JSON object, integers exact; empty where it is something else."""
        try:
            read = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}

    def excerpt(self, secrets: Iterable[str] = ()) -> str:
        """The evidence for `Outcome.raw`."""
        return scrub(f"{self.status} {self.body[:4000].decode('utf-8', 'replace')}", secrets)


def send(  # noqa: PLR0913 - one request has that many parts
    method: str,
    url: str,
    *,
    platform: str,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    form: Mapping[str, str] | None = None,
    body: bytes | FileSlice | None = None,
    timeout: float = 60.0,
    committing: bool = False,
    policy: OutboundPolicy = CONFIGURED,
) -> Answer:
    """One request, exactly once. `committing` says that it publishes, or may.

    Raises:
        PlatformTrouble: RETRY where it certainly had no effect, UNKNOWN where it was `committing` and may have had one.
    """
    sent = dict(headers or {})
    if json is not None:
        body = msgspec.json.encode(json)
        sent.setdefault("content-type", "application/json; charset=UTF-8")
    elif form is not None:
        body = urlencode(form).encode()
        sent.setdefault("content-type", "application/x-www-form-urlencoded")
    if body is None and method in {"POST", "PUT", "PATCH"}:
        body = b""
    try:
        reply = exchange(url, policy=policy, method=method, headers=sent, body=body, timeout=timeout)
    except NotSent as error:
        raise trouble(
            OutcomeClass.RETRY, f"{platform} cannot be reached.", code="no_connection", raw=str(error)
        ) from error
    except TryLater as error:
        if committing:
            reason = (
                f"The connection to {platform} broke while it was publishing, so it is being checked whether it did."
            )
            raise trouble(OutcomeClass.UNKNOWN, reason, code="no_answer", raw=str(error)) from error
        raise trouble(OutcomeClass.RETRY, f"{platform} did not answer.", code="no_answer", raw=str(error)) from error
    except CallerError as error:
        reason = f"{platform} named an address that Cliply does not send to."
        raise trouble(OutcomeClass.RESTART, reason, code="address_refused", raw=str(error)) from error
    return _answered(reply)


def _answered(reply: Reply) -> Answer:
    return Answer(status=reply.status, headers=reply.headers, body=reply.body)


def policy_for_opaque_url(url: str, *, base: str) -> OutboundPolicy:
    """Under which rules an upload URL may be used that the platform at `base` handed out."""
    asked, named = urlsplit(base), urlsplit(url)
    if asked.scheme != "https" and asked.hostname == named.hostname:
        return CONFIGURED
    return PUBLIC


def common_trouble(
    answer: Answer, *, platform: str, now: datetime, committing: bool = False, secrets: Sequence[str] = ()
) -> PlatformTrouble | None:
    """What 401, 429 and 5xx mean everywhere; `None` for every other status. Ask the platform's own codes first."""
    raw = answer.excerpt(secrets)
    if answer.status == 401:
        return trouble(OutcomeClass.REAUTH, f"{platform} no longer takes the sign-in.", code="401", raw=raw)
    if answer.status == 429:
        later = retry_after_seconds(answer.headers.get("retry-after"), now=now.timestamp())
        return trouble(
            OutcomeClass.RETRY, f"{platform} asks for fewer requests.", code="429", raw=raw, retry_after=later
        )
    if answer.status >= 500:
        kind = OutcomeClass.UNKNOWN if committing else OutcomeClass.RETRY
        later = retry_after_seconds(answer.headers.get("retry-after"), now=now.timestamp())
        reason = f"{platform} has a problem of its own ({answer.status})."
        return trouble(kind, reason, code=str(answer.status), raw=raw, retry_after=later)
    return None


def multipart(fields: Mapping[str, str], files: Mapping[str, tuple[str, str, bytes]]) -> tuple[bytes, str]:
    """A `multipart/form-data` body and its content type; `files`: field to file name, content type and bytes."""
    boundary = f"cliply-{random.token_hex(16)}"
    parts: list[bytes] = []
    for name, value in fields.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for name, (file_name, content_type, content) in files.items():
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
            f"Content-Type: {content_type}\r\n\r\n".encode()
        )
        parts += [content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
