"""What an answer of a platform means for a post: nine classes, and nothing else is decided by an adapter.

An adapter says *what happened*; the publisher says what is done about it. `UNKNOWN` is said of a call that may have published,
and of nothing else: such a call is never repeated before `reconcile` has found out what became of it.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from cliply_resources.errors import CallerError, UpstreamError

__all__ = ["NotSupported", "Outcome", "OutcomeClass", "PlatformTrouble", "WebhookRefused", "scrub", "trouble"]

MAX_RAW_CHARACTERS = 2000

_SECRET_PARAMETERS = re.compile(
    r"(?i)((?:access_token|refresh_token|upload_token|upload_id|client_secret|code_verifier|code|token|signature|sig|"
    r"x-amz-[a-z-]+)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|oauth|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_QUERY = re.compile(r"(https?://[^\s\"'<>?]+)\?[^\s\"'<>]*")


class OutcomeClass(StrEnum):
    """What the publisher does next is decided by this alone."""

    OK = "ok"
    """Done; go on with the state that came along."""
    PENDING = "pending"
    """Accepted and still being worked on; ask again later. Uses up no attempt."""
    RETRY = "retry"
    """Did certainly not take effect, and may when it is sent again: no connection, 429, 5xx of a call that publishes nothing."""
    REAUTH = "reauth"
    """The access token is not taken; it is refreshed once and the call repeated once."""
    RECONNECT = "reconnect"
    """The connection is dead (refresh token, scope, app or account); a person has to connect the account again."""
    QUOTA = "quota"
    """A cap of account or app is reached; nothing is sent before `until`."""
    PERMANENT = "permanent"
    """This content will never be accepted."""
    RESTART = "restart"
    """Upload session or container is dead and nothing was published; the same post begins again from an empty state."""
    UNKNOWN = "unknown"
    """The call that publishes may or may not have taken effect."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One class, a sentence for people, and the evidence for operators."""

    kind: OutcomeClass
    reason: str = ""
    """A whole sentence for the person whose post it is; empty for OK."""
    code: str = ""
    """The platform's own name for it, such as `quotaExceeded` or `9/2207042`."""
    raw: str = ""
    """What the platform said, without secrets (`scrub`), at most 2,000 characters."""
    retry_after: float | None = None
    """Seconds; for PENDING and RETRY, where the platform named a time."""
    until: datetime | None = None
    """For QUOTA: when the cap is reset, aware UTC."""

    @property
    def ok(self) -> bool:
        """Whether it is OK."""
        return self.kind is OutcomeClass.OK


class PlatformTrouble(UpstreamError):
    """A call to a platform did not end well; `outcome` says how."""

    code = "PLATFORM_TROUBLE"

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason or f"The platform answered: {outcome.kind}.")
        self.outcome = outcome


class NotSupported(CallerError):
    """The platform, or Cliply's connection to it, cannot do this at all."""

    code = "NOT_SUPPORTED"


class WebhookRefused(CallerError):
    """A webhook whose signature, time or form is wrong; nothing of it was believed."""

    code = "WEBHOOK_REFUSED"


def trouble(
    kind: OutcomeClass,
    reason: str,
    *,
    code: str = "",
    raw: str = "",
    retry_after: float | None = None,
    until: datetime | None = None,
) -> PlatformTrouble:
    """The error to raise, its raw evidence scrubbed of everything that looks like a secret."""
    return PlatformTrouble(
        Outcome(kind=kind, reason=reason, code=code, raw=scrub(raw), retry_after=retry_after, until=until)
    )


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets given, without tokens, and with URLs cut off at their query; at most 2,000 characters."""
    for secret in sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True):
        text = text.replace(secret, "…")
    text = _QUERY.sub(r"\1?…", text)
    text = _BEARER.sub(r"\1 …", text)
    text = _SECRET_PARAMETERS.sub(r"\1…", text)
    text = "".join(character if character.isprintable() or character in "\n\t" else " " for character in text)
    return text[:MAX_RAW_CHARACTERS]
