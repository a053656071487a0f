"""Follows a workspace: every event from a number on, percentages in between, a sign of life in silence."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import anyio
import structlog
from sqlalchemy.exc import SQLAlchemyError

from cliply_api.events.hub import EventHub, Subscription
from cliply_api.events.rows import BATCH, Happened, Moved, Reader, bounds, events_after, may_still_read, percentages
from cliply_api.web.metrics import METRICS
from cliply_resources.errors import CliplyError

__all__ = ["LIFE_SECONDS", "PING_SECONDS", "Follower", "Sign"]

PING_SECONDS = 15.0
"""Proxies cut connections that are silent for half a minute or so."""
LIFE_SECONDS = 15 * 60.0
"""Then the reader comes back with a fresh proof of who it is."""
PROGRESS_SECONDS = 0.5
"""Between two looks at percentages; eyes need no more."""
RETRY_SECONDS = 1.0

log = structlog.get_logger("cliply_api.events")


@dataclass(frozen=True)
class Sign:
    """Something about the stream itself."""

    kind: Literal["ready", "resync", "ping"]
    """`resync`: events before `seq` are no longer (or were never) there; read the lists again."""
    seq: int


@dataclass
class Follower:
    """One reader on their way through the events."""

    hub: EventHub
    subscription: Subscription
    reader: Reader
    after: int | None = None
    """The last event that the reader knows; without one, only what happens from now on is told."""
    upload_id: UUID | None = None
    ping_seconds: float = PING_SECONDS
    life_seconds: float = LIFE_SECONDS
    _seq: int | None = None
    _checked: float = 0.0
    _looked: float = 0.0

    async def items(self) -> AsyncIterator[Happened | Moved | Sign]:
        """Until the stream's life ends or the reader may not read any more; a database that is away is waited for."""
        now = self._checked = anyio.current_time()
        ends = now + self.life_seconds
        while now < ends:
            try:
                async for one in self._news():
                    yield one
                if now - self._checked >= self.ping_seconds:
                    self._checked = now
                    if not await self.hub.read(lambda: may_still_read(self.hub.database, self.reader)):
                        return
                    yield Sign("ping", self._seq or 0)
                await self.subscription.wait(min(self._pause(), ends - now))
            except (CliplyError, SQLAlchemyError) as failure:
                log.warning("a stream waits for the database", reason=str(failure))
                self.subscription.rung = True
                yield Sign("ping", self._seq or 0)
                await anyio.sleep(RETRY_SECONDS)
            now = anyio.current_time()

    def _pause(self) -> float:
        now = anyio.current_time()
        pause = self._checked + self.ping_seconds - now
        return min(pause, self._looked + PROGRESS_SECONDS - now) if self.subscription.moved else pause

    async def _news(self) -> AsyncIterator[Happened | Moved | Sign]:
        if self._seq is None:
            begin = await self._begin()
            self._seq = begin.seq
            yield begin
        while self.subscription.rung:
            for happened in await self._read(self._seq):
                yield happened
                self._seq = happened.seq
        if self.subscription.moved and anyio.current_time() - self._looked >= PROGRESS_SECONDS:
            self._looked = anyio.current_time()
            for moved in await self._percentages():
                yield moved

    async def _begin(self) -> Sign:
        newest, oldest = await self.hub.read(lambda: bounds(self.hub.database, self.reader.workspace_id))
        if self.after is None:
            return Sign("ready", newest)
        if self.after > newest:
            return Sign("resync", newest)
        if self.after < oldest - 1:
            return Sign("resync", oldest - 1)
        return Sign("ready", self.after)

    async def _read(self, seq: int) -> list[Happened]:
        self.subscription.rung = False
        found = await self.hub.read(
            lambda: events_after(self.hub.database, self.reader.workspace_id, seq, self.upload_id)
        )
        if len(found) == BATCH:
            self.subscription.rung = True
        now = datetime.now(UTC)
        for one in found:
            METRICS.observe("cliply_event_lag_seconds", max((now - one.at).total_seconds(), 0.0))
        return found

    async def _percentages(self) -> list[Moved]:
        parts = {one for one in self.subscription.moved if self.upload_id in {None, one[0]}}
        self.subscription.moved.clear()
        if not parts:
            return []
        return await self.hub.read(lambda: percentages(self.hub.database, self.reader.workspace_id, parts))
