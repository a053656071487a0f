"""`/api/events` and `/ws/uploads/{upload_id}`."""

from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

import anyio
from litestar import Request, Router, WebSocket, get, post, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect, WebSocketException
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from sqlalchemy.orm import Session

from cliply_api.auth.guards import may, public
from cliply_api.auth.principal import Principal
from cliply_api.errors import RateLimited
from cliply_api.events import tickets
from cliply_api.events.follow import Follower
from cliply_api.events.hub import EventHub
from cliply_api.events.rows import Reader, may_still_read
from cliply_api.events.schemas import NewTicket, TicketView
from cliply_api.events.stream import STALLED_SECONDS, EventStream, as_message
from cliply_resources.settings import Settings

__all__ = ["routes", "socket_routes"]

MAX_SEQ = 2**63 - 1
BAD_TICKET, NOT_ALLOWED, TOO_MANY, LIFE_ENDED = 4401, 4403, 4429, 1001

Seq = Annotated[int | None, HeaderParameter(name="Last-Event-ID", ge=0, le=MAX_SEQ)]
EXAMPLE = (
    'retry: 2000\nevent: ready\nid: 117\ndata: {"seq":117}\n\n'
    'id: 118\ndata: {"seq":118,"id":"0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e23","kind":"clip.approved",'
    '"upload_id":"0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e13","at":"2026-11-20T10:00:00Z","data":{"state":"approved"}}\n\n'
)

WorkspaceAsked = Annotated[
    UUID | None, QueryParameter(name="workspace_id", description="Instead of `X-Workspace-Id`, for an EventSource.")
]
SeqAsked = Annotated[int | None, QueryParameter(name="last_event_id", ge=0, le=MAX_SEQ)]


@get(
    "/",
    guards=[may("event.read")],
    opt={"workspace_in_query": True, "examples": {200: EXAMPLE}},
    media_type="text/event-stream",
    operation_id="FollowEvents",
    summary="Follow what happens in the workspace",
    sync_to_thread=False,
)
def follow_events(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    last_event_id: Seq = None,
    last_event_id_asked: SeqAsked = None,
    _workspace_id: WorkspaceAsked = None,
) -> EventStream:
    """Server-sent events. With `Last-Event-ID` (or `?last_event_id=`) everything after that event, else from now on.

    `ready` opens the stream, `resync` says that events are missing and lists should be read again, `progress` tells percentages
    and is not kept. A comment comes every 15 s. After 15 minutes the stream ends; connect again with the last id.
    """
    hub: EventHub = request.app.state.hub
    reader = Reader(
        workspace_id=principal.workspace,
        user_id=principal.user_id,
        session_id=principal.session_id,
        token_id=principal.token_id,
    )
    subscription = hub.subscribe(reader.workspace_id)
    after = last_event_id if last_event_id is not None else last_event_id_asked
    return EventStream(Follower(hub, subscription, reader, after), lambda: hub.leave(subscription))


@post(
    "/tickets",
    guards=[may("event.read")],
    opt={
        "examples": {
            "body": {"upload_id": "0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e13"},
            201: {
                "ticket": "0192f0c47e1a7c3e9a550f6c2b9d1e11.Xy12…",
                "path": "/ws/uploads/0192f0c4-7e1a-7c3e-9a55-0f6c2b9d1e13?ticket=0192f0c4…",
                "expires_at": "2026-11-20T10:00:30Z",
            },
        }
    },
    operation_id="CreateTicket",
    summary="Get a ticket for an upload's socket",
    sync_to_thread=True,
)
def create_ticket(
    session: NamedDependency[Session], principal: NamedDependency[Principal], data: JSONBody[NewTicket]
) -> TicketView:
    """Opens `WS /ws/uploads/{id}` once, within 30 s. Browsers cannot send a token when they open a socket."""
    return tickets.issue(session, principal, data.upload_id)


@websocket("/ws/uploads/{upload_id:uuid}", guards=[public()])
async def follow_upload(socket: WebSocket[Any, Any, Any], upload_id: FromPath[UUID]) -> None:
    """What happens to one upload, as messages of JSON; `?after=` a number replays what came after that event."""
    _check_origin(socket)
    hub: EventHub = socket.app.state.hub
    given = str(socket.query_params.get("ticket", ""))
    reader = await hub.read(lambda: tickets.redeem(hub.database, given, upload_id))
    if reader is None:
        raise WebSocketException(detail="The ticket is not valid (any more).", code=BAD_TICKET)
    found = reader
    if not await hub.read(lambda: may_still_read(hub.database, found)):
        raise WebSocketException(detail="You may not read this workspace's events.", code=NOT_ALLOWED)
    try:
        subscription = hub.subscribe(reader.workspace_id)
    except RateLimited as full:
        raise WebSocketException(detail=str(full), code=TOO_MANY) from full
    after = str(socket.query_params.get("after", ""))
    known = min(int(after), MAX_SEQ) if after.isascii() and after.isdigit() and len(after) < 20 else None
    try:
        await socket.accept()
        await _talk(socket, Follower(hub, subscription, reader, known, upload_id))
    finally:
        hub.leave(subscription)


async def _talk(socket: WebSocket[Any, Any, Any], follower: Follower) -> None:
    async with anyio.create_task_group() as tasks:

        async def hear() -> None:
            """Nothing that is said to us matters, but that the other side hangs up does."""
            try:
                while True:
                    await socket.receive_data("text")
            except (WebSocketDisconnect, WebSocketException):
                tasks.cancel_scope.cancel()

        tasks.start_soon(hear)
        with suppress(WebSocketDisconnect, OSError):  # they hung up while we spoke
            async for item in follower.items():
                with anyio.move_on_after(STALLED_SECONDS) as patience:
                    await socket.send_data(as_message(item), mode="text")
                if patience.cancelled_caught:
                    break
            await socket.close(code=LIFE_ENDED, reason="Connect again with a new ticket.")
        tasks.cancel_scope.cancel()


def _check_origin(socket: WebSocket[Any, Any, Any]) -> None:
    """Browsers say which page asks; programs say nothing, and have the ticket."""
    origin = socket.headers.get("Origin")
    settings: Settings = socket.app.state.settings
    here = f"{socket.base_url}".rstrip("/").replace("ws", "http", 1)
    if origin is not None and origin not in {settings.public_url.rstrip("/"), *settings.cors_origins, here}:
        raise WebSocketException(detail="This page may not open a socket here.", code=NOT_ALLOWED)


routes = Router("/api/events", route_handlers=[follow_events, create_ticket], tags=["Events"])
socket_routes = follow_upload
