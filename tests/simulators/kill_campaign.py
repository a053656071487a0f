"""Kills the publisher before, during and after every call, on every platform, under every fault, and counts what became of the posts.

    python tests/simulators/kill_campaign.py --kills 500

prints one JSON document. A post must end published once, or refused with the reason, or asking a person; the simulator's own ledger is
what is believed, not the database.
"""

import argparse
import importlib
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import msgspec  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from kill_worker import Errand, run  # noqa: E402
from publishing_driver import make_video  # noqa: E402
from simulator_base import FakeClock, FaultKind, Harness  # noqa: E402

from cliply_resources.accounts import connect_account  # noqa: E402
from cliply_resources.database import Database, EmbeddedPostgres, PostAttempt, PostRow  # noqa: E402
from cliply_resources.platforms.documents import VideoFacts  # noqa: E402
from cliply_resources.platforms.registry import open_platform  # noqa: E402
from cliply_resources.posts.wishes import PostWish, create_post  # noqa: E402
from cliply_resources.settings import Settings  # noqa: E402
from cliply_resources.storage import open_storage  # noqa: E402
from cliply_resources.vault import Vault  # noqa: E402

FAST = 100.0
"""Simulated seconds in a real one."""
DEATHS = ("before", "during", "after")
FAULTS: tuple[FaultKind | None, ...] = (None, *(kind for kind in FaultKind if kind is not FaultKind.SLOW))
WAIT_SECONDS = 20.0
MOST_WORKERS = 4
TOLERANCE = 30 * 86400
MANY = 1_000_000


def harnesses() -> dict[str, Harness]:
    """All platforms that there is a simulator of."""
    found = [
        value
        for module in sorted(HERE.glob("*_simulator.py"))
        for value in vars(importlib.import_module(module.stem)).values()
        if isinstance(value, Harness)
    ]
    return {harness.name: harness for harness in found}


def worker(errand: Errand) -> None:
    """What a forked process runs."""
    run(errand, lambda name: harnesses()[name])


@dataclass(frozen=True)
class Scene:
    """One post, one fault, one death."""

    platform: str
    fault: FaultKind | None
    death: str
    number: int


