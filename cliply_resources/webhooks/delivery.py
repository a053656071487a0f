"""Sends what is due: claims it with SKIP LOCKED, sends it outside of any transaction, notes what came of it.

A claim lasts `LEASE_SECONDS`. Whoever dies in between leaves it to the next: nothing is lost, and a message may come twice, with
the same `webhook-id`. Any number of processes may do this at once.
"""

import random
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from cliply_resources.addresses import networks
from cliply_resources.database import Database
from cliply_resources.database.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from cliply_resources.errors import CallerError, CliplyError
from cliply_resources.outbound import PUBLIC, OutboundPolicy, check_url, post_once, retry_after_seconds
from cliply_resources.settings import Settings
from cliply_resources.vault import SealBroken, Vault
from cliply_resources.webhooks.sealing import secrets_in_force
from cliply_resources.webhooks.signing import retry_delay, sign

__all__ = [
    "LEASE_SECONDS",
    "Outcome",
    "check_endpoint_url",
    "deliver_next",
    "disable",
    "endpoints_due",
    "webhook_policy",
]

SEND_SECONDS = 15.0
"""A receiver should note the message and answer; what takes longer is a failure."""
LEASE_SECONDS = 60.0
"""Much longer than sending takes, or two would send the same message in normal operation."""
MAX_ANSWER_BYTES = 64 * 1024
GIVE_UP_AFTER = timedelta(days=5)
"""An endpoint that has answered nothing but errors for so long is switched off."""
KEEP = timedelta(days=30)
"""How long the log of deliveries goes back."""
ERROR_CHARACTERS = 500
GONE = 410
NO_SECRET = "Its signing secret cannot be opened any more. Replace it, and tell the receiver the new one."  # noqa: S105 - a sentence


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt."""

    delivered: bool
    status: int | None
    error: str | None
    seconds: float
    seconds_since_event: float


@dataclass(frozen=True)
class _Claimed:
    delivery: WebhookDelivery
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    trouble: str | None = None
    """Why it cannot be signed, and so not be sent."""


def webhook_policy(settings: Settings) -> OutboundPolicy:
    """Where webhooks may go: public servers over https, and what the operator allows besides."""
    own = networks(settings.webhook_private_networks)
    if not own:
        return replace(PUBLIC, max_redirects=0)
    # Services of one's own rarely have certificates and standard ports.
    return replace(PUBLIC, schemes=frozenset({"http", "https"}), ports=None, private_networks=own, max_redirects=0)


def check_endpoint_url(url: str, policy: OutboundPolicy) -> None:
    """Nothing, if webhooks could go there; where a name leads to is checked again on every delivery.

    Raises:
        CallerError: the policy does not allow it.
    """
    host = check_url(url, policy).host
    try:
        address = ip_address(host)
    except ValueError:
        return
    if not policy.may_connect(str(address)):
        raise CallerError(f"{host} is not a public address; only public servers may be named.")


def endpoints_due(database: Database, at_most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and endpoint for which something is due, in no order."""
    with database.across() as session:
        found = session.execute(sa.text("SELECT workspace_id, endpoint_id FROM app.webhooks_due(:n)"), {"n": at_most})
        return [(row.workspace_id, row.endpoint_id) for row in found]


def deliver_next(
    database: Database, vault: Vault, policy: OutboundPolicy, workspace_id: UUID, endpoint_id: UUID
) -> Outcome | None:
    """Sends the message that has waited longest for this endpoint; `None` when none is due (for us).

    Raises:
        TryLater: the database is away. What was sent may be sent again.
    """
    with database.api(workspace_id) as session:
        claimed = _claim(session, vault, endpoint_id)
    if claimed is None:
        return None
    begun = time.time()
    status, error, wait = _send(claimed, policy, begun)
    seconds = time.time() - begun
    delivered = error is None
    with database.api(workspace_id) as session:
        _note(session, claimed.delivery, begun=begun, seconds=seconds, status=status, error=error, wait=wait)
    since = begun + seconds - claimed.delivery.occurred_at.timestamp()
    return Outcome(delivered, status, error, seconds, since)


def disable(session: Session, endpoint_id: UUID, reason: str) -> None:
    """Sends nothing more there; what was waiting has failed, and can be replayed."""
    session.execute(
        sa.update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.disabled_at.is_(None))
        .values(disabled_at=sa.func.now(), disabled_reason=reason)
    )
    session.execute(
        sa.update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.state == "pending")
        .values(
            state="failed", last_error=sa.func.coalesce(WebhookDelivery.last_error, "The endpoint was switched off.")
        )
    )


