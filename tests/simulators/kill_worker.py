"""A publisher in a process of its own that kills itself around the n-th call to the platform. Its clock is the simulator's."""

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from publishing_driver import make_video  # noqa: F401 - loaded before the fork, as all that a publisher needs

from cliply_assets.posts.publisher import Publisher
from cliply_resources.database import Database
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage


@dataclass(frozen=True)
class Errand:
    """What one worker is to do; strings and numbers only, because it crosses processes."""

    harness: str
    settings: dict[str, Any]
    simulator: str
    death: str = ""  # before, during, after; empty lives on
    number: int = 0
    link: str = ""  # where the platform can fetch the film, for platforms that do
    report: str = ""  # where to write how many calls were made


def clock_of(url: str) -> Callable[[], datetime]:
    """The simulator's clock, asked over HTTP."""

    def now() -> datetime:
        with urllib.request.urlopen(f"{url}/__sim/clock", timeout=10) as answer:
            return datetime.fromisoformat(json.load(answer)["now"])

    return now


class Mortal:
    """An adapter whose process dies around one of its calls."""

    def __init__(self, platform: Any, errand: Errand) -> None:
        self._platform = platform
        self._errand = errand
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform, name)

    def take(self, *arguments: Any) -> Any:
        *before, call = arguments
        if self._errand.link:
            call = replace(call, video=replace(call.video, link=lambda _: self._errand.link))
        return self._around(lambda: self._platform.take(*before, call))

    def reconcile(self, *arguments: Any) -> Any:
        return self._around(lambda: self._platform.reconcile(*arguments))

    def _around(self, call: Callable[[], Any]) -> Any:
        self.calls += 1
        mine = self.calls == self._errand.number
        if mine and self._errand.death == "before":
            die()
        if mine and self._errand.death == "during":
            threading.Timer(0.002, die).start()
        try:
            return call()
        finally:
            if mine and self._errand.death == "after":
                die()
            if mine and self._errand.death == "during":
                time.sleep(0.05)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(errand: Errand, harness_named: Callable[[str], Any]) -> None:
    """Until nothing is left to do, or death."""
    from cliply_resources.platforms.registry import open_platform

    settings = Settings(**errand.settings)
    harness = harness_named(errand.harness)
    opened = harness.platform(settings) if harness.platform else open_platform(harness.name, settings)
    mortal = Mortal(opened, errand)
    with Database.open(settings) as database:
        publisher = Publisher(
            database,
            open_storage(settings),
            settings,
            clock=clock_of(errand.simulator),
            platform_named=lambda _: mortal,  # type: ignore[arg-type, return-value]
        )
        publisher.run(idle_seconds=8 * 3600)
    if errand.report:
        with open(errand.report, "wb") as file:  # noqa: PTH123
            file.write(msgspec.json.encode(mortal.calls))
