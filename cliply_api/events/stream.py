"""The wire formats: server-sent events and socket messages, and how long a stalled reader is waited for."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import msgspec
from litestar import Litestar, Request
from litestar.response import Stream
from litestar.types import Message, Receive, Scope, Send

from cliply_api.events.follow import Follower, Sign
from cliply_api.events.rows import Happened, Moved

__all__ = ["STALLED_SECONDS", "EventStream", "as_message", "as_sse"]

STALLED_SECONDS = 60.0
"""Somebody who takes nothing for so long is not there any more."""
RECONNECT_MS = 2000

Item = Happened | Moved | Sign


class EventStream(Stream):
    """An answer of server-sent events; `leave` is called when it ends, however it ends."""

    def __init__(self, follower: Follower, leave: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
        super().__init__(_encoded(follower), media_type="text/event-stream", headers=headers)
        self._leave = leave

    def to_asgi_response(self, app: Litestar | None, request: Request[Any, Any, Any], **options: Any) -> Any:
        """The stream, which ends for a reader that takes nothing."""
        inner = super().to_asgi_response(app, request, **options)

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            with anyio.CancelScope() as whole:

                async def sending(message: Message) -> None:
                    with anyio.move_on_after(STALLED_SECONDS) as patience:
                        await send(message)
                    if patience.cancelled_caught:
                        whole.cancel()
                        await anyio.lowlevel.checkpoint()

                try:
                    await inner(scope, receive, sending)
                finally:
                    self._leave()

        return stream


def as_message(item: Item) -> bytes:
    """What a socket is sent: `{"type": "event" | "progress" | "ready" | "resync" | "ping", …}`."""
    if isinstance(item, Sign):
        return msgspec.json.encode({"type": item.kind, "seq": item.seq})
    kind = "event" if isinstance(item, Happened) else "progress"
    return msgspec.json.encode({"type": kind, **msgspec.to_builtins(item)})


def as_sse(item: Item) -> bytes:
    """What an event stream is sent. Only what is kept has an `id`, so that `Last-Event-ID` always names an event."""
    if isinstance(item, Happened):
        return b"id: %d\ndata: %s\n\n" % (item.seq, msgspec.json.encode(item))
    if isinstance(item, Moved):
        return b"event: progress\ndata: %s\n\n" % msgspec.json.encode(item)
    if item.kind == "ping":
        return b": ping\n\n"
    return b'retry: %d\nevent: %s\nid: %d\ndata: {"seq":%d}\n\n' % (
        RECONNECT_MS,
        item.kind.encode(),
        item.seq,
        item.seq,
    )


async def _encoded(follower: Follower) -> AsyncIterator[bytes]:
    async for item in follower.items():
        yield as_sse(item)