def _claim(session: Session, vault: Vault, endpoint_id: UUID) -> _Claimed | None:
    waiting = (
        sa.select(WebhookDelivery.id)
        .where(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state == "pending",
            WebhookDelivery.due_at <= sa.func.now(),
        )
        .order_by(WebhookDelivery.due_at, WebhookDelivery.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("waiting")
    )
    claim = (
        sa.update(WebhookDelivery)
        .where(WebhookDelivery.id == waiting.c.id)
        .values(
            attempts=WebhookDelivery.attempts + 1,
            attempted_at=sa.func.now(),
            due_at=sa.func.now() + timedelta(seconds=LEASE_SECONDS),
        )
        .returning(WebhookDelivery)
    )
    delivery = session.scalars(claim, execution_options={"synchronize_session": False}).one_or_none()
    if delivery is None:
        return None
    url = session.scalars(sa.select(WebhookEndpoint.url).where(WebhookEndpoint.id == endpoint_id)).one()
    try:
        return _Claimed(delivery, url, secrets_in_force(session, endpoint_id, vault, datetime.now(UTC)))
    except SealBroken:
        return _Claimed(delivery, url, (), trouble=NO_SECRET)


def _body(delivery: WebhookDelivery) -> bytes:
    """The same bytes at every attempt."""
    data = {"workspace_id": str(delivery.workspace_id), "upload_id": delivery.upload_id, "seq": delivery.seq}
    message = {
        "type": delivery.kind,
        "timestamp": delivery.occurred_at.astimezone(UTC).isoformat(),
        "data": {**delivery.payload, **data},
    }
    return msgspec.json.encode(message, order="deterministic")


def _send(claimed: _Claimed, policy: OutboundPolicy, now: float) -> tuple[int | None, str | None, float | None]:
    """The answer's status, what is wrong with it, and how long the receiver wants to be left alone."""
    if claimed.trouble is not None:
        return None, claimed.trouble, None
    body = _body(claimed.delivery)
    signed = sign(body, claimed.secrets, message_id=f"msg_{claimed.delivery.event_id.hex}", timestamp=int(now))
    headers = {"content-type": "application/json", **signed}
    try:
        reply = post_once(
            claimed.url, policy=policy, headers=headers, body=body, timeout=SEND_SECONDS, max_bytes=MAX_ANSWER_BYTES
        )
    except CliplyError as failure:
        return None, str(failure)[:ERROR_CHARACTERS], None
    if 200 <= reply.status < 300:
        return reply.status, None, None
    if 300 <= reply.status < 400:
        return reply.status, f"It answered with a redirect ({reply.status}), which is not followed.", None
    wait = retry_after_seconds(reply.headers.get("retry-after"), now=now)
    return reply.status, f"It answered with {reply.status}.", wait


def _note(
    session: Session,
    delivery: WebhookDelivery,
    *,
    begun: float,
    seconds: float,
    status: int | None,
    error: str | None,
    wait: float | None,
) -> None:
    at = datetime.fromtimestamp(begun, UTC)
    attempt = WebhookAttempt(
        delivery_id=delivery.id, number=delivery.attempts, at=at, ms=round(seconds * 1000), status=status, error=error
    )
    # An endpoint that was deleted meanwhile took its deliveries with it; the lock keeps that from happening now.
    ours = (WebhookDelivery.id == delivery.id, WebhookDelivery.attempts == delivery.attempts)
    endpoint = session.scalars(
        sa.select(WebhookEndpoint).where(WebhookEndpoint.id == delivery.endpoint_id).with_for_update(key_share=True)
    ).one_or_none()
    if endpoint is None:
        return
    session.add(attempt)
    failures = delivery.failures + (error is not None)
    values: dict[str, object] = {"last_status": status, "last_error": error, "failures": failures}
    if error is None:
        values |= {"state": "delivered", "delivered_at": sa.func.now()}
    elif (delay := retry_delay(failures, random.random())) is None:  # noqa: S311 - spreads load, guards nothing
        values |= {"state": "failed"}
    else:
        values |= {"due_at": sa.func.now() + timedelta(seconds=max(delay, wait or 0.0))}
    session.execute(sa.update(WebhookDelivery).where(*ours, WebhookDelivery.state == "pending").values(values))
    _judge(session, endpoint, status, error, at)
    session.execute(
        sa.delete(WebhookDelivery).where(
            WebhookDelivery.endpoint_id == delivery.endpoint_id,
            WebhookDelivery.state != "pending",
            WebhookDelivery.created_at < sa.func.now() - KEEP,
        )
    )


def _judge(session: Session, endpoint: WebhookEndpoint, status: int | None, error: str | None, at: datetime) -> None:
    """Remembers since when the endpoint fails, and switches it off when that is too long or it says that it is gone."""
    if error is None:
        endpoint.failing_since = None
        return
    if endpoint.failing_since is None:
        endpoint.failing_since = at
    if endpoint.disabled_at is not None:
        return
    reason = ""
    if status == GONE:
        reason = "It answered with 410: it is gone."
    elif at - endpoint.failing_since > GIVE_UP_AFTER:
        reason = f"It has failed for {GIVE_UP_AFTER.days} days. The last time: {error}"
    if reason:
        session.flush()
        disable(session, endpoint.id, reason[:ERROR_CHARACTERS])
        session.execute(
            sa.text(
                "SELECT app.write_event(:workspace, NULL, 'webhook.disabled', jsonb_build_object('endpoint', CAST(:id AS text)))"
            ),
            {"workspace": endpoint.workspace_id, "id": str(endpoint.id)},
        )
