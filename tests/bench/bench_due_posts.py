"""How late posts are that are due in the same second: posts on many accounts of the sandbox, prepared ahead, published at their moment.

    .venv/bin/python tests/bench/bench_due_posts.py --posts 1000 --accounts 200

Prints one JSON document: how late the publishing calls were (seconds), how many went out in a second, and what the processors did.
A platform's own answer takes no time here, so this is the cost of Cliply alone; `--answer` adds one.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from cliply_assets.posts.publisher import Publisher
from cliply_resources.accounts import connect_account
from cliply_resources.database import Database, EmbeddedPostgres, PostAttempt, PostRow
from cliply_resources.platforms.contract import Call, Platform, VideoSource
from cliply_resources.platforms.documents import (
    PostContent,
    Profile,
    PublishIntent,
    PublishState,
    Step,
    StepKind,
    StepResult,
    Tokens,
    VideoFacts,
)
from cliply_resources.platforms.sandbox import Sandbox, adapter
from cliply_resources.posts.wishes import PostWish, create_post
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage
from cliply_resources.vault import Vault

CLIP_BYTES = 50_000


class SlowSandbox(Sandbox):
    """Answers the publishing call after a while, as a platform far away does."""

    seconds = 0.0

    def take(self, step: Step, intent: PublishIntent, state: PublishState, call: Call) -> StepResult:
        """After the pause."""
        if step.kind is StepKind.COMMIT:
            time.sleep(self.seconds)
        return super().take(step, intent, state, call)


def main() -> None:
    """Measures, in a database and a folder of its own."""
    parser = argparse.ArgumentParser(description="Lateness of many posts of one second.")
    parser.add_argument("--posts", type=int, default=1000)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--publishers", type=int, default=1, help="processes")
    parser.add_argument("--ahead", type=float, default=25.0, help="seconds between the last preparation and the moment")
    parser.add_argument(
        "--answer", type=float, default=0.0, help="seconds that the platform takes for the publishing call"
    )
    parser.add_argument("--home", type=Path, default=None, help="(a publisher of a running bench)")
    chosen = parser.parse_args()
    if chosen.home is not None:
        publish(chosen.home, chosen.answer)
        return
    with tempfile.TemporaryDirectory(prefix="cliply-bench-") as folder:
        settings = Settings(home=Path(folder))
        try:
            with Database.open(settings) as database:
                print(json.dumps(measure(database, settings, chosen), indent=2))
        finally:
            EmbeddedPostgres(settings.home).remove()


def publish(home: Path, answer: float) -> None:
    """One publisher, until nothing is due any more."""
    settings = Settings(home=home)
    SlowSandbox.seconds = answer
    slow = SlowSandbox(home / "sandbox", "http://localhost/sandbox")
    named: Any = (lambda _: slow) if answer else (lambda _: adapter(settings))
    with Database.open(settings) as database:
        Publisher(database, open_storage(settings), settings, platform_named=named).run(idle_seconds=3600)


def measure(database: Database, settings: Settings, chosen: argparse.Namespace) -> dict[str, Any]:
    """The document."""
    workspace = database.local_workspace()
    platform = adapter(settings)
    later = datetime.now(UTC) + timedelta(minutes=9)
    accounts = [_account(database, settings, platform, workspace, f"a{number}") for number in range(chosen.accounts)]
    key = f"{workspace}/clips/{uuid4()}/v1/clip.mp4"
    open_storage(settings).put_bytes(key, bytes(CLIP_BYTES))
    posts = [_post(database, accounts[n % len(accounts)], workspace, key, later, n) for n in range(chosen.posts)]
    command = [sys.executable, __file__, "--home", str(settings.home), "--answer", str(chosen.answer)]
    begun = time.monotonic()
    running = [subprocess.Popen(command) for _ in range(chosen.publishers)]
    prepared = _prepared(database, workspace, chosen.posts, later - timedelta(minutes=1))
    due = _move(database, workspace, chosen.ahead)
    asleep = (due - datetime.now(UTC)).total_seconds() - 0.2
    time.sleep(max(asleep, 0.0))
    before = [_processor_seconds(process.pid) for process in running]
    _over(database, workspace)
    after = [_processor_seconds(process.pid) for process in running]
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return _document(database, workspace, posts, due, prepared) | {
        "posts": chosen.posts,
        "accounts": chosen.accounts,
        "publishers": chosen.publishers,
        "answer_seconds": chosen.answer,
        "processor_seconds_of_publishers": round(used.ru_utime + used.ru_stime, 1),
        # What bounds one process: it runs Python on one processor at a time.
        "processor_ms_a_post_at_the_moment": round(1000 * (sum(after) - sum(before)) / chosen.posts, 2),
        "sandbox_calls_a_second_alone": _sandbox_alone(settings),
        "wall_seconds": round(time.monotonic() - begun, 1),
    }


def _prepared(database: Database, workspace: UUID, wanted: int, end: datetime) -> int:
    """How many are prepared; waits for all of them."""
    while True:
        with database.pipeline(workspace) as session:
            count = session.query(PostRow).filter_by(state="prepared", worker=None).count()
        if count >= wanted or datetime.now(UTC) > end:
            return count
        time.sleep(1)


def _over(database: Database, workspace: UUID) -> None:
    """Waits until all are published."""
    with database.pipeline(workspace) as session:
        left = session.query(PostRow).filter(PostRow.state != "published").count()
    while left:
        time.sleep(0.2)
        with database.pipeline(workspace) as session:
            left = session.query(PostRow).filter(PostRow.state != "published").count()


def _processor_seconds(pid: int) -> float:
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")


def _sandbox_alone(settings: Settings, calls: int = 500) -> float:
    """Publishing calls of the sandbox in a second, without a database: what the platform's side of this bench costs."""
    sandbox = Sandbox(settings.home / "alone", "http://localhost/sandbox")
    film = settings.home / "alone.mp4"
    film.write_bytes(bytes(CLIP_BYTES))
    facts = VideoFacts(size=CLIP_BYTES, sha256="0" * 64, duration=20.0, width=1080, height=1920)
    intent = PublishIntent(post_id="p", marker="m", content=PostContent(caption="c"), video=facts)
    call = Call(
        tokens=Tokens(access_token="t"), account_id="a", now=lambda: datetime.now(UTC),
        video=VideoSource(path=film, facts=facts),
    )  # fmt: skip
    ready = []
    for _ in range(calls):
        state = PublishState()
        while (step := sandbox.plan(intent, state)) is not None and step.kind is not StepKind.COMMIT:
            state = sandbox.take(step, intent, state, call).state
        ready.append(state)
    begun = time.monotonic()
    for state in ready:
        sandbox.take(Step("publish", StepKind.COMMIT), intent, state, call)
    return round(calls / (time.monotonic() - begun))


