"""How long an upload waits: from the commit of its row to its first step, and what a sensor's tick costs among many uploads.

    python tests/bench/bench_latency.py [--uploads 20] [--rows 100000]

Starts a stack of its own in a temporary folder. Prints one JSON document; seconds.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from cliply_resources.database import Database, EmbeddedPostgres, Upload, UploadRun, UploadStep
from cliply_resources.settings import Settings
from cliply_resources.turns import waiting_uploads

GOAL_P95 = 3.0
GOAL_TICK_RATIO = 2.0


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest value that so many are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def summary(values: Sequence[float]) -> dict[str, float]:
    """What a reader wants to know of them."""
    return {
        "min": round(min(values), 3),
        "median": round(percentile(values, 0.5), 3),
        "p95": round(percentile(values, 0.95), 3),
        "max": round(max(values), 3),
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def stack(home: Path) -> Iterator[None]:
    """`cliply up` without its API, until the block ends."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CLIPLY_", "DAGSTER_"))}
    command = [str(Path(sys.executable).with_name("cliply")), "up", "--no-api", "--port", str(port)]
    process = subprocess.Popen(
        command,
        env=environment | {"CLIPLY_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: answers(port), seconds=120)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def answers(port: int) -> bool:
    """Whether Dagster's UI is there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def wait_for(holds: Any, *, seconds: float) -> None:
    """Asks until it holds."""
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            raise SystemExit("Nothing came of it in time.")
        time.sleep(0.05)


def one_upload(database: Database, workspace: UUID) -> dict[str, float]:
    """The moments of one upload after its commit. Its file is not there, so that its first step is also its last."""
    with database.pipeline(workspace) as session:
        row = Upload(source_kind="file", source_uri=f"/nowhere/{uuid4()}.mp4", settings_digest=uuid4().hex)
        session.add(row)
        session.flush()
        upload = row.id
    committed = datetime.now(UTC)
    found: dict[str, float] = {}

    def has_begun() -> bool:
        with database.pipeline(workspace) as session:
            run = session.scalars(sa.select(UploadRun).where(UploadRun.upload_id == upload)).first()
            step = session.get(UploadStep, (workspace, upload, "source_video", ""))
            if run is not None:
                found["claimed"] = (run.asked_at - committed).total_seconds()
            if step is not None and step.started_at is not None:
                found["first_step"] = (step.started_at - committed).total_seconds()
            return "first_step" in found

    wait_for(has_begun, seconds=120)
    wait_for(lambda: is_over(database, workspace, upload), seconds=120)
    return found


def is_over(database: Database, workspace: UUID, upload: UUID) -> bool:
    """Whether its run has ended, so that the next upload finds an idle machine."""
    with database.pipeline(workspace) as session:
        run = session.scalars(sa.select(UploadRun).where(UploadRun.upload_id == upload)).one()
        return run.ended_at is not None


def measure_latency(database: Database, uploads: int) -> dict[str, Any]:
    """Rows committed one by one at moments that no interval of the daemon favours."""
    workspace, dice = database.local_workspace(), random.Random(7)
    one_upload(database, workspace)
    found = []
    for _ in range(uploads):
        time.sleep(dice.uniform(0.5, 6.0))
        found.append(one_upload(database, workspace))
    return {
        "row_to_claim": summary([each["claimed"] for each in found]),
        "row_to_first_step": summary([each["first_step"] for each in found]),
    }


def measure_ticks(database: Database, rows: int) -> dict[str, Any]:
    """What the sensor's question costs among 1,000 finished uploads and among many; five of them wait in either case."""
    workspace = database.local_workspace()
    done = sa.text(
        """INSERT INTO uploads (source_kind, source_uri, settings_digest, started_attempt, created_at)
           SELECT 'file', '/nowhere', 'd', 1, now() - n * interval '1 minute' FROM generate_series(1, :n) n"""
    )
    steps = sa.text(
        """INSERT INTO upload_steps (upload_id, step, state) SELECT u.id, s, 'completed' FROM uploads u,
           unnest(ARRAY['source_video', 'media_proxy', 'transcript']) s ON CONFLICT DO NOTHING"""
    )
    found: dict[str, float] = {}
    with database.pipeline(workspace) as session:
        session.execute(done, {"n": 1000})
        session.execute(steps)
    with database.pipeline(workspace) as session:
        for _ in range(5):
            session.add(Upload(source_kind="file", source_uri="/nowhere", settings_digest="w"))
    found["at_1k"] = tick_seconds(database)
    for _ in range(max(0, rows - 1000) // 9000):
        with database.pipeline(workspace) as session:
            session.execute(done, {"n": 9000})
    with database.pipeline(workspace) as session:
        total = session.scalar(sa.select(sa.func.count()).select_from(Upload)) or 0
    found[f"at_{total // 1000}k"] = many = tick_seconds(database)
    return {name: round(value, 5) for name, value in found.items()} | {"ratio": round(many / found["at_1k"], 2)}


def tick_seconds(database: Database, times: int = 60) -> float:
    """The median of asking what waits."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        assert len(waiting_uploads(database)) == 4, "as many of one workspace as the best plan starts at once"
        spent.append(time.perf_counter() - began)
    return percentile(spent, 0.5)


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=20)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    result: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        try:
            if options.uploads:
                with stack(home), Database.open(Settings(home=home)) as database:
                    result |= measure_latency(database, options.uploads)
            if options.rows:
                with Database.open(Settings(home=home)) as database:
                    result["tick"] = measure_ticks(database, options.rows)
        finally:
            EmbeddedPostgres(home).remove()
    if "row_to_first_step" in result:
        result["within_goal"] = result["row_to_first_step"]["p95"] <= GOAL_P95
    if "tick" in result:
        result["tick_within_goal"] = result["tick"]["ratio"] <= GOAL_TICK_RATIO
    json.dump(result | {"load_after": round(os.getloadavg()[0], 2)}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
