"""What TikTok's error codes and reasons of failure mean; the HTTP status alone says little."""

from datetime import UTC, datetime, timedelta

from cliply_resources.platforms.documents import Tokens
from cliply_resources.platforms.outcomes import OutcomeClass, PlatformTrouble, trouble
from cliply_resources.platforms.wire import Answer, common_trouble

__all__ = ["error_code", "failed", "judged"]

RATE_WAIT = 60.0
_NEXT_DAY = timedelta(hours=24)

_RECONNECT = {
    "scope_permission_missed": "TikTok lacks a permission for this account; connect it again, with every permission.",
    "scope_not_authorized": "TikTok lacks a permission for this account; connect it again, with every permission.",
    "auth_removed": "The account's owner took Cliply's access away; connect the account again.",
}
_QUOTA = {
    "spam_risk_too_many_posts": "This account has made as many posts through apps as TikTok takes within 24 hours.",
    "reached_active_user_cap": "Cliply's app at TikTok has reached the number of people it may post for today.",
    "spam_risk_too_many_pending_share": "Too many drafts of this account wait in TikTok's inbox.",
}
_PERMANENT = {
    "spam_risk_user_banned_from_posting": "TikTok has banned this account from posting.",
    "spam_risk_text": "TikTok takes the text for spam; change it.",
    "spam_risk": "TikTok takes the post for spam.",
    "unaudited_client_can_only_post_to_private_accounts": "Cliply's app at TikTok is not audited yet, so it may only post "
    "to private accounts; make the account private, or wait for the audit.",
    "url_ownership_unverified": "TikTok fetches videos only from verified addresses; whoever runs this installation has "
    "to verify this one in TikTok's developer portal, or set CLIPLY_TIKTOK_SOURCE=FILE_UPLOAD.",
    "privacy_level_option_mismatch": "TikTok does not offer this visibility to the account; choose another one.",
    "file_format_check_failed": "TikTok does not take this video's format.",
    "duration_check_failed": "The clip is too short or too long for this account.",
    "frame_rate_check_failed": "TikTok takes 23 to 60 pictures a second.",
    "picture_size_check_failed": "TikTok takes pictures of 360 to 4096 on each side.",
    "publish_cancelled": "The post was cancelled at TikTok.",
}
_FAILED_BY_ITSELF = {"internal", "video_pull_failed", "photo_pull_failed", "spam_risk_too_many_posts"}
"""Reasons for which this attempt is dead and another may succeed; a cap is seen when it begins again."""


def error_code(answer: Answer) -> str:
    """`error.code` of TikTok's envelope; empty where there is none."""
    error = answer.document().get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def judged(  # noqa: PLR0911 - one line a row of TikTok's table
    answer: Answer, *, now: datetime, tokens: Tokens, committing: bool = False
) -> PlatformTrouble | None:
    """The trouble that an answer means; `None` only where TikTok said `ok`."""
    code = error_code(answer)
    if answer.ok and code == "ok":
        return None
    raw = answer.excerpt(tokens.secrets)
    known = _by_code(code, now, raw)
    if known is not None:
        return known
    if code == "access_token_invalid":
        return trouble(OutcomeClass.REAUTH, "TikTok no longer takes the sign-in.", code=code, raw=raw)
    if code == "rate_limit_exceeded" or answer.status == 429:
        return trouble(
            OutcomeClass.RETRY, "TikTok asks for fewer requests.", code=code or "429", raw=raw, retry_after=RATE_WAIT
        )
    found = common_trouble(answer, platform="TikTok", now=now, committing=committing, secrets=tokens.secrets)
    if found is not None:
        return found
    if code == "internal_error" or (answer.ok and not code):
        kind = OutcomeClass.UNKNOWN if committing else OutcomeClass.RETRY
        return trouble(kind, "TikTok has a problem of its own.", code=code or "no_envelope", raw=raw)
    said = (answer.document().get("error") or {}).get("message") or code or f"status {answer.status}"
    return trouble(
        OutcomeClass.PERMANENT, f"TikTok refuses the post: {said}.", code=code or str(answer.status), raw=raw
    )


def failed(reason: str, now: datetime) -> PlatformTrouble:
    """The trouble of a post whose status is FAILED."""
    if reason in _FAILED_BY_ITSELF:
        said = "TikTok could not finish the post, so it begins again."
        return trouble(OutcomeClass.RESTART, said, code=reason)
    return _by_code(reason, now, "") or trouble(
        OutcomeClass.PERMANENT, f"TikTok refused the post: {reason or 'it gives no reason'}.", code=reason
    )


def _by_code(code: str, now: datetime, raw: str) -> PlatformTrouble | None:
    if code in _RECONNECT:
        return trouble(OutcomeClass.RECONNECT, _RECONNECT[code], code=code, raw=raw)
    if code in _QUOTA:
        return trouble(OutcomeClass.QUOTA, _QUOTA[code], code=code, raw=raw, until=now.astimezone(UTC) + _NEXT_DAY)
    if code in _PERMANENT:
        return trouble(OutcomeClass.PERMANENT, _PERMANENT[code], code=code, raw=raw)
    return None