def _move(database: Database, workspace: UUID, seconds: float) -> datetime:
    """Lets all of them be due in the same moment."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    with database.pipeline(workspace) as session:
        session.query(PostRow).update({"due_at": due, "wake_at": due})
    return due


def _account(database: Database, settings: Settings, platform: Platform, workspace: UUID, name: str) -> UUID:
    tokens = Tokens(access_token=f"token-{name}", refresh_token="r", scopes=("post",))
    with database.pipeline(workspace) as session:
        made = connect_account(
            session, Vault(settings), platform, Profile(remote_id=name, name=name), tokens,
            workspace_id=workspace, user_id=None, now=datetime.now(UTC),
        )  # fmt: skip
        return made.id


def _post(database: Database, account: UUID, workspace: UUID, key: str, due: datetime, number: int) -> UUID:
    wish = PostWish(
        account_id=account,
        platform="sandbox",
        upload_id=None,
        clip_id=None,
        object_key=key,
        video=VideoFacts(size=CLIP_BYTES, sha256="0" * 64, duration=20.0, width=1080, height=1920),
        content=PostContent(caption=f"post {number}"),
        due_at=due,
        tolerance_seconds=3600,
    )
    with database.pipeline(workspace) as session:
        return create_post(session, wish, prepare_seconds=600).id


def _document(database: Database, workspace: UUID, posts: list[UUID], due: datetime, prepared: int) -> dict[str, Any]:
    with database.pipeline(workspace) as session:
        called = (
            session.query(PostAttempt.started_at, PostRow.account_id, PostRow.id)
            .join(PostRow, PostRow.id == PostAttempt.post_id)
            .filter(PostAttempt.kind == "commit")
            .order_by(PostAttempt.started_at)
            .all()
        )
        published = session.query(PostRow).filter_by(state="published").count()
    late = sorted((started - due).total_seconds() for started, _, _ in called)
    orders: dict[UUID, list[UUID]] = {}
    for _, account, post in called:
        orders.setdefault(account, []).append(post)
    place = {post: index for index, post in enumerate(posts)}
    return {
        "prepared_ahead": prepared,
        "published": published,
        "calls": len(called),
        "in_order": all(order == sorted(order, key=place.__getitem__) for order in orders.values()),
        "late_seconds": {
            "p50": round(late[len(late) // 2], 2),
            "p99": round(late[int(len(late) * 0.99)], 2),
            "max": round(late[-1], 2),
        },
        "a_second": round(len(late) / max(late[-1], 0.001), 1),
    }


if __name__ == "__main__":
    main()
