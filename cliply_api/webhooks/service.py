"""Webhook endpoints, their secrets, and the log of what was sent to them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import Session

from cliply_api.auth.principal import Principal
from cliply_api.web.audit import audit
from cliply_api.web.facts import RequestFacts
from cliply_api.web.pages import Page, PageRequest
from cliply_api.webhooks.schemas import (
    AttemptView,
    ChangedEndpoint,
    DeliveryDetail,
    DeliveryView,
    EndpointMade,
    EndpointView,
    NewEndpoint,
    Replay,
    Replayed,
    SecretView,
)
from cliply_resources.database import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from cliply_resources.errors import Conflict, NotFound
from cliply_resources.outbound import OutboundPolicy
from cliply_resources.vault import Vault
from cliply_resources.webhooks import new_signing_secret
from cliply_resources.webhooks.delivery import check_endpoint_url, disable
from cliply_resources.webhooks.sealing import give_secret, replace_secret

__all__ = [
    "change",
    "create",
    "delivery",
    "list_deliveries",
    "list_endpoints",
    "one",
    "remove",
    "replay",
    "replay_since",
]
__all__ += ["rotate", "test"]

MAX_ENDPOINTS = 20
"""Of a workspace; every event is written once for each that wants it."""
ROTATION = timedelta(hours=24)
MAX_ATTEMPTS_SHOWN = 100
MAX_CAUGHT_UP = 10_000
"""Events that one call can send which were not sent before; call again for more."""
CATCH_UP = sa.text(
    "INSERT INTO webhook_deliveries (endpoint_id, event_id, seq, kind, upload_id, payload, occurred_at) "
    "SELECT :endpoint, e.id, e.seq, e.kind, e.upload_id, e.payload, e.created_at FROM events e "
    "WHERE e.workspace_id = :workspace AND e.created_at >= :since "
    "AND CAST(:wanted AS text[]) && ARRAY['*', e.kind, split_part(e.kind, '.', 1) || '.*'] "
    "AND NOT EXISTS (SELECT FROM webhook_deliveries d "
    "WHERE d.workspace_id = e.workspace_id AND d.endpoint_id = :endpoint AND d.event_id = e.id) "
    "ORDER BY e.seq LIMIT :at_most ON CONFLICT DO NOTHING RETURNING id"
)
HOLD_EVENTS = sa.text(
    "INSERT INTO event_heads AS head (workspace_id, last_seq) VALUES (:workspace, 0) "
    "ON CONFLICT (workspace_id) DO UPDATE SET last_seq = head.last_seq"
)


def create(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    policy: OutboundPolicy,
    vault: Vault,
    wanted: NewEndpoint,
) -> EndpointMade:
    """A new endpoint, told of what happens from now on.

    Raises:
        CallerError: webhooks may not go to this URL.
        Conflict: the workspace has as many as it may have.
    """
    check_endpoint_url(wanted.url, policy)
    # Two at once must not both be the last.
    session.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"webhooks:{principal.workspace}"}
    )
    if (session.scalar(sa.select(sa.func.count()).select_from(WebhookEndpoint)) or 0) >= MAX_ENDPOINTS:
        raise Conflict(f"A workspace has at most {MAX_ENDPOINTS} webhooks. Delete one that is not used any more.")
    secret = new_signing_secret()
    made = WebhookEndpoint(
        # What is sealed is bound to its row.
        workspace_id=principal.workspace,
        id=session.execute(sa.select(sa.func.uuidv7())).scalar_one(),
        url=wanted.url,
        events=sorted(set(wanted.events)),
        description=wanted.description,
    )
    give_secret(made, vault, secret)
    session.add(made)
    session.flush()
    audit(session, principal, facts, "webhook.created", subject=str(made.id), url=made.url, events=made.events)
    return EndpointMade(secret=secret, info=_view(made))


def list_endpoints(session: Session, page: PageRequest) -> Page[EndpointView]:
    """All endpoints of the workspace, the newest first."""
    query = sa.select(WebhookEndpoint).order_by(WebhookEndpoint.created_at.desc(), WebhookEndpoint.id.desc())
    return page.of(session, query, _view)


def one(session: Session, endpoint_id: UUID) -> EndpointView:
    """One endpoint."""
    return _view(_find(session, endpoint_id))


def change(
    session: Session,
    principal: Principal,
    facts: RequestFacts,
    policy: OutboundPolicy,
    endpoint_id: UUID,
    wanted: ChangedEndpoint,
) -> EndpointView:
    """The endpoint as it is to be; switching it on again forgets its failures, and sends nothing of what it missed."""
    found = _find(session, endpoint_id, lock=True)
    if wanted.url is not UNSET:
        check_endpoint_url(wanted.url, policy)
        found.url = wanted.url
    if wanted.events is not UNSET:
        found.events = sorted(set(wanted.events))
    if wanted.description is not UNSET:
        found.description = wanted.description
    if wanted.enabled is True:
        found.disabled_at = found.disabled_reason = found.failing_since = None
    session.flush()
    if wanted.enabled is False:
        disable(session, endpoint_id, "You switched it off.")
        session.refresh(found)
    audit(session, principal, facts, "webhook.changed", subject=str(endpoint_id), url=found.url, events=found.events)
    return _view(found)


def remove(session: Session, principal: Principal, facts: RequestFacts, endpoint_id: UUID) -> None:
    """Nothing is sent there any more; its log is gone, too."""
    found = _find(session, endpoint_id, lock=True)
    # No event may be at the point of becoming a delivery for what is just being deleted: it could not be committed.
    session.execute(HOLD_EVENTS, {"workspace": principal.workspace})
    session.execute(sa.delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id))
    audit(session, principal, facts, "webhook.deleted", subject=str(endpoint_id), url=found.url)


def rotate(session: Session, principal: Principal, facts: RequestFacts, vault: Vault, endpoint_id: UUID) -> SecretView:
    """A new secret; for a day messages carry the signatures of both."""
    found = _find(session, endpoint_id, lock=True)
    until, secret = datetime.now(UTC) + ROTATION, new_signing_secret()
    replace_secret(found, vault, secret, previous_until=until)
    audit(session, principal, facts, "webhook.secret_rotated", subject=str(endpoint_id))
    return SecretView(secret=secret, previous_valid_until=until)


def test(session: Session, endpoint_id: UUID) -> DeliveryView:
    """A message of the kind `webhook.test`, which is sent whatever the endpoint wants to be told.

    Raises:
        Conflict: the endpoint is switched off.
    """
    found = _find(session, endpoint_id, lock=True)
    if found.disabled_at is not None:
        raise Conflict("This webhook is switched off. Switch it on first.")
    sent = WebhookDelivery(endpoint_id=endpoint_id, event_id=uuid4(), kind="webhook.test", payload={})
    session.add(sent)
    session.flush()
    return _delivery(sent)


def list_deliveries(session: Session, endpoint_id: UUID, state: str | None, page: PageRequest) -> Page[DeliveryView]:
    """The log of an endpoint, the newest first."""
    _find(session, endpoint_id)
    query = sa.select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    order = (WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
    return page.of(session, query.order_by(*order), _delivery)


def delivery(session: Session, endpoint_id: UUID, delivery_id: UUID) -> DeliveryDetail:
    """One entry of the log with everything that was tried."""
    found = _find_delivery(session, endpoint_id, delivery_id)
    attempts = session.scalars(
        sa.select(WebhookAttempt)
        .where(WebhookAttempt.delivery_id == delivery_id)
        .order_by(WebhookAttempt.number.desc())
        .limit(MAX_ATTEMPTS_SHOWN)
    )
    return DeliveryDetail(
        delivery=_delivery(found),
        data=found.payload,
        attempts=[AttemptView(number=a.number, at=a.at, ms=a.ms, status=a.status, error=a.error) for a in attempts],
    )


def replay(
    session: Session, principal: Principal, facts: RequestFacts, endpoint_id: UUID, delivery_id: UUID
) -> DeliveryView:
    """Sends it again, under the same `webhook-id`, with all retries before it.

    Raises:
        Conflict: it is on its way anyhow, or the endpoint is switched off.
    """
    endpoint = _find(session, endpoint_id, lock=True)
    found = _find_delivery(session, endpoint_id, delivery_id)
    if endpoint.disabled_at is not None:
        raise Conflict("This webhook is switched off. Switch it on first.")
    if _again(session, WebhookDelivery.id == delivery_id) == 0:
        raise Conflict("This message is on its way already.")
    session.refresh(found)
    audit(session, principal, facts, "webhook.replayed", subject=str(endpoint_id), delivery=str(delivery_id))
    return _delivery(found)


def replay_since(
    session: Session, principal: Principal, facts: RequestFacts, endpoint_id: UUID, wanted: Replay
) -> Replayed:
    """Sends again what has failed since then, or with `only_failed` off everything, and what was never sent.

    Raises:
        Conflict: the endpoint is switched off.
    """
    found = _find(session, endpoint_id, lock=True)
    if found.disabled_at is not None:
        raise Conflict("This webhook is switched off. Switch it on first.")
    since = wanted.since if wanted.since.tzinfo else wanted.since.replace(tzinfo=UTC)
    conditions = [WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.occurred_at >= since]
    if wanted.only_failed:
        conditions.append(WebhookDelivery.state == "failed")
    missed = {
        "endpoint": endpoint_id,
        "workspace": principal.workspace,
        "since": since,
        "wanted": found.events,
        "at_most": MAX_CAUGHT_UP,
    }
    count = _again(session, *conditions) + len(session.execute(CATCH_UP, missed).all())
    audit(session, principal, facts, "webhook.replayed", subject=str(endpoint_id), since=since.isoformat(), count=count)
    return Replayed(count=count)


def _again(session: Session, *conditions: sa.ColumnElement[bool]) -> int:
    again = (
        sa.update(WebhookDelivery)
        .where(*conditions, WebhookDelivery.state != "pending")
        .values(state="pending", failures=0, due_at=sa.func.now(), delivered_at=None)
        .returning(WebhookDelivery.id)
    )
    return len(session.execute(again, execution_options={"synchronize_session": False}).all())


def _find(session: Session, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint:
    query = sa.select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    found = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def _find_delivery(session: Session, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    found = session.scalar(
        sa.select(WebhookDelivery).where(WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint_id)
    )
    if found is None:
        raise NotFound("There is no such delivery.")
    return found


def _view(row: WebhookEndpoint) -> EndpointView:
    until = row.previous_secret_until
    return EndpointView(
        id=row.id,
        url=row.url,
        events=row.events,
        description=row.description,
        enabled=row.disabled_at is None,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        rotating_until=until if until and until > datetime.now(UTC) else None,
        created_at=row.created_at,
    )


def _delivery(row: WebhookDelivery) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        message_id=f"msg_{row.event_id.hex}",
        kind=row.kind,
        seq=row.seq,
        upload_id=row.upload_id,
        state=row.state,
        attempts=row.attempts,
        last_status=row.last_status,
        last_error=row.last_error,
        due_at=row.due_at if row.state == "pending" else None,
        delivered_at=row.delivered_at,
        created_at=row.created_at,
    )
