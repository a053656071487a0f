"""Meta's webhooks: verified once by a word, then signed over their raw bytes."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import SecretStr

from cliply_resources.platforms.contract import Clock
from cliply_resources.platforms.documents import WebhookEvent
from cliply_resources.platforms.outcomes import WebhookRefused

__all__ = ["challenge_answer", "events_of", "signature_of"]

OLDEST_SECONDS = 2 * 86400
"""Meta repeats a delivery for about 36 hours."""


class _Entry(msgspec.Struct, frozen=True):
    id: str
    time: int
    changes: list[dict[str, Any]] = []


class _Delivery(msgspec.Struct, frozen=True):
    object: str
    entry: list[_Entry]


def challenge_answer(query: Mapping[str, str], word: SecretStr | None) -> str | None:
    """The challenge, where Meta knows the word; `None` refuses it."""
    said = query.get("hub.verify_token", "")
    if word is None or query.get("hub.mode") != "subscribe":
        return None
    return query.get("hub.challenge") if hmac.compare_digest(said.encode(), word.get_secret_value().encode()) else None


def signature_of(body: bytes, secret: str) -> str:
    """As it stands in `X-Hub-Signature-256`."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def events_of(headers: Mapping[str, str], body: bytes, secret: str, now: Clock) -> tuple[WebhookEvent, ...]:
    """The changes of a delivery; none of Meta's fields says that a reel was published, so all of them are `other`.

    Raises:
        WebhookRefused: signature or form is wrong, or it is older than Meta ever repeats.
    """
    said = headers.get("x-hub-signature-256", "")
    if not secret or not hmac.compare_digest(said.encode("ascii", "replace"), signature_of(body, secret).encode()):
        raise WebhookRefused("The webhook's signature is not Meta's.")
    try:
        delivery = msgspec.json.decode(body, type=_Delivery)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WebhookRefused("The webhook's body is not what Meta sends.") from error
    events: list[WebhookEvent] = []
    for entry in delivery.entry:
        at = datetime.fromtimestamp(entry.time, UTC)
        if (now() - at).total_seconds() > OLDEST_SECONDS:
            raise WebhookRefused("The webhook is older than Meta repeats them.")
        for change in entry.changes:
            one = hashlib.sha256(msgspec.json.encode([entry.id, entry.time, change], order="deterministic")).hexdigest()
            media = (change.get("value") or {}).get("media") or {}
            remote_id = str(media["id"]) if "id" in media else None
            events.append(
                WebhookEvent(
                    event_id=f"instagram-{one[:32]}",
                    kind="other",
                    account_remote_id=entry.id,
                    at=at,
                    remote_id=remote_id,
                    reason=str(change.get("field", "")),
                )
            )
    return tuple(events)
