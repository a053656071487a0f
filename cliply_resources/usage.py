"""What a piece of work takes: processor time with that of its children, a GPU, bytes, tokens, and what that costs.

Work that failed leaves no usage: only a step that is completed writes it to its row, so that nobody is charged for failures.
"""

import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from cliply_resources.settings import get_settings

__all__ = ["Prices", "Taken", "cost_of", "count_tokens", "meter", "nothing_used", "prices"]

MILLION = 1_000_000
HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Prices:
    """In the currency that the operator thinks in; nothing costs anything until they are set."""

    cpu_hour: float = 0.0
    gpu_hour: float = 0.0
    million_tokens_in: float = 0.0
    million_tokens_out: float = 0.0


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        used += usage.ru_utime + usage.ru_stime
    return used


@dataclass
class Taken:
    """Counts while work goes on."""

    read_bytes: int = 0
    began: float = field(default_factory=time.monotonic)
    cpu_before: float = field(default_factory=_cpu_seconds)
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0

    def end(self) -> None:
        """No more is counted. A step that uses a GPU keeps others off it from its start to its end, so its time counts whole."""
        self.seconds = time.monotonic() - self.began
        self.cpu_seconds = _cpu_seconds() - self.cpu_before
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            self.gpu_seconds = self.seconds

    def usage(self, *, stored_bytes: int) -> dict[str, float]:
        """As it goes into a row: seconds, bytes, tokens, and `cost` by today's prices."""
        found: dict[str, float] = {
            "cpu_seconds": round(self.cpu_seconds, 2),
            "gpu_seconds": round(self.gpu_seconds, 2),
            "seconds": round(self.seconds, 2),
            "read_bytes": self.read_bytes,
            "stored_bytes": stored_bytes,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
        }
        return found | {"cost": cost_of(found, prices())}


_now_counting: ContextVar[Taken | None] = ContextVar("now_counting", default=None)


def prices() -> Prices:
    """The settings' prices."""
    settings = get_settings()
    return Prices(
        cpu_hour=settings.price_cpu_hour,
        gpu_hour=settings.price_gpu_hour,
        million_tokens_in=settings.price_million_tokens_in,
        million_tokens_out=settings.price_million_tokens_out,
    )


def cost_of(usage: Mapping[str, float], by: Prices) -> float:
    """An estimate, rounded to a millionth."""
    return round(
        usage.get("cpu_seconds", 0.0) / HOUR * by.cpu_hour
        + usage.get("gpu_seconds", 0.0) / HOUR * by.gpu_hour
        + usage.get("tokens_in", 0) / MILLION * by.million_tokens_in
        + usage.get("tokens_out", 0) / MILLION * by.million_tokens_out,
        6,
    )


def nothing_used() -> dict[str, float]:
    """Of work that was found done."""
    return Taken().usage(stored_bytes=0)


def count_tokens(taken_in: int, given_out: int) -> None:
    """Adds a language model's tokens to the work that is going on; outside of any, nobody counts."""
    now = _now_counting.get()
    if now is not None:
        now.tokens_in += taken_in
        now.tokens_out += given_out


@contextmanager
def meter(*, read_bytes: int) -> Iterator[Taken]:
    """Counts what the block takes; `read_bytes` is the size of the stored objects that it reads."""
    taken = Taken(read_bytes=read_bytes)
    token = _now_counting.set(taken)
    try:
        yield taken
    finally:
        _now_counting.reset(token)
        taken.end()
