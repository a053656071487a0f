"""What LinkedIn's errors mean."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cliply_resources.platforms.documents import Tokens
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, trouble
from cliply_resources.platforms.wire import Answer, common_trouble

__all__ = ["code_of", "duplicate_of", "judged"]

_URN = re.compile(r"urn:li:(?:share|ugcPost|activity):\d+")
_DEAD_UPLOADS = {
    "EXPIRED_UPLOAD_URL": "LinkedIn's upload address has expired, so the video is sent again.",
    "MEDIA_ASSET_PROCESSING_FAILED": "LinkedIn could not process the video, so it is sent again.",
}
VERSION_RETRY_SECONDS = 3600.0


def code_of(answer: Answer) -> str:
    """LinkedIn's own name for the error."""
    read = answer.document()
    return str(read.get("code") or read.get("serviceErrorCode") or answer.status)


def duplicate_of(answer: Answer) -> str | None:
    """The post that LinkedIn says was made already with the very same content, within the last ten minutes."""
    found = _URN.search(str(answer.document().get("message", ""))) if answer.status in {409, 422} else None
    return found[0] if found else None


def judged(  # noqa: PLR0911 - one line a row of LinkedIn's table
    answer: Answer, *, now: datetime, tokens: Tokens, committing: bool = False
) -> PlatformTrouble | None:
    """The trouble that an answer means; `None` for a good one."""
    if answer.ok:
        return None
    secrets: Sequence[str] = tokens.secrets
    raw, code = answer.excerpt(secrets), code_of(answer)
    said = str(answer.document().get("message") or f"status {answer.status}")
    if answer.status == 401 and not tokens.refresh_token:
        reason = "The connection to LinkedIn has ended; connect the account again."
        return trouble(OutcomeClass.RECONNECT, reason, code=code, raw=raw)
    if answer.status == 403:
        reason = (
            f"LinkedIn does not let Cliply do this for the account: {said}. Connect it again, with every permission."
        )
        return trouble(OutcomeClass.RECONNECT, reason, code=code, raw=raw)
    if code in _DEAD_UPLOADS:
        return trouble(OutcomeClass.RESTART, _DEAD_UPLOADS[code], code=code, raw=raw)
    if answer.status == 409:
        return trouble(OutcomeClass.RETRY, "LinkedIn is busy with the same thing.", code=code, raw=raw)
    if answer.status == 426:
        reason = "LinkedIn no longer speaks this version; whoever runs this installation has to raise CLIPLY_LINKEDIN_VERSION."
        return trouble(OutcomeClass.RETRY, reason, code=code, raw=raw, retry_after=VERSION_RETRY_SECONDS)
    if answer.status == 429 and "retry-after" not in answer.headers:
        # Its daily limits are reset at midnight UTC.
        until = (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return trouble(OutcomeClass.QUOTA, "LinkedIn takes no more posts today.", code=code, raw=raw, until=until)
    found = common_trouble(answer, platform="LinkedIn", now=now, committing=committing, secrets=secrets)
    return found or trouble(OutcomeClass.PERMANENT, f"LinkedIn refuses the post: {said}.", code=code, raw=raw)
