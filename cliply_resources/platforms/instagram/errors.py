"""What the Graph API's errors mean: the HTTP status is nearly always 400, code and subcode decide."""

import re
from datetime import UTC, datetime, timedelta

import msgspec

from cliply_resources.platforms.documents import Tokens
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, trouble
from cliply_resources.platforms.wire import Answer, common_trouble

__all__ = ["NOT_READY", "GraphError", "graph_error", "judged", "of_status"]

NOT_READY = 2207027

_RESTART = {2207003, 2207020, 2207032, 2207053, 2207006, 2207052, 1363008}
_PERMANENT = {
    2207026: "Instagram does not support this video's format.",
    2207009: "Instagram does not take this shape of picture.",
    2207010: "The caption is longer than Instagram takes.",
    2207004: "The cover is too large for Instagram.",
    2207005: "The cover has a format that Instagram does not take; use JPEG.",
    2207023: "Instagram does not know this type of media.",
    2207057: "The cover's moment lies outside the video.",
    2207040: "The caption has more tags than Instagram takes.",
    2207051: "Instagram blocked the post as spam. Wait some hours, look at the account in the app, and post it again then.",
}
_RATE_LIMITS = {4, 17, 32, 613, 80002}
_DEFAULT_WAIT = 300.0
_SUBCODE = re.compile(r"\b(2207\d{3})\b")


class GraphError(msgspec.Struct, frozen=True, kw_only=True):
    """The `error` object of an answer."""

    code: int = 0
    error_subcode: int = 0
    message: str = ""
    error_user_msg: str = ""

    @property
    def name(self) -> str:
        """`9/2207042`."""
        return f"{self.code}/{self.error_subcode}" if self.error_subcode else str(self.code)

    @property
    def said(self) -> str:
        """For people, where Instagram wrote something for them."""
        return (self.error_user_msg or self.message or "it gives no reason").rstrip(".")


class _Body(msgspec.Struct, frozen=True):
    error: GraphError


def graph_error(answer: Answer) -> GraphError | None:
    """The error an answer carries; `None` where it carries none."""
    try:
        return msgspec.json.decode(answer.body, type=_Body, strict=False).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def judged(answer: Answer, *, now: datetime, tokens: Tokens, committing: bool = False) -> PlatformTrouble | None:
    """The trouble that an answer means; `None` for a good one."""
    error = graph_error(answer)
    if error is None:
        found = common_trouble(answer, platform="Instagram", now=now, committing=committing, secrets=tokens.secrets)
        if found is not None or answer.ok:
            return found
        raw = answer.excerpt(tokens.secrets)
        reason = f"Instagram answered with status {answer.status}."
        return trouble(OutcomeClass.PERMANENT, reason, code=str(answer.status), raw=raw)
    return _of_error(error, answer, now, tokens, committing=committing)


def of_status(status: str) -> PlatformTrouble:
    """The trouble of a container whose `status_code` is ERROR: the subcode stands somewhere in its text."""
    found = _SUBCODE.search(status)
    subcode = int(found[1]) if found else 0
    if subcode in _PERMANENT:
        return trouble(OutcomeClass.PERMANENT, _PERMANENT[subcode], code=str(subcode), raw=status)
    reason = "Instagram could not use the upload, so it begins again."
    return trouble(OutcomeClass.RESTART, reason, code=str(subcode or "ERROR"), raw=status)


def _of_error(  # noqa: PLR0911 - one line a row of Meta's table
    error: GraphError, answer: Answer, now: datetime, tokens: Tokens, *, committing: bool
) -> PlatformTrouble:
    raw, name = answer.excerpt(tokens.secrets), error.name
    if error.error_subcode in _PERMANENT:
        return trouble(OutcomeClass.PERMANENT, _PERMANENT[error.error_subcode], code=name, raw=raw)
    if error.error_subcode in _RESTART:
        reason = "Instagram's upload is no longer good, so it begins again."
        return trouble(OutcomeClass.RESTART, reason, code=name, raw=raw)
    if error.error_subcode == 2207042:
        until = now.astimezone(UTC) + timedelta(days=1)
        reason = "This account has used up what Instagram lets it publish within 24 hours."
        return trouble(OutcomeClass.QUOTA, reason, code=name, raw=raw, until=until)
    if error.code == 190 or answer.status == 401:
        reason = "The connection to Instagram has ended; connect the account again."
        return trouble(OutcomeClass.RECONNECT, reason, code=name, raw=raw)
    if error.error_subcode == 2207050:
        reason = "Instagram restricts this account. Open the Instagram app, follow what it says, and connect the account again."
        return trouble(OutcomeClass.RECONNECT, reason, code=name, raw=raw)
    if error.code == 10 or 200 <= error.code <= 299:
        reason = (
            f"Instagram lacks a permission for this account: {error.said}. Connect it again, with every permission."
        )
        return trouble(OutcomeClass.RECONNECT, reason, code=name, raw=raw)
    if error.code in _RATE_LIMITS or answer.status == 429:
        wait = _regain_seconds(answer)
        return trouble(OutcomeClass.RETRY, "Instagram asks for fewer requests.", code=name, raw=raw, retry_after=wait)
    if error.code in {-1, 1, 2, 24} or answer.status >= 500:
        # It has been seen saying so although the reel went live.
        kind = OutcomeClass.UNKNOWN if committing else OutcomeClass.RETRY
        return trouble(kind, "Instagram has a problem of its own.", code=name, raw=raw)
    return trouble(OutcomeClass.PERMANENT, f"Instagram refuses the post: {error.said}.", code=name, raw=raw)


class _Usage(msgspec.Struct, frozen=True):
    estimated_time_to_regain_access: float = 0.0


def _regain_seconds(answer: Answer) -> float:
    """From `X-Business-Use-Case-Usage`, which speaks of minutes."""
    try:
        told = msgspec.json.decode(
            answer.headers.get("x-business-use-case-usage", "{}"), type=dict[str, list[_Usage]], strict=False
        )
    except msgspec.DecodeError:
        return _DEFAULT_WAIT
    minutes = max((each.estimated_time_to_regain_access for listed in told.values() for each in listed), default=0.0)
    return minutes * 60.0 or _DEFAULT_WAIT
