"""`/api/webhooks`."""

from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy.orm import Session

from cliply_api.accounts.desk import Desk
from cliply_api.auth.guards import may
from cliply_api.auth.principal import Principal
from cliply_api.web.facts import RequestFacts
from cliply_api.web.idempotency import IDEMPOTENT
from cliply_api.web.pages import Page, PageRequest
from cliply_api.webhooks import service
from cliply_api.webhooks.schemas import (
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

__all__ = ["routes"]

ENDPOINT = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e21",
    "url": "https://hooks.example.com/cliply",
    "events": ["clip.*", "upload.completed"],
    "description": "newsroom",
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "rotating_until": None,
    "created_at": "2026-11-20T10:00:00Z",
}
DELIVERY = {
    "id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e22",
    "message_id": "msg_0192f0c47e1a7c3e9a550f6c2b9d1e23",
    "kind": "clip.approved",
    "seq": 118,
    "upload_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e13",
    "state": "delivered",
    "attempts": 1,
    "last_status": 204,
    "last_error": None,
    "due_at": None,
    "delivered_at": "2026-11-20T10:00:01Z",
    "created_at": "2026-11-20T10:00:00Z",
}
ATTEMPT = {"number": 1, "at": "2026-11-20T10:00:01Z", "ms": 84, "status": 204, "error": None}
SECRET = "whsec_…"  # noqa: S105 - an example's ellipsis
State = Annotated[Literal["pending", "delivered", "failed"] | None, QueryParameter(name="state")]
AnyRequest = Request[Any, Any, Any]


@post(
    "/",
    guards=[may("webhook.manage")],
    opt={
        "examples": {
            "body": {"url": ENDPOINT["url"], "events": ENDPOINT["events"], "description": "newsroom"},
            201: {"secret": SECRET, "info": ENDPOINT},
        }
    },
    operation_id="CreateWebhook",
    summary="Register a webhook",
    sync_to_thread=True,
)
def create(
    request: AnyRequest,
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    data: JSONBody[NewEndpoint],
) -> EndpointMade:
    """The secret is shown in this answer only. No `Idempotency-Key` here: an answer that is kept would keep the secret."""
    return service.create(session, principal, facts, request.app.state.webhook_policy, desk.vault, data)


