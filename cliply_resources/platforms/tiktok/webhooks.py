"""TikTok's webhooks: signed with a time, delivered at least once and in any order."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from cliply_resources.platforms.contract import Clock
from cliply_resources.platforms.documents import WebhookEvent
from cliply_resources.platforms.outcomes import WebhookRefused

__all__ = ["events_of", "signature_of"]

TOLERANCE_SECONDS = 300.0

_KINDS: dict[str, Literal["published", "failed", "public", "not_public", "disconnected"]] = {
    "post.publish.complete": "published",
    "post.publish.failed": "failed",
    "post.publish.publicly_available": "public",
    "post.publish.no_longer_publicaly_available": "not_public",
    "authorization.removed": "disconnected",
}


class _Delivery(msgspec.Struct, frozen=True):
    event: str
    create_time: int
    user_openid: str = ""
    content: str = "{}"
    """JSON inside JSON."""


def signature_of(body: bytes, secret: str, at: int) -> str:
    """As it stands in `TikTok-Signature`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},s={digest}"


def events_of(headers: Mapping[str, str], body: bytes, secret: str, now: Clock) -> tuple[WebhookEvent, ...]:
    """The one event of a delivery.

    Raises:
        WebhookRefused: signature, time or form is wrong.
    """
    said = headers.get("tiktok-signature", "")
    parts = dict(part.split("=", 1) for part in said.split(",") if "=" in part)
    at = int(parts["t"]) if parts.get("t", "").isdigit() else 0
    if not secret or not hmac.compare_digest(said.encode("ascii", "replace"), signature_of(body, secret, at).encode()):
        raise WebhookRefused("The webhook's signature is not TikTok's.")
    if abs(now().timestamp() - at) > TOLERANCE_SECONDS:
        raise WebhookRefused("The webhook is older or newer than five minutes.")
    try:
        delivery = msgspec.json.decode(body, type=_Delivery)
        content: dict[str, Any] = msgspec.json.decode(delivery.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WebhookRefused("The webhook's body is not what TikTok sends.") from error
    told = f"{delivery.event}\0{delivery.user_openid}\0{delivery.create_time}\0{delivery.content}"
    return (
        WebhookEvent(
            event_id=f"tiktok-{hashlib.sha256(told.encode()).hexdigest()[:32]}",
            kind=_KINDS.get(delivery.event, "other"),
            account_remote_id=delivery.user_openid,
            at=datetime.fromtimestamp(delivery.create_time, UTC),
            handle=str(content["publish_id"]) if "publish_id" in content else None,
            remote_id=str(content["post_id"]) if "post_id" in content else None,
            reason=str(content.get("reason", "")),
        ),
    )
