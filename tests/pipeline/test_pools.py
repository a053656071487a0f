"""Pools get their sizes once, and give places back that a killed run took with it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from cliply_assets.automation.pools import ensure_pools, free_lost_slots, pool_sizes
from cliply_assets.instance.storage import PooledPostgresStorage, close_pools
from cliply_resources.database import Database
from cliply_resources.settings import Settings


@pytest.fixture
def instance(database: Database, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's records where they are in earnest."""
    storage = {
        "storage": {
            "custom": {
                "module": PooledPostgresStorage.__module__,
                "class": PooledPostgresStorage.__name__,
                "config": {"postgres_url": database.dagster_url},
            }
        }
    }
    with dg.instance_for_test(overrides=storage, temp_dir=str(tmp_path)) as made:
        yield made
    close_pools()


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def test_pools_are_given_sizes_once_and_a_size_that_somebody_set_stays(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    assert set(ensure_pools(instance, settings)) == set(pool_sizes(settings))
    assert ensure_pools(instance, settings) == []
    assert limits(instance)["asr"] == 1
    instance.event_log_storage.set_concurrency_slots("render", 7)
    assert ensure_pools(instance, settings) == []
    assert limits(instance)["render"] == 7
    named = settings.model_copy(update={"pool_sizes": {"render": 3}})
    assert ensure_pools(instance, named) == ["render"]
    assert limits(instance)["render"] == 3


def test_as_many_steps_load_processors_as_there_are() -> None:
    sizes = pool_sizes(Settings(), cores=12)
    assert (sizes["render"], sizes["decode"], sizes["vision"]) == (12, 12, 1)
    assert set(sizes) == {"network", "decode", "asr", "vision", "render", "publish"}


def test_the_place_of_a_run_that_is_gone_is_given_back_and_that_of_a_living_one_is_not(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    ensure_pools(instance, settings)
    storage = instance.event_log_storage
    for run_id, status in (("gone", dg.DagsterRunStatus.FAILURE), ("alive", dg.DagsterRunStatus.STARTED)):
        instance.add_run(dg.DagsterRun(job_name="make_clips", run_id=run_id, status=status))
    assert storage.claim_concurrency_slot("asr", "gone", "transcript").is_claimed
    assert storage.claim_concurrency_slot("vision", "alive", "face_tracks").is_claimed
    assert not storage.claim_concurrency_slot("asr", "next", "transcript").is_claimed
    assert free_lost_slots(instance) >= 1
    assert storage.claim_concurrency_slot("asr", "next", "transcript").is_claimed
    assert not storage.claim_concurrency_slot("vision", "next", "face_tracks").is_claimed