class Stage:
    """A simulator with its clock running, and a database beside it."""

    def __init__(self, harness: Harness, settings: Settings, database: Database, folder: Path) -> None:
        self.harness = harness
        self.simulator = harness.simulator()
        assert isinstance(self.simulator.clock, FakeClock)
        self._fields = {
            "home": settings.home,
            "database_url": settings.database_url,
            "publish_takeover_seconds": 2.0,
            "publish_threads": 1,
            **harness.settings(self.simulator),
        }
        self.settings = Settings(**self._fields)
        self.database = database
        self.folder = folder
        self.workspace = database.local_workspace()
        opened = harness.platform(self.settings) if harness.platform else open_platform(harness.name, self.settings)
        self.platform = opened
        if hasattr(self.simulator, "per_day"):
            # One account makes all posts of the campaign: what a platform takes a day is not what is tried here.
            self.simulator.per_day = MANY
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        self.number = 0
        self._link = ""

    def _tick(self) -> None:
        while not self._over.wait(0.01):
            self.simulator.clock.advance(FAST * 0.01)

    def close(self) -> None:
        """Stops clock and server."""
        self._over.set()
        self._ticker.join()
        self.simulator.close()

    def post(self) -> tuple[UUID, str]:
        """A new post that is due now, with an account whose sign-in is fresh."""
        self.number += 1
        words = f"{self.harness.name} {self.number} {time.time_ns()}"
        self.simulator.faults.clear()
        tokens = self.harness.connect(self.simulator)
        profile = self.platform.profiles(tokens, now=self.simulator.clock)[0]
        size = self.harness.sizes[self.number % len(self.harness.sizes)]
        key = f"{self.workspace}/clips/{UUID(int=size)}/v1/clip.mp4"
        storage = open_storage(self.settings)
        if not storage.exists(key):
            storage.put_bytes(key, bytes(size))
        if hasattr(self.simulator, "link_for"):
            linked = self.simulator.link_for(make_video(self.folder, size))
            self._link = linked.link(3600.0) if linked.link else ""
        with self.database.pipeline(self.workspace) as session:
            account = connect_account(
                session, Vault(self.settings), self.platform, profile, tokens,
                workspace_id=self.workspace, user_id=None, now=self.simulator.clock(),
            )  # fmt: skip
            account.parked_until = None
            wish = PostWish(
                account_id=account.id, platform=self.harness.name, upload_id=None, clip_id=None, object_key=key,
                video=VideoFacts(size=size, sha256="0" * 64, duration=20.0, width=1080, height=1920),
                content=self.harness.content(words), due_at=self.simulator.clock(), tolerance_seconds=TOLERANCE,
            )  # fmt: skip
            return create_post(session, wish, prepare_seconds=0).id, words

    def send_worker(self, errand: Errand) -> int | None:
        """The exit code of a worker; `None` where it had to be ended."""
        process = multiprocessing.get_context("forkserver").Process(target=worker, args=(errand,))
        process.start()
        process.join(WAIT_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            return None
        return process.exitcode

    def errand(self, **death: Any) -> Errand:
        """For the next worker."""
        return Errand(self.harness.name, self._fields, self.simulator.url, link=self._link, **death)

    def row(self, post: UUID) -> PostRow:
        """The post as it stands."""
        with self.database.api(self.workspace) as session:
            return session.get_one(PostRow, (self.workspace, post))

    def put_away(self, post: UUID) -> None:
        """Nobody looks at it any more: the next worker belongs to another platform. It counts for no day's cap of the account."""
        earlier = PostAttempt.started_at - timedelta(days=2)
        with self.database.pipeline(self.workspace) as session:
            session.get_one(PostRow, (self.workspace, post)).wake_at = None
            session.execute(sa.update(PostAttempt).where(PostAttempt.post_id == post).values(started_at=earlier))

    def calls(self) -> int:
        """How many calls an undisturbed post takes."""
        post, _ = self.post()
        report = self.folder / "calls"
        report.unlink(missing_ok=True)
        self.send_worker(self.errand(report=str(report)))
        assert self.row(post).state == "published", (self.harness.name, self.row(post).state, self.row(post).reason)
        return int(msgspec.json.decode(report.read_bytes()))


class Campaign:
    """Counts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.bad: list[str] = []

    def play(self, stage: Stage, scene: Scene) -> None:
        """One post to its end."""
        post, words = stage.post()
        if scene.fault is not None:
            stage.simulator.faults.add(scene.fault, skip=scene.number % 3)
        exits = [stage.send_worker(stage.errand(death=scene.death, number=scene.number))]
        while not self._over(stage.row(post)) and len(exits) < MOST_WORKERS:
            exits.append(stage.send_worker(stage.errand()))
        self.counts["kills"] += exits.count(-9)
        self._judge(stage, scene, stage.row(post), len(stage.simulator.ledger.of(words)), exits)
        stage.put_away(post)

    def _over(self, row: PostRow) -> bool:
        return row.wake_at is None or row.state in {"held", "asking"}

    def _judge(self, stage: Stage, scene: Scene, row: PostRow, there: int, exits: list[int | None]) -> None:
        self.ends[f"{scene.platform} {row.state}"] += 1
        wrong = ""
        if there > 1:
            wrong = "doubles"
        elif row.state == "published" and there == 0:
            wrong = "lost"
        elif not self._over(row) or (row.state in {"rejected", "asking", "held"} and not row.reason):
            wrong = "unresolved"
        elif row.state in {"cancelled", "missed"} or (row.state == "held" and there):
            wrong = "lost"
        if wrong:
            self.counts[wrong] += 1
            self.bad.append(f"{scene}: {row.state}, {there} there, {row.reason}, exits {exits}")

    def document(self) -> dict[str, Any]:
        """What is printed."""
        counted = {name: self.counts[name] for name in ("kills", "doubles", "lost", "unresolved")}
        return {**counted, "ends": dict(sorted(self.ends.items())), "bad": self.bad}


def scenes(platform: str, calls: int, known: tuple[FaultKind, ...]) -> Iterator[Scene]:
    """Every death at every call under every fault."""
    for fault in FAULTS:
        if fault is not None and fault not in known:
            continue
        for number in range(1, calls + 1):
            for death in DEATHS:
                yield Scene(platform, fault, death, number)


def campaign(
    settings: Settings, database: Database, folder: Path, *, kills: int, seed: int, only: set[str]
) -> dict[str, Any]:
    """Plays scenes, fairly chosen over the platforms, until there were so many kills."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["kill_worker", "kill_campaign"])
    chosen = {name: harness for name, harness in harnesses().items() if not only or name in only}
    played = Campaign()
    dice = random.Random(seed)
    with stages(chosen, settings, database, folder) as opened:
        ready = {}
        for name, stage in opened.items():
            listed = list(scenes(name, stage.calls(), chosen[name].faults))
            dice.shuffle(listed)
            ready[name] = listed
        while played.counts["kills"] < kills and any(ready.values()):
            for name, stage in opened.items():
                if ready[name] and played.counts["kills"] < kills:
                    played.play(stage, ready[name].pop())
    return played.document()


@contextmanager
def stages(
    chosen: dict[str, Harness], settings: Settings, database: Database, folder: Path
) -> Iterator[dict[str, Stage]]:
    """One for each platform."""
    opened: dict[str, Stage] = {}
    try:
        for name, harness in chosen.items():
            opened[name] = Stage(harness, settings, database, folder)
        yield opened
    finally:
        for stage in opened.values():
            stage.close()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Kills publishers and counts doubles, lost and unresolved posts.")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    settings = Settings(home=folder / "home", database_url=None)
    try:
        with Database.open(settings) as database:
            said = campaign(settings, database, folder, kills=given.kills, seed=given.seed, only=set(given.only))
    finally:
        EmbeddedPostgres(settings.home).remove()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(said, indent=2))
    return 1 if said["doubles"] or said["lost"] or said["unresolved"] else 0


if __name__ == "__main__":
    sys.exit(main())
