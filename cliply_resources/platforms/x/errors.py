"""What X's errors mean; they come in three shapes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, trouble
from cliply_resources.platforms.wire import Answer, common_trouble

__all__ = ["judged", "said_duplicate", "what_x_said"]

LONG_WAIT = 3600.0
"""Seconds; a limit that resets later than this is a quota and no hurry."""


def what_x_said(answer: Answer) -> tuple[str, str]:
    """Its own sentence, and the last part of the problem's type (`usage-capped`), whichever shape it came in."""
    read = answer.document()
    first = next((each for each in read.get("errors") or () if isinstance(each, dict)), {})
    text = read.get("detail") or read.get("message") or first.get("detail") or first.get("message") or ""
    kind = str(read.get("type") or first.get("type") or read.get("code") or first.get("code") or "")
    return str(text or read.get("title") or ""), kind.rsplit("/", 1)[-1]


def said_duplicate(answer: Answer) -> bool:
    """Whether X refused a text because it was posted already."""
    return answer.status == 403 and "duplicate" in what_x_said(answer)[0].lower()


def judged(
    answer: Answer, *, now: datetime, secrets: Sequence[str] = (), committing: bool = False
) -> PlatformTrouble | None:
    """The trouble that an answer means; `None` for a good one."""
    if answer.ok:
        return None
    said, kind = what_x_said(answer)
    raw = answer.excerpt(secrets)
    code = kind or str(answer.status)
    if answer.status == 402 or (answer.status in {403, 429} and kind == "usage-capped"):
        return _used_up(now, code, raw)
    if answer.status == 429:
        return _limited(answer, now, raw)
    if answer.status == 403:
        return _forbidden(said, code, raw)
    if answer.status in {400, 404} and "media" in said.lower():
        reason = "X no longer has the uploaded video, so it is sent again."
        return trouble(OutcomeClass.RESTART, reason, code=code, raw=raw)
    found = common_trouble(answer, platform="X", now=now, committing=committing, secrets=secrets)
    reason = f"X refuses the post: {said or f'status {answer.status}'}."
    return found or trouble(OutcomeClass.PERMANENT, reason, code=code, raw=raw)


def _used_up(now: datetime, code: str, raw: str) -> PlatformTrouble:
    return trouble(
        OutcomeClass.QUOTA,
        "The credits or the spend limit of Cliply's app at X are used up; whoever runs this installation has to add some.",
        code=code,
        raw=raw,
        until=(now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0),
    )


def _limited(answer: Answer, now: datetime, raw: str) -> PlatformTrouble:
    reset = answer.headers.get("x-rate-limit-reset", "")
    if not reset.isdigit():
        found = common_trouble(answer, platform="X", now=now)
        assert found is not None
        return found
    wait = max(int(reset) - now.timestamp(), 1.0)
    if wait > LONG_WAIT:
        until = datetime.fromtimestamp(int(reset), UTC)
        return trouble(OutcomeClass.QUOTA, "X takes no more posts today.", code="429", raw=raw, until=until)
    return trouble(OutcomeClass.RETRY, "X asks for fewer requests.", code="429", raw=raw, retry_after=wait)


def _forbidden(said: str, code: str, raw: str) -> PlatformTrouble:
    lowered = said.lower()
    if any(word in lowered for word in ("suspend", "locked", "client", "permission", "oauth")) or code in {
        "client-forbidden",
        "not-authorized-for-resource",
    }:
        reason = (
            f"X does not let this account post: {said or 'it gives no reason'}. Connect it again when that is settled."
        )
        return trouble(OutcomeClass.RECONNECT, reason, code=code, raw=raw)
    reason = f"X refuses the post: {said or 'it gives no reason'}."
    return trouble(OutcomeClass.PERMANENT, reason, code=code, raw=raw)
