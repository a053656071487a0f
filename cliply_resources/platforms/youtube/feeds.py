"""YouTube's push of new videos (WebSub): a subscription with a lease, and an Atom feed that is signed with its secret."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from cliply_resources.platforms.documents import FeedAnswer, WebhookEvent
from cliply_resources.platforms.outcomes import WebhookRefused

__all__ = ["LEASE_SECONDS", "events_of", "feed_answer", "signature_of", "subscription_form"]

LEASE_SECONDS = 432_000
"""What Google's hub gives where nothing is asked for."""
MOST_BYTES = 256 * 1024
PATHS = ("/xml/feeds/videos.xml", "/feeds/videos.xml")
"""The guide has shown the path with and without /xml at different times."""
_ATOM = "{http://www.w3.org/2005/Atom}"
_YT = "{http://www.youtube.com/xml/schemas/2015}"
_GONE = "{http://purl.org/atompub/tombstones/1.0}"
_MODES = {"subscribe", "unsubscribe", "denied"}


def subscription_form(topic: str, channel: str, *, callback: str, secret: str, wanted: bool) -> dict[str, str]:
    """What the hub is asked; `wanted` off ends the subscription."""
    return {
        "hub.mode": "subscribe" if wanted else "unsubscribe",
        "hub.topic": f"{topic}{channel}",
        "hub.callback": callback,
        "hub.verify": "async",
        "hub.secret": secret,
        "hub.lease_seconds": str(LEASE_SECONDS),
    }


def signature_of(body: bytes, secret: str) -> str:
    """As it stands in `X-Hub-Signature`."""
    return f"sha1={hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}"


def feed_answer(query: Mapping[str, str], *, topic: str, channel: str) -> FeedAnswer | None:
    """What the hub says of this channel's feed; `None` where it is about another, or no answer at all."""
    asked, ours = urlsplit(query.get("hub.topic", "")), urlsplit(topic)
    named = parse_qs(asked.query).get("channel_id", [""])[0]
    mode = query.get("hub.mode", "")
    if mode not in _MODES or asked.netloc != ours.netloc or asked.path not in PATHS or named != channel:
        return None
    lease = query.get("hub.lease_seconds", "")
    return FeedAnswer(
        mode=mode,  # type: ignore[arg-type] # one of `_MODES`
        challenge=query.get("hub.challenge", ""),
        lease_seconds=float(lease) if lease.isdecimal() and len(lease) <= 9 else float(LEASE_SECONDS),
        reason=query.get("hub.reason", ""),
    )


def events_of(headers: Mapping[str, str], body: bytes, secret: str) -> tuple[WebhookEvent, ...]:
    """New, changed and deleted videos; a change of title comes as another new one, with the same id.

    Raises:
        WebhookRefused: the signature is wrong, or it is no feed.
    """
    said = headers.get("x-hub-signature", "")
    if not hmac.compare_digest(said.encode("ascii", "replace"), signature_of(body, secret).encode()):
        raise WebhookRefused("The feed's signature is not the one that was agreed.")
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if len(body) > MOST_BYTES:
        raise WebhookRefused("The feed is larger than YouTube's ever are.")
    try:
        feed = fromstring(body.decode("utf-8"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, UnicodeDecodeError) as error:
        raise WebhookRefused("The feed cannot be read.") from error
    events: list[WebhookEvent] = []
    for entry in feed.findall(f"{_ATOM}entry"):
        video, channel = (entry.findtext(f"{_YT}{name}", "") for name in ("videoId", "channelId"))
        events.append(
            WebhookEvent(
                event_id=f"youtube-{video}",
                kind="new_post",
                account_remote_id=channel,
                at=_time(entry.findtext(f"{_ATOM}published", "")),
                remote_id=video,
            )
        )
    for gone in feed.findall(f"{_GONE}deleted-entry"):
        video = gone.get("ref", "").rsplit(":", 1)[-1]
        channel = (gone.findtext(f"{_GONE}by/{_ATOM}uri") or "").rsplit("/", 1)[-1]
        events.append(
            WebhookEvent(
                event_id=f"youtube-{video}-deleted",
                kind="deleted_post",
                account_remote_id=channel,
                at=_time(gone.get("when", "")),
                remote_id=video,
            )
        )
    return tuple(events)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise WebhookRefused(f"The feed names no time that can be read: {text[:40]!r}.") from error
