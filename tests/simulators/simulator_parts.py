"""What a simulator is made of: faults on purpose, a clock that is set by hand, and a ledger of what was really published."""

import re
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """How a platform misbehaves. The first seven the base does; the others a simulator asks about with `fault_is`."""

    DROP_BEFORE = "drop_before"  # the request is read, nothing happens, the connection breaks
    DROP_AFTER = "drop_after"  # it takes effect, the connection breaks
    DROP_BODY = "drop_body"  # half of the body is read, then the connection breaks
    ERROR_BEFORE = "error_before"  # 500 (or `status`), nothing happened
    ERROR_AFTER = "error_after"  # 500 (or `status`) although it took effect
    RATE_LIMIT = "rate_limit"  # 429 with Retry-After
    SLOW = "slow"  # `seconds` of real time before the answer, which is right
    EXPIRE_TOKEN = "expire_token"  # the access token of this request dies just before it is looked at
    LOSE_SESSION = "lose_session"  # the upload session, container or media id is gone
    REJECT = "reject"  # moderation or conversion refuses, after publishing where the platform does so
    LATE_ID = "late_id"  # the id of the post is named late
    PARTIAL = "partial"  # fewer bytes are kept than were sent
    STUCK = "stuck"  # processing does not end within the next polls


@dataclass
class Fault:
    """Happens to the next `times` requests that match, after `skip` that do."""

    kind: FaultKind
    method: str = ".*"
    path: str = ".*"
    times: int = 1
    skip: int = 0
    status: int = 500
    seconds: float = 0.5
    retry_after: int | None = 1
    body: Any = None


class FaultPlan:
    """Faults in the order in which they were planned; each is used up."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._lock = threading.Lock()
        self.happened: list[Fault] = []

    def add(self, kind: FaultKind | str, **how: Any) -> None:
        """Plans one."""
        with self._lock:
            self._planned.append(Fault(kind=FaultKind(kind), **how))

    def take(self, asked: Any, kinds: set[FaultKind]) -> Fault | None:
        """The first planned fault of these kinds for this request, used up by one."""
        with self._lock:
            for fault in self._planned:
                if fault.kind not in kinds or fault.times <= 0:
                    continue
                if not (re.fullmatch(fault.method, asked.method) and re.search(fault.path, asked.path)):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                self.happened.append(replace(fault))
                return fault
        return None

    def clear(self) -> None:
        """Forgets what was planned."""
        with self._lock:
            self._planned.clear()

    @property
    def left(self) -> int:
        """How often something will still happen."""
        with self._lock:
            return sum(fault.times for fault in self._planned)


class FakeClock:
    """A clock that stands still until it is moved; call it for the time, as the adapters do."""

    def __init__(self, start: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> datetime:
        """Moves it; a negative number moves it back."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return self._now


class RealClock(FakeClock):
    """The machine's clock, for tests with real processes; `advance` adds to it."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))
        self._begin = time.monotonic()

    def __call__(self) -> datetime:
        return super().__call__() + timedelta(seconds=time.monotonic() - self._begin)


@dataclass(frozen=True)
class Entry:
    """One post that exists on the platform."""

    account: str
    remote_id: str
    key: str  # what makes two entries a double: the caption, the title, the marker
    at: datetime
    what: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """What was really published, whatever anybody was told."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def publish(self, *, account: str, remote_id: str, key: str, **what: Any) -> Entry:
        """Writes it down; there is no way to take it back."""
        entry = Entry(account, remote_id, key, self._clock(), what)
        with self._lock:
            self._entries.append(entry)
        return entry

    @property
    def entries(self) -> list[Entry]:
        """All, oldest first."""
        with self._lock:
            return list(self._entries)

    def of(self, key: str) -> list[Entry]:
        """Those with this key; more than one is a double."""
        return [entry for entry in self.entries if entry.key == key]

    def doubles(self) -> dict[str, int]:
        """Keys that were published more than once, and how often."""
        counts: dict[str, int] = {}
        for entry in self.entries:
            counts[f"{entry.account}/{entry.key}"] = counts.get(f"{entry.account}/{entry.key}", 0) + 1
        return {key: count for key, count in counts.items() if count > 1}
