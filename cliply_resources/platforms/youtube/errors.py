"""What YouTube's errors mean: the reason decides, not the status."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, trouble
from cliply_resources.platforms.wire import Answer, common_trouble

__all__ = ["judged", "midnight_pacific", "reason_of", "rejection"]

PACIFIC = ZoneInfo("America/Los_Angeles")
"""Google resets quotas at its midnight."""

_CONTENT = {
    "invalidTitle": "YouTube does not take this title.",
    "invalidDescription": "YouTube does not take this description.",
    "invalidTags": "YouTube does not take these tags.",
    "invalidCategoryId": "YouTube does not know this category.",
    "invalidFilename": "YouTube does not take this file's name.",
    "invalidPublishAt": "YouTube does not take this time.",
    "invalidVideoMetadata": "YouTube does not take these details.",
    "mediaBodyRequired": "YouTube got no video.",
    "defaultLanguageNotSet": "YouTube wants a language to be set.",
    "youtubeSignupRequired": "This Google account has no YouTube channel; make one at youtube.com first.",
    "forbiddenLicenseSetting": "YouTube does not allow this licence for the channel.",
    "forbiddenPrivacySetting": "YouTube does not allow this visibility for the channel.",
    "accountDelegationForbidden": "YouTube does not allow posting for this channel with this account.",
    "authenticatedUserAccountClosed": "This YouTube account is closed.",
    "authenticatedUserAccountSuspended": "This YouTube account is suspended.",
}
_REJECTED = {
    "copyright": "it uses somebody's protected work",
    "duplicate": "it is a duplicate",
    "inappropriate": "it is against the community guidelines",
    "length": "it is too long for the channel; verify the channel by phone",
    "termsOfUse": "it is against the terms of use",
    "trademark": "it uses a trademark",
    "claim": "somebody claims it",
    "legal": "of a legal complaint",
    "uploaderAccountClosed": "the account is closed",
    "uploaderAccountSuspended": "the account is suspended",
    "conversion": "it could not be converted",
    "invalidFile": "the file is no video",
    "emptyFile": "the file is empty",
    "tooSmall": "the file is too small",
    "codec": "its codec is not supported",
    "uploadAborted": "the upload was broken off",
}


def reason_of(answer: Answer) -> str:
    """`quotaExceeded`; empty where the answer names none."""
    error = answer.document().get("error")
    if isinstance(error, str):
        return error
    listed = (error or {}).get("errors") or [{}]
    return str(listed[0].get("reason", ""))


def midnight_pacific(now: datetime) -> datetime:
    """The next reset of Google's daily quotas."""
    local = now.astimezone(PACIFIC)
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def rejection(reason: str) -> PlatformTrouble:
    """The trouble of a video that YouTube took and then refused."""
    why = _REJECTED.get(reason, reason or "it gives no reason")
    return trouble(OutcomeClass.PERMANENT, f"YouTube refused the video, because {why}.", code=reason)


def judged(  # noqa: PLR0911 - one line a row of YouTube's table
    answer: Answer, *, now: datetime, secrets: Sequence[str] = (), committing: bool = False
) -> PlatformTrouble | None:
    """The trouble that an answer means; `None` for a good one."""
    if answer.ok:
        return None
    reason, raw = reason_of(answer), answer.excerpt(secrets)
    if reason in _CONTENT:
        return trouble(OutcomeClass.PERMANENT, _CONTENT[reason], code=reason, raw=raw)
    if reason == "uploadLimitExceeded":
        said = "This channel has uploaded as much as YouTube takes within a day."
        return trouble(OutcomeClass.QUOTA, said, code=reason, raw=raw, until=now + timedelta(days=1))
    if reason in {"quotaExceeded", "dailyLimitExceeded"}:
        said = "Cliply's project at Google has used up its quota for today; whoever runs this installation can ask for more."
        return trouble(OutcomeClass.QUOTA, said, code=reason, raw=raw, until=midnight_pacific(now))
    if reason in {"rateLimitExceeded", "userRateLimitExceeded"}:
        return trouble(OutcomeClass.RETRY, "YouTube asks for fewer requests.", code=reason, raw=raw)
    if reason in {"insufficientPermissions", "insufficientPermission"}:
        said = "YouTube lacks a permission for this channel; connect it again, with every permission."
        return trouble(OutcomeClass.RECONNECT, said, code=reason, raw=raw)
    if answer.status in {409, 412}:
        return trouble(OutcomeClass.RETRY, "YouTube is busy with the same video.", code=reason, raw=raw)
    found = common_trouble(answer, platform="YouTube", now=now, committing=committing, secrets=secrets)
    code = reason or str(answer.status)
    return found or trouble(OutcomeClass.PERMANENT, f"YouTube refuses the video ({code}).", code=code, raw=raw)
