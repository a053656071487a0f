"""YouTube's push of new videos (WebSub): an Atom feed, signed with a secret of ours."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from cliply_resources.platforms.documents import WebhookEvent
from cliply_resources.platforms.outcomes import WebhookRefused

__all__ = ["challenge_answer", "events_of", "signature_of"]

_ATOM = "{http://www.w3.org/2005/Atom}"
_YT = "{http://www.youtube.com/xml/schemas/2015}"
_GONE = "{http://purl.org/atompub/tombstones/1.0}"
MOST_BYTES = 256 * 1024


def signature_of(body: bytes, secret: str) -> str:
    """As it stands in `X-Hub-Signature`."""
    return f"sha1={hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}"


def challenge_answer(query: Mapping[str, str], topic: str) -> str | None:
    """The hub's challenge, where it is about a channel's feed on YouTube; `None` refuses it."""
    asked, ours = urlsplit(query.get("hub.topic", "")), urlsplit(topic)
    channel = parse_qs(asked.query).get("channel_id", [""])[0]
    # The guide has shown the path with and without /xml at different times.
    if query.get("hub.mode") not in {"subscribe", "unsubscribe"} or asked.netloc != ours.netloc or not channel:
        return None
    return query.get("hub.challenge") if asked.path in {"/xml/feeds/videos.xml", "/feeds/videos.xml"} else None


def events_of(headers: Mapping[str, str], body: bytes, secret: SecretStr | None) -> tuple[WebhookEvent, ...]:
    """New, changed and deleted videos; a change of title comes as another new one, with the same id.

    Raises:
        WebhookRefused: the signature is wrong, or it is no feed.
    """
    said = headers.get("x-hub-signature", "")
    if secret is None or not hmac.compare_digest(
        said.encode("ascii", "replace"), signature_of(body, secret.get_secret_value()).encode()
    ):
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
