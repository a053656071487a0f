"""A publisher: one process that takes every post to its platform when it is due, many at once, in the order of each account.

It lives as long as it is told to, or until nothing is due for a while. Several may run side by side: a post is held by one of them.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from time import monotonic
from uuid import UUID, uuid4

import structlog

from cliply_assets.posts.records import BLOCKED_SECONDS, PostRecords, Work, publisher_lock
from cliply_assets.posts.taking import Taker
from cliply_resources.database import Database
from cliply_resources.errors import TryLater
from cliply_resources.platforms.contract import Clock, Platform
from cliply_resources.platforms.registry import open_platform
from cliply_resources.settings import Settings
from cliply_resources.storage import Storage
from cliply_resources.vault import Vault

__all__ = ["PublishedPost", "Publisher"]

log = structlog.get_logger()

LOOK_SECONDS = 0.2
"""Between two looks at what is due, which cost one query of an index each."""
ALIVE_SECONDS = 2.0
AFTER_TROUBLE_SECONDS = 1.0


@dataclass(frozen=True)
class PublishedPost:
    """What a run reports."""

    workspace_id: UUID
    upload_id: UUID | None
    post_id: UUID
    platform: str
    url: str | None
    late: float
    """Seconds between the due moment and the publishing call."""


def _now() -> datetime:
    return datetime.now(UTC)


class Publisher:
    """Opened for one run; `run` may be called once."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        settings: Settings,
        *,
        clock: Clock = _now,
        platform_named: Callable[[str], Platform] | None = None,
    ) -> None:
        self.worker = uuid4()
        self._database = database
        self._clock = clock
        self._threads = settings.publish_threads
        named = platform_named or cache(lambda name: open_platform(name, settings))
        self._records = PostRecords(
            database,
            Vault(settings),
            named,
            worker=self.worker,
            lease_seconds=settings.publish_lease_seconds,
            takeover_seconds=settings.publish_takeover_seconds,
        )
        self._taker = Taker(
            records=self._records,
            storage=storage,
            platform_named=named,
            clock=clock,
            on_published=self._note,
        )
        self._published: queue.SimpleQueue[PublishedPost] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._in_hand: set[UUID] = set()
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Takes up nothing more; what is being worked on is stored at its next step."""
        self._stopping.set()
        self._wake.set()

    def run(self, *, idle_seconds: float | None = None, tell: Callable[[PublishedPost], None] = lambda _: None) -> int:
        """Publishes until nothing is due within `idle_seconds` (`None`: until `stop`); returns how many posts that were.

        Raises:
            TryLater: the database, and with it the proof that this publisher lives, was lost.
        """
        count = 0
        with (
            self._database.advisory_lock(publisher_lock(self.worker), wait_seconds=None),
            ThreadPoolExecutor(self._threads, thread_name_prefix="post") as pool,
        ):
            try:
                for told in self._rounds(pool, idle_seconds):
                    tell(told)
                    count += 1
            finally:
                self._stopping.set()
        while not self._published.empty():
            tell(self._published.get())
            count += 1
        return count

    def _rounds(self, pool: ThreadPoolExecutor, idle_seconds: float | None) -> Iterator[PublishedPost]:
        looked_alive = monotonic()
        while not self._stopping.is_set():
            if monotonic() - looked_alive > ALIVE_SECONDS:
                if not self._records.lives(self.worker):
                    raise TryLater("The connection that proves that this publisher lives is gone; start it again.")
                looked_alive = monotonic()
            begun = self._begin_due(pool)
            while not self._published.empty():
                yield self._published.get()
            if not begun and idle_seconds is not None and self._idle(idle_seconds):
                return
            if not begun:
                self._wake.wait(LOOK_SECONDS)
                self._wake.clear()

    def _begin_due(self, pool: ThreadPoolExecutor) -> int:
        """Hands what is due to free threads."""
        with self._guard:
            in_hand = set(self._in_hand)
        free = self._threads - len(in_hand)
        if free <= 0:
            return 0
        found = [pair for pair in self._records.to_wake(self._clock(), free + len(in_hand)) if pair[1] not in in_hand]
        for workspace_id, post_id in found[:free]:
            with self._guard:
                self._in_hand.add(post_id)
            pool.submit(self._work, workspace_id, post_id)
        return min(len(found), free)

    def _idle(self, seconds: float) -> bool:
        with self._guard:
            if self._in_hand:
                return False
        return not self._records.to_wake(self._clock() + timedelta(seconds=seconds), 1)

    def _work(self, workspace_id: UUID, post_id: UUID) -> None:
        """One post, and then those of the same account that wait behind it."""
        following: UUID | None = post_id
        ahead = 0.0
        while following is not None and not self._stopping.is_set():
            current, following = following, None
            try:
                following = self._one(workspace_id, current, ahead)
                ahead = BLOCKED_SECONDS
            except TryLater as error:
                log.warning("publisher_waits", why=str(error))
                self._stopping.wait(AFTER_TROUBLE_SECONDS)
            except Exception:
                # The post stays as its last stored step left it, and is looked at again.
                log.exception("publisher_stumbled", post=str(current))
                self._stopping.wait(AFTER_TROUBLE_SECONDS)
            finally:
                with self._guard:
                    self._in_hand.discard(current)
            following = self._take_in_hand(following)
        self._wake.set()

    def _one(self, workspace_id: UUID, post_id: UUID, ahead: float) -> UUID | None:
        work = self._records.claim(workspace_id, post_id, self._clock(), ahead=ahead)
        if work is None:
            return None
        ended = self._taker.take(work)
        if ended is None or work.standing.committed_at is not None or ended.standing.committed_at is None:
            return None
        return self._records.next_of_account(ended, self._clock())

    def _take_in_hand(self, post_id: UUID | None) -> UUID | None:
        """The post, unless another thread has it."""
        if post_id is None:
            return None
        with self._guard:
            if post_id in self._in_hand:
                return None
            self._in_hand.add(post_id)
        return post_id

    def _note(self, work: Work) -> None:
        committed = work.standing.committed_at or self._clock()
        self._published.put(
            PublishedPost(
                workspace_id=work.workspace_id,
                upload_id=work.upload_id,
                post_id=work.post_id,
                platform=work.access.platform if work.access else "",
                url=work.published.url if work.published else None,
                late=(committed - work.standing.due_at).total_seconds(),
            )
        )
        self._wake.set()
