"""What a cluster costs and gains: overhead of a run beside the single machine's, and throughput with one worker and with two.

    python tests/bench/bench_cluster.py [--uploads 8] [--work build/bench]

Everything runs on this machine: Redis, a stand-in for S3, Postgres, the stack and the workers; so what the numbers compare is the way a
run takes, not the speed of machines. The films are tiny, so that the way is most of it. Two workers gain nothing where the processors
are busy already, with this or with something else; processor seconds say more than the clock then.
"""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg
from bench_common import machine, options, print_document, say
from cluster_stand import WORKSPACES, Cluster, serving_redis, tiny_film, wait_until
from s3_stand_in import serving_s3, with_bucket

from cliply_resources.database import EmbeddedPostgres, migrate

PATIENCE = 900.0


def own_seconds(cluster: Cluster) -> float:
    """Processor seconds of the stack, the workers and all that they have waited for; without Postgres, Redis and S3."""
    ticks = 0
    for pid in cluster.cliply.processes():
        with contextlib.suppress(OSError):
            # utime, stime, cutime and cstime, see proc(5).
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def fresh_database(folder: Path) -> Iterator[str]:
    """A server of its own."""
    server = EmbeddedPostgres(folder / "postgres")
    address = server.ensure()
    try:
        with psycopg.connect(address.url("postgres", "postgres", ""), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        url = address.url("postgres", "bench", "")
        migrate(url)
        yield url
    finally:
        server.remove()


def run_facts(cluster: Cluster) -> dict[str, Any]:
    """Medians over all runs: from handing over to beginning, and what a run spends beside its steps, in milliseconds."""
    with cluster.instance() as instance:
        stats = [(run, instance.get_run_stats(run.run_id)) for run in instance.get_runs()]
        to_begin = [1000 * (s.start_time - s.launch_time) for _, s in stats if s.start_time and s.launch_time]
        queued = [1000 * (s.launch_time - s.enqueued_time) for _, s in stats if s.launch_time and s.enqueued_time]
    return {
        "runs": len(stats),
        "queued_ms": round(median(queued)),
        "launch_to_begin_ms": round(median(to_begin)),
        "launch_to_begin_ms_least": round(min(to_begin)),
    }


def reused_runs(cluster: Cluster) -> dict[str, Any]:
    """Asks once more for finished uploads: every step finds itself done, so what a run takes is the way alone."""
    before = time.time()
    with psycopg.connect(cluster.database_url, autocommit=True) as connection:
        ended = "SELECT count(*) FROM upload_runs WHERE state = 'succeeded'"
        done = connection.execute(ended).fetchone()
        assert done is not None
        count = connection.execute("UPDATE uploads SET attempt = attempt + 1, retry_at = now()").rowcount

        def settled() -> bool:
            now = connection.execute(ended).fetchone()
            return now is not None and now[0] >= done[0] + count

        wait_until(settled, PATIENCE, cluster.logs)
    with cluster.instance() as instance:
        records = [record for record in instance.get_run_records() if record.create_timestamp.timestamp() > before]
    took: dict[str, list[float]] = {}
    for record in records:
        if record.start_time and record.end_time:
            took.setdefault(record.dagster_run.job_name, []).append(1000 * (record.end_time - record.start_time))
    return {f"{job}_run_that_finds_all_done_ms": round(median(found)) for job, found in took.items()}


def throughput(cluster: Cluster, films: Sequence[Path]) -> dict[str, Any]:
    """Uploads a minute, from the first to the last."""
    began, spent, done = time.monotonic(), own_seconds(cluster), cluster.finished()
    for number, film in enumerate(films):
        cluster.add_upload(film, WORKSPACES[number % len(WORKSPACES)])
    wait_until(lambda: cluster.finished() == done + len(films), PATIENCE, cluster.logs)
    seconds = time.monotonic() - began
    return {
        "uploads": len(films),
        "seconds": round(seconds, 1),
        "uploads_a_minute": round(60 * len(films) / seconds, 2),
        "cpu_seconds_an_upload": round((own_seconds(cluster) - spent) / len(films), 2),
    }


def step_cpu(cluster: Cluster) -> float:
    """Processor seconds of all steps of one upload."""
    query = "SELECT sum((usage->>'cpu_seconds')::float) / count(DISTINCT upload_id) FROM upload_steps"
    return round(float(str(cluster.rows(query)[0][0])), 2)


def measure(folder: Path, uploads: int, workers: int) -> dict[str, Any]:
    """One installation: a single machine (`workers` 0) or a cluster."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (
        fresh_database(folder) as url,
        serving_redis(folder / "redis") as broker,
        serving_s3() as address,
        with_bucket(address),
    ):
        cluster = Cluster(folder, url, broker, address)
        if not workers:
            del cluster.cliply.extra["CLIPLY_BROKER_URL"]
        with cluster.stack():
            for number in range(workers):
                cluster.start_worker(f"worker-{number}", "analyze", "render", "default")
            try:
                # The first upload pays for what is done once: starting, and filling caches.
                throughput(cluster, [tiny_film(folder, 0)])
                found = throughput(cluster, [tiny_film(folder, number) for number in range(1, uploads + 1)])
                found |= {"cpu_seconds_of_steps_an_upload": step_cpu(cluster)} | run_facts(cluster)
                return found | reused_runs(cluster)
            finally:
                cluster.stop_workers()


def main() -> None:
    """Single machine, one worker, two workers; one JSON document."""
    chosen = options(__doc__ or "", uploads=(int, 8, "how many tiny films"))
    found: dict[str, Any] = {}
    for name, workers in (("single_machine", 0), ("one_worker", 1), ("two_workers", 2)):
        say(name)
        found[name] = measure(Path(chosen.work).resolve() / f"cluster-{name}", chosen.uploads, workers) | machine()
        say(str(found[name]))
    print_document({"machine": machine(), "cluster": found})


if __name__ == "__main__":
    main()
