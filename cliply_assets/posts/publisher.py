"""A publisher: one process that takes every post to its platform when it is due, many at once, in the order of each account.

It lives as long as it is told to, or until nothing is due for a while. Several may run side by side: a post is held by one of them.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
HOLD_SECONDS = 15.0
"""Prepared posts are taken in hand so long before they are due: at their moment only the intent and the result are written."""
HOLD_LOOK_SECONDS = 1.0
MOST_HELD = 2000
HOLD_BATCH = 8
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
        self._busy = 0
        self._held: dict[UUID, list[Work]] = {}
        """By account, each in the order of its turns."""
        self._look_again_at = 0.0
        self._hold_again_at = 0.0
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
                self._let_go()
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
        """Hands what is due to free threads; those that are free then take what is due soon in hand."""
        begun = self._begin_held(pool)
        with self._guard:
            in_hand, free = set(self._in_hand), self._threads - self._busy
        if free <= 0:
            return begun
        if monotonic() < self._look_again_at:
            return begun or self._begin_to_hold(pool, free)
        # What is held comes into this list only when it is overdue, and is left out of it.
        woken = self._records.to_wake(self._clock(), self._threads * 2)
        found = [pair for pair in woken if pair[1] not in in_hand]
        if len(woken) < self._threads * 2:
            self._look_again_at = monotonic() + LOOK_SECONDS
        for workspace_id, post_id in found[:free]:
            with self._guard:
                self._in_hand.add(post_id)
            self._submit(pool, self._work, workspace_id, post_id)
        begun += min(len(found), free)
        return begun or self._begin_to_hold(pool, free)

    def _begin_held(self, pool: ThreadPoolExecutor) -> int:
        """Accounts whose held posts are due now, as many as there are free threads."""
        now, count = self._clock(), 0
        with self._guard:
            ready = [account for account, held in self._held.items() if held[0].standing.due_at <= now]
            ready.sort(key=lambda account: self._held[account][0].standing.due_at)
            turns = []
            for account in ready[: max(self._threads - self._busy, 0)]:
                held = self._held.pop(account)
                due = [work for work in held if work.standing.due_at <= now]
                if len(due) < len(held):
                    self._held[account] = held[len(due) :]
                turns.append(due)
        for due in turns:
            self._submit(pool, self._publish_held, due)
            count += 1
        return count

    def _begin_to_hold(self, pool: ThreadPoolExecutor, free: int) -> int:
        """Looks for prepared posts that are due soon."""
        with self._guard:
            room = MOST_HELD - sum(len(held) for held in self._held.values())
            in_hand = set(self._in_hand)
        if room <= 0 or monotonic() < self._hold_again_at:
            return 0
        soon = self._clock() + timedelta(seconds=HOLD_SECONDS)
        wanted = min(free * HOLD_BATCH, room)
        found = [pair for pair in self._records.to_hold(soon, wanted) if pair[1] not in in_hand]
        if len(found) < wanted:
            self._hold_again_at = monotonic() + HOLD_LOOK_SECONDS
        for first in range(0, len(found), HOLD_BATCH):
            batch = found[first : first + HOLD_BATCH]
            with self._guard:
                self._in_hand.update(post_id for _, post_id in batch)
            self._submit(pool, self._hold, batch)
        return len(found)

    def _submit(self, pool: ThreadPoolExecutor, job: Callable[..., None], *what: object) -> None:
        with self._guard:
            self._busy += 1

        def work() -> None:
            try:
                job(*what)
            finally:
                with self._guard:
                    self._busy -= 1
                self._wake.set()

        pool.submit(work)

    def _hold(self, batch: list[tuple[UUID, UUID]]) -> None:
        for workspace_id, post_id in batch:
            held: Work | None = None
            if not self._stopping.is_set():
                with self._stumbling(post_id):
                    held = self._records.hold(workspace_id, post_id, self._clock(), ahead=HOLD_SECONDS)
            with self._guard:
                if held is None:
                    self._in_hand.discard(post_id)
                    continue
                turns = self._held.setdefault(held.account_id, [])
                turns.append(held)
                turns.sort(key=lambda work: (work.standing.due_at, work.post_id))

    def _publish_held(self, turns: list[Work]) -> None:
        """Posts of one account, in their order; what is put off is looked at again like any other."""
        for work in turns:
            try:
                if not self._stopping.is_set():
                    with self._stumbling(work.post_id):
                        self._taker.take(work)
                else:
                    self._records.let_go(work)
            finally:
                with self._guard:
                    self._in_hand.discard(work.post_id)

    def _let_go(self) -> None:
        """What is held and not begun is anybody's again."""
        with self._guard:
            left = [work for held in self._held.values() for work in held]
            self._held.clear()
        for work in left:
            try:
                self._records.let_go(work)
            except TryLater:
                # Whoever comes next finds that this publisher is dead.
                return

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
                with self._stumbling(current):
                    following = self._one(workspace_id, current, ahead)
                    ahead = BLOCKED_SECONDS
            finally:
                with self._guard:
                    self._in_hand.discard(current)
            following = self._take_in_hand(following)

    @contextmanager
    def _stumbling(self, post_id: UUID) -> Iterator[None]:
        """The post stays as its last stored step left it, and is looked at again."""
        try:
            yield
        except TryLater as error:
            log.warning("publisher_waits", why=str(error))
            self._stopping.wait(AFTER_TROUBLE_SECONDS)
        except Exception:
            # The boundary of a thread: one post that cannot be worked on must not end the publisher of all others.
            log.exception("publisher_stumbled", post=str(post_id))
            self._stopping.wait(AFTER_TROUBLE_SECONDS)

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