@get(
    "/",
    guards=[may("webhook.read")],
    opt={"examples": {200: {"data": [ENDPOINT], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListWebhooks",
    summary="List webhooks",
    sync_to_thread=True,
)
def list_endpoints(session: NamedDependency[Session], page: NamedDependency[PageRequest]) -> Page[EndpointView]:
    """All of the workspace, the newest first."""
    return service.list_endpoints(session, page)


@get(
    "/{webhook_id:uuid}",
    guards=[may("webhook.read")],
    opt={"examples": {200: ENDPOINT}},
    operation_id="GetWebhook",
    summary="Look at a webhook",
    sync_to_thread=True,
)
def one(session: NamedDependency[Session], webhook_id: FromPath[UUID]) -> EndpointView:
    """Without its secret, which nobody can ask for again."""
    return service.one(session, webhook_id)


@patch(
    "/{webhook_id:uuid}",
    guards=[may("webhook.manage")],
    opt={"examples": {"body": {"events": ["*"], "enabled": True}, 200: ENDPOINT}},
    operation_id="ChangeWebhook",
    summary="Change a webhook",
    sync_to_thread=True,
)
def change(
    request: AnyRequest,
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    webhook_id: FromPath[UUID],
    data: JSONBody[ChangedEndpoint],
) -> EndpointView:
    """Switching it on again sends nothing of what it missed; replay that."""
    return service.change(session, principal, facts, request.app.state.webhook_policy, webhook_id, data)


@delete(
    "/{webhook_id:uuid}",
    guards=[may("webhook.manage")],
    operation_id="DeleteWebhook",
    summary="Delete a webhook",
    sync_to_thread=True,
)
def remove(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    webhook_id: FromPath[UUID],
) -> None:
    """With its log of deliveries."""
    service.remove(session, principal, facts, webhook_id)


@post(
    "/{webhook_id:uuid}/rotate",
    guards=[may("webhook.manage")],
    opt={"examples": {201: {"secret": SECRET, "previous_valid_until": "2026-11-21T10:00:00Z"}}},
    operation_id="RotateWebhookSecret",
    summary="Replace a webhook's secret",
    sync_to_thread=True,
)
def rotate(
    session: NamedDependency[Session],
    desk: NamedDependency[Desk],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    webhook_id: FromPath[UUID],
) -> SecretView:
    """Shown in this answer only. For a day every message carries a signature of either secret."""
    return service.rotate(session, principal, facts, desk.vault, webhook_id)


@post(
    "/{webhook_id:uuid}/test",
    guards=[may("webhook.manage")],
    opt=IDEMPOTENT | {"examples": {201: {**DELIVERY, "kind": "webhook.test", "seq": None, "upload_id": None}}},
    operation_id="TestWebhook",
    summary="Send a test message",
    sync_to_thread=True,
)
def test(session: NamedDependency[Session], webhook_id: FromPath[UUID]) -> DeliveryView:
    """Of the kind `webhook.test`; the log tells what came of it."""
    return service.test(session, webhook_id)


@post(
    "/{webhook_id:uuid}/replay",
    guards=[may("webhook.manage")],
    opt=IDEMPOTENT | {"examples": {"body": {"since": "2026-11-20T00:00:00Z", "only_failed": True}, 201: {"count": 12}}},
    operation_id="ReplayWebhook",
    summary="Send again what happened since a moment",
    sync_to_thread=True,
)
def replay_since(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    webhook_id: FromPath[UUID],
    data: JSONBody[Replay],
) -> Replayed:
    """What has failed, and what was never sent because the webhook was switched off or not there; with `only_failed` off
    everything. Messages keep their ids. At most 10,000 that were never sent; ask again for more."""
    return service.replay_since(session, principal, facts, webhook_id, data)


@get(
    "/{webhook_id:uuid}/deliveries",
    guards=[may("webhook.read")],
    opt={"examples": {200: {"data": [DELIVERY], "total": 1, "page": 1, "pages": 1}}},
    operation_id="ListDeliveries",
    summary="List a webhook's deliveries",
    sync_to_thread=True,
)
def list_deliveries(
    session: NamedDependency[Session],
    page: NamedDependency[PageRequest],
    webhook_id: FromPath[UUID],
    wanted_state: State = None,
) -> Page[DeliveryView]:
    """What was sent, is waiting, or has failed; the newest first."""
    return service.list_deliveries(session, webhook_id, wanted_state, page)


@get(
    "/{webhook_id:uuid}/deliveries/{delivery_id:uuid}",
    guards=[may("webhook.read")],
    opt={"examples": {200: {"delivery": DELIVERY, "data": {"state": "approved"}, "attempts": [ATTEMPT]}}},
    operation_id="GetDelivery",
    summary="Look at a delivery and its attempts",
    sync_to_thread=True,
)
def delivery(
    session: NamedDependency[Session], webhook_id: FromPath[UUID], delivery_id: FromPath[UUID]
) -> DeliveryDetail:
    """Every try with its time, duration and what the receiver answered."""
    return service.delivery(session, webhook_id, delivery_id)


@post(
    "/{webhook_id:uuid}/deliveries/{delivery_id:uuid}/replay",
    guards=[may("webhook.manage")],
    opt=IDEMPOTENT | {"examples": {201: {**DELIVERY, "state": "pending"}}},
    operation_id="ReplayDelivery",
    summary="Send a delivery again",
    sync_to_thread=True,
)
def replay(
    session: NamedDependency[Session],
    principal: NamedDependency[Principal],
    facts: NamedDependency[RequestFacts],
    webhook_id: FromPath[UUID],
    delivery_id: FromPath[UUID],
) -> DeliveryView:
    """Under the same `webhook-id`, so that a receiver that has it already does nothing twice."""
    return service.replay(session, principal, facts, webhook_id, delivery_id)


routes = Router(
    "/api/webhooks",
    route_handlers=[
        create,
        list_endpoints,
        one,
        change,
        remove,
        rotate,
        test,
        replay_since,
        list_deliveries,
        delivery,
        replay,
    ],
    tags=["Webhooks"],
)
