"""One listening connection for the whole process, and everybody who wants to hear of its rings.

A ring says where to look, never what happened: whoever is rung reads the rows of their own workspace, as far as they have come.
So nothing piles up for a slow reader, nothing is lost while the connection is away, and no row reaches a foreign workspace.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar
from uuid import UUID

import anyio
import anyio.to_thread
import msgspec
import psycopg
import structlog
from anyio.from_thread import BlockingPortal
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cliply_api.errors import RateLimited
from cliply_resources.database import Database, Notice
from cliply_resources.errors import CliplyError

__all__ = ["EventHub", "Part", "Subscription"]

EVENTS, PROGRESS = "cliply_events", "cliply_progress"
SILENCE_SECONDS = 15.0
"""Everybody looks at the rows after so much silence, should a connection be dead without knowing it."""
RETRY_SECONDS = 1.0
READERS = 8
"""Threads that read rows for streams, apart from those of the handlers."""
FULL_RETRY_SECONDS = 30.0

Part = tuple[UUID, str, str]
"""Upload, step and part whose percentage has moved."""
T = TypeVar("T")

log = structlog.get_logger("cliply_api.events")


class _Ring(msgspec.Struct):
    workspace: UUID
    upload: UUID | None = None
    step: str = ""
    part: str = ""


class Subscription:
    """One reader of one workspace; its methods belong to the event loop."""

    def __init__(self, workspace_id: UUID) -> None:
        self.workspace_id = workspace_id
        self.rung = True
        """Whether there may be new events; the reader takes it back before it looks."""
        self.moved: set[Part] = set()
        """Percentages that moved; bounded by the steps that there are."""
        self._bell = anyio.Event()

    def ring(self, part: Part | None = None) -> None:
        """Wakes the reader."""
        if part is None:
            self.rung = True
        else:
            self.moved.add(part)
        self._bell.set()

    async def wait(self, seconds: float) -> None:
        """Until it rings, or so many seconds have passed."""
        with anyio.move_on_after(max(seconds, 0.0)):
            await self._bell.wait()
        self._bell = anyio.Event()


class EventHub:
    """The process's ear; `run` keeps it open."""

    def __init__(self, database: Database, *, per_workspace: int) -> None:
        self.database = database
        self.listening = False
        """Whether the connection is up; readers see everything without it, too, only later."""
        self._per_workspace = per_workspace
        self._readers: dict[UUID, set[Subscription]] = {}
        self._threads = anyio.CapacityLimiter(READERS)
        self._stopping = threading.Event()

    def subscribe(self, workspace_id: UUID) -> Subscription:
        """A new reader, to be given back by `leave`.

        Raises:
            RateLimited: the workspace has as many as it may have.
        """
        present = self._readers.setdefault(workspace_id, set())
        if len(present) >= self._per_workspace:
            raise RateLimited(FULL_RETRY_SECONDS, f"open streams (at most {self._per_workspace} for a workspace)")
        made = Subscription(workspace_id)
        present.add(made)
        return made

    def leave(self, reader: Subscription) -> None:
        """Forgets a reader."""
        present = self._readers.get(reader.workspace_id, set())
        present.discard(reader)
        if not present:
            self._readers.pop(reader.workspace_id, None)

    @property
    def readers(self) -> int:
        """How many there are."""
        return sum(len(present) for present in self._readers.values())

    async def read(self, look: Callable[[], T]) -> T:
        """Runs a query in a thread of ours, so that streams take none from the handlers."""
        return await anyio.to_thread.run_sync(look, limiter=self._threads)

    async def run(self) -> None:
        """Listens until it is cancelled; a connection that breaks is made anew, and everybody looks at what they missed."""
        async with BlockingPortal() as portal:
            ear = threading.Thread(target=self._listen, args=(portal,), name="events", daemon=True)
            ear.start()
            try:
                await anyio.sleep_forever()
            finally:
                self._stopping.set()
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self._hang_up, ear)

    def _hang_up(self, ear: threading.Thread) -> None:
        """Rings ourselves: the listener is inside of a read that nothing else ends."""
        try:
            with self.database.across() as session:
                session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": PROGRESS})
        except (CliplyError, SQLAlchemyError) as failure:
            log.info("nobody to say goodbye to", reason=str(failure))
        ear.join(timeout=2.0)

    def _listen(self, portal: BlockingPortal) -> None:
        while not self._stopping.is_set():
            try:
                with closing(_rings(self.database)) as rings:
                    for ring in rings:
                        if self._stopping.is_set():
                            return
                        self.listening = True
                        portal.start_task_soon(self._hand_out, ring)
            except (CliplyError, psycopg.Error, OSError) as failure:
                self.listening = False
                log.warning("the database cannot be heard", reason=str(failure))
            except RuntimeError:
                return  # the event loop has ended before us
            self._stopping.wait(RETRY_SECONDS)

    def _hand_out(self, ring: Notice | None) -> None:
        if ring is None:
            for present in self._readers.values():
                for reader in present:
                    reader.ring()
            return
        try:
            said = msgspec.json.decode(ring.payload, type=_Ring)
        except msgspec.MsgspecError:
            return  # a goodbye
        part = (said.upload, said.step, said.part) if ring.channel == PROGRESS and said.upload else None
        for reader in self._readers.get(said.workspace, ()):
            reader.ring(part)


def _rings(database: Database) -> Generator[Notice | None, None, None]:
    yield from database.listen(EVENTS, PROGRESS, timeout=SILENCE_SECONDS)
