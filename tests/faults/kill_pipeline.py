"""Kills the processes of a whole stack at random moments of real work, and counts what became of the uploads.

    python tests/faults/kill_pipeline.py --kills 100 --seed 1

prints one JSON document. Every upload must end completed, or failed with a reason, within its deadline; nobody may be left running, and
nothing half-written, held or made twice. What Cliply's own rows say is compared with the processes, the folders and Dagster's records.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pipeline"), str(HERE.parents[1])]

import psycopg  # noqa: E402
from kill_stand import READY_SECONDS, VICTIMS, Stand, Watch, until  # noqa: E402

from cliply_assets.housekeeping.orphans import explained_by_rows  # noqa: E402
from cliply_resources.database import Database  # noqa: E402
from cliply_resources.settings import Settings  # noqa: E402
from cliply_resources.storage import open_storage  # noqa: E402
from cliply_resources.storage.keys import workspace_prefix  # noqa: E402

__all__ = ["campaign"]

AHEAD = 3
"""Uploads under way at any time."""
PROGRESS_SECONDS = 40.0
"""Before the next kill a step comes to its end, unless that takes longer."""
APPEARS_SECONDS = 40.0
"""For a victim of the kind whose turn it is; after that it is another kind's."""
LATER_SECONDS = 3.0
"""A kill comes at a random moment within so long after its victim's work was seen."""
DEADLINE_SECONDS = 900.0
"""For every upload, from the last kill on."""
QUIET_SECONDS = 120.0
"""For what tidies up behind the last upload."""

DONE = "SELECT count(*) FROM upload_steps WHERE state = 'completed'"
TERMINAL = """SELECT u.id,
    (SELECT r.state FROM upload_runs r WHERE (r.workspace_id, r.upload_id) = (u.workspace_id, u.id) ORDER BY number DESC LIMIT 1),
    u.started_attempt >= u.attempt,
    (SELECT count(*) FROM renders r JOIN clips c ON (c.workspace_id, c.id) = (r.workspace_id, r.clip_id)
        WHERE (c.workspace_id, c.upload_id) = (u.workspace_id, u.id) AND r.state = 'ready'),
    (SELECT string_agg(s.step || ': ' || s.reason || ' | ' || left(coalesce(s.raw_error, ''), 400), '; ') FROM upload_steps s
        WHERE (s.workspace_id, s.upload_id) = (u.workspace_id, u.id) AND s.state = 'failed' AND s.reason <> '')
    FROM uploads u"""


