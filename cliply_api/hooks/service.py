"""Takes what platforms send: checked over its raw bytes, kept once, and applied."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert

from cliply_api.accounts.desk import Desk
from cliply_api.errors import Forbidden
from cliply_api.hooks.matching import match
from cliply_resources.database import PlatformEvent
from cliply_resources.errors import NotFound, TryLater
from cliply_resources.platforms.contract import Platform
from cliply_resources.platforms.documents import WebhookEvent
from cliply_resources.platforms.outcomes import WebhookRefused

__all__ = ["apply", "challenge", "keep", "take"]

KEPT = timedelta(days=7)
"""Longer than any platform repeats itself."""
MOST_CHARACTERS = 1000

log = structlog.get_logger("cliply_api.hooks")


def challenge(desk: Desk, platform_name: str, query: Mapping[str, str]) -> str:
    """What the platform wants to hear to believe that the address is ours.

    Raises:
        NotFound: the platform sends no webhooks.
        Forbidden: it did not say what was agreed.
    """
    platform = _sending(desk, platform_name)
    answer = platform.answer_challenge(query)
    if answer is None:
        raise Forbidden("This is not what was agreed with the platform.")
    return answer


def take(desk: Desk, platform_name: str, headers: Mapping[str, str], body: bytes) -> int:
    """Keeps the delivery's events for every account that they are about, each once; how many were new.

    Raises:
        NotFound: the platform sends no webhooks.
        Forbidden: signature, time or form is wrong.
    """
    platform = _sending(desk, platform_name)
    try:
        events = platform.parse_webhook(headers, body, now=desk.now)
    except WebhookRefused as error:
        raise Forbidden(str(error)) from error
    new = [one for event in events for one in _kept(desk, platform_name, event)]
    apply(desk, new)
    return len(new)


def _sending(desk: Desk, platform_name: str) -> Platform:
    platform = desk.platform(platform_name)
    if not platform.capabilities.webhooks or platform.configured() is not None:
        raise NotFound("No webhooks are expected from this platform here.")
    return platform


def keep(desk: Desk, workspace_id: UUID, account_id: UUID, event: WebhookEvent) -> UUID | None:
    """Keeps an event of an account; `None` where it is known already."""
    with desk.database.api(workspace_id) as session:
        session.execute(
            sa.delete(PlatformEvent).where(
                PlatformEvent.account_id == account_id, PlatformEvent.created_at < desk.now() - KEPT
            )
        )
        return session.scalars(
            insert(PlatformEvent)
            .values(
                account_id=account_id,
                event_id=event.event_id[:MOST_CHARACTERS],
                kind=event.kind,
                # A platform whose clock is ahead must not make everything after it look late.
                at=min(event.at, desk.now()),
                handle=event.handle,
                remote_id=event.remote_id,
                reason=event.reason[:MOST_CHARACTERS],
            )
            .on_conflict_do_nothing()
            .returning(PlatformEvent.id)
        ).one_or_none()


def apply(desk: Desk, kept: list[tuple[UUID, UUID]]) -> None:
    """Lets events that are kept take effect, now or in a later round."""
    for workspace_id, event_id in kept:
        try:
            match(desk, workspace_id, event_id)
        except TryLater as later:
            # It is kept; the platform gets its answer, and the next round tries again.
            log.info("a platform event waits", reason=str(later))


def _kept(desk: Desk, platform_name: str, event: WebhookEvent) -> list[tuple[UUID, UUID]]:
    with desk.database.across() as session:
        named = sa.text("SELECT * FROM app.accounts_named(:platform, :account)")
        places = session.execute(named, {"platform": platform_name, "account": event.account_remote_id}).all()
    found = [(workspace_id, keep(desk, workspace_id, account_id, event)) for workspace_id, account_id in places]
    return [(workspace_id, event_id) for workspace_id, event_id in found if event_id is not None]