class Campaign:
    """Kills and counts."""

    def __init__(self, stand: Stand, seed: int, victims: Sequence[str], ahead: int) -> None:
        self.stand = stand
        self.victims = victims
        self.ahead = ahead
        self.random = random.Random(seed)
        self.seed = seed
        self.killed: Counter[str] = Counter()
        self.ends: dict[UUID, tuple[str, str]] = {}
        """Uploads that have ended: how, and the reason."""
        self.bad: dict[str, list[str]] = {name: [] for name in ("lost", "stuck", "orphans", "duplicates")}
        self.longest = 0.0
        self.done = 0

    def run(self, kills: int) -> dict[str, Any]:
        """From the first kill to the last count."""
        began = time.monotonic()
        self.stand.start()
        if not until(self.stand.is_ready, READY_SECONDS):
            raise TimeoutError(self.stand.logs())
        watch = Watch(self.stand)
        while sum(self.killed.values()) < kills:
            for victim in self.random.sample(self.victims, len(self.victims)):
                if sum(self.killed.values()) < kills:
                    self._kill(victim)
        self._settle()
        watch.close()
        self.bad["duplicates"] += sorted(watch.found)
        self._count()
        self.stand.stop()
        self._count_processes(self.stand.processes())
        return self._document(time.monotonic() - began)

    def _kill(self, victim: str) -> None:
        """One of this kind, while an upload is worked on; none where none appears in time."""
        moment = self.random.uniform(0.0, LATER_SECONDS)
        until(self._went_on, PROGRESS_SECONDS)
        ends = time.monotonic() + APPEARS_SECONDS
        while time.monotonic() < ends:
            self._keep_going()
            if not self.stand.find("step"):
                time.sleep(0.05)
                continue
            # One that comes and goes is taken as it comes.
            time.sleep(moment if victim not in {"step", "ffmpeg"} else moment / 10)
            found = self.stand.find(victim)
            while not found and time.monotonic() < ends and victim in {"step", "ffmpeg"}:
                found = self.stand.find(victim)
            if not found:
                continue
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(found), signal.SIGKILL)
                self.killed[victim] += 1
                with suppress(psycopg.Error):
                    self.done = self.stand.rows(DONE)[0][0]
                print(f"{sum(self.killed.values())}: {victim}, {len(self._open())} under way", file=sys.stderr)
                return

    def _went_on(self) -> bool:
        """Whether a step has come to its end since the last kill."""
        self._keep_going()
        done = self.stand.rows(DONE)[0][0]
        if done <= self.done:
            return False
        self.done = done
        return True

    def _keep_going(self) -> None:
        self.stand.keep_up()
        with suppress(psycopg.Error):
            for _ in range(self.ahead - len(self._open())):
                self.stand.sow(len(self.stand.sown))

    def _open(self) -> set[UUID]:
        """Uploads that have not ended yet."""
        with suppress(psycopg.Error):
            for upload, run, is_started, ready, reasons in self.stand.rows(TERMINAL):
                if upload in self.ends or run not in {"succeeded", "failed", "halted"} or not is_started:
                    continue
                state = "completed" if ready and run == "succeeded" else "failed" if reasons else "lost"
                self.ends[upload] = (state, reasons or f"its run has {run}")
                self.longest = max(self.longest, time.monotonic() - self.stand.sown.get(upload, time.monotonic()))
        return self.stand.sown.keys() - self.ends.keys()

    def _settle(self) -> None:
        """Waits for the uploads, and then for what tidies up behind them."""

        def is_over() -> bool:
            self.stand.keep_up()
            return not self._open()

        until(is_over, DEADLINE_SECONDS)
        until(lambda: not self._stuck() and not self.stand.astray() and not self._left(), QUIET_SECONDS)

    def _stuck(self) -> list[str]:
        """What has not ended, and what is held, although nothing is to be done."""
        stand, dagster = self.stand, "cliply_dagster"
        found = [f"upload {upload} has not ended" for upload in self._open()]
        steps = "SELECT upload_id, step, state FROM upload_steps WHERE state NOT IN ('completed', 'failed', 'skipped', 'cancelled')"
        found += [f"step {step} of {upload} is {state}" for upload, step, state in stand.rows(steps)]
        renders = "SELECT id, state FROM renders WHERE state NOT IN ('ready', 'failed')"
        found += [f"render {render} is {state}" for render, state in stand.rows(renders)]
        runs = "SELECT run_id, pipeline_name, status FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
        found += [f"run {run} of {job} is {state}" for run, job, state in stand.rows(runs, database=dagster)]
        slots = "SELECT concurrency_key, run_id FROM concurrency_slots WHERE run_id IS NOT NULL AND NOT deleted"
        found += [f"a place in {pool} is held by {run}" for pool, run in stand.rows(slots, database=dagster)]
        waiting = "SELECT concurrency_key, run_id, step_key FROM pending_steps"
        found += [f"{step} of {run} waits for {pool}" for pool, run, step in stand.rows(waiting, database=dagster)]
        locks = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = 'cliply'"
        found += [f"{count} locks are held" for (count,) in stand.rows(locks) if count]
        return found if stand.is_ready() else [*found, "the stack is not ready"]

    def _left(self) -> list[str]:
        """Folders of steps that are over, and files that are not whole."""
        home = self.stand.home
        return [
            str(path.relative_to(home)) for path in (*(home / "work").glob("*"), *(home / "storage").rglob(".part-*"))
        ]

    def _count(self) -> None:
        self.bad["stuck"] += self._stuck()
        self.bad["lost"] += [f"{upload}: {why}" for upload, (state, why) in self.ends.items() if state == "lost"]
        there = {upload for (upload,) in self.stand.rows("SELECT id FROM uploads")}
        self.bad["lost"] += [f"{upload}: its row is gone" for upload in self.stand.sown.keys() - there]
        self._count_processes(self.stand.astray())
        self.bad["orphans"] += self._left()
        self._count_objects()
        twice = """SELECT 'clips of ' || upload_id FROM clips GROUP BY upload_id HAVING count(*) > 1
            UNION ALL SELECT 'versions of ' || clip_id FROM renders GROUP BY clip_id, aspect HAVING count(*) > 1"""
        self.bad["duplicates"] += [what for (what,) in self.stand.rows(twice)]

    def _count_processes(self, processes: dict[int, Any]) -> None:
        self.bad["orphans"] += [f"process {pid}: {command}" for pid, command in processes.items()]

    def _count_objects(self) -> None:
        """Objects that no row names, and names of rows that lead nowhere."""
        settings = Settings(home=self.stand.home)
        storage = open_storage(settings)
        with Database.open(settings) as database:
            for (workspace,) in self.stand.rows("SELECT DISTINCT workspace_id FROM uploads"):
                listed = {found.key for found in storage.list_objects(workspace_prefix(workspace))}
                named = explained_by_rows(database, workspace).keys
                failed = {str(upload) for upload, (state, _) in self.ends.items() if state != "completed"}
                self.bad["orphans"] += [f"object {key}" for key in listed - named if key.split("/")[2] not in failed]
                mine = f"{workspace}/"
                self.bad["lost"] += [f"object {key}" for key in named - listed if key.startswith(mine)]

    def _document(self, seconds: float) -> dict[str, Any]:
        ends = Counter(state for state, _ in self.ends.values())
        return {
            "kills": sum(self.killed.values()),
            **{name: len(found) for name, found in self.bad.items()},
            "uploads": len(self.stand.sown),
            "completed": ends["completed"],
            "failed": ends["failed"],
            "gave_up": self.stand.restarts,
            "killed": dict(sorted(self.killed.items())),
            "seconds": round(seconds, 1),
            "longest_upload_seconds": round(self.longest, 1),
            "seed": self.seed,
            "reasons": [f"{upload}: {why}" for upload, (state, why) in self.ends.items() if state == "failed"],
            "bad": [f"{name}: {what}" for name, found in self.bad.items() for what in found],
        }


def campaign(
    folder: Path, *, kills: int, seed: int, victims: Sequence[str] = VICTIMS, ahead: int = AHEAD, keep: bool = False
) -> dict[str, Any]:
    """The document of one campaign in a folder that is deleted afterwards, unless it is to be kept for a look."""
    stand = Stand(folder)
    try:
        return Campaign(stand, seed, victims, ahead).run(kills)
    finally:
        if keep:
            stand.stop()
            print(f"kept: {folder}", file=sys.stderr)
        else:
            stand.remove()


def main() -> int:
    """Prints the document; ends with 1 where something was lost, stuck, left behind or made twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    asked = parser.parse_args()
    # A short path: sockets lie in it.
    said = campaign(Path(tempfile.mkdtemp(prefix="faults-")), kills=asked.kills, seed=asked.seed, keep=asked.keep)
    print(json.dumps(said, indent=2))
    return 1 if any(said[name] for name in ("lost", "stuck", "orphans", "duplicates")) else 0


if __name__ == "__main__":
    sys.exit(main())
