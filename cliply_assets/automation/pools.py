"""How many steps of a kind this installation does at once, over all runs: Dagster's pools, given their sizes."""

import os
from collections.abc import Mapping

import dagster as dg

from cliply_resources.settings import Settings

__all__ = ["POOL_TAG", "ensure_pools", "free_lost_slots", "pool_sizes"]

POOL_TAG = "cliply/pool"
"""Op tag of steps that a run makes many of: their run asks for no more places in a pool than the pool has, so that the first of
another run waits for one of them at most."""


def pool_sizes(settings: Settings, *, cores: int | None = None) -> Mapping[str, int]:
    """Pools and their sizes: what loads a processor or a GPU as often as there are of them, what waits for the network more often."""
    cores = cores or settings.worker_cpus or os.cpu_count() or 1
    usual = {"network": 8, "decode": cores, "asr": 1, "vision": 1, "render": cores, "publish": 8}
    return usual | dict(settings.pool_sizes)


def ensure_pools(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Gives pools without a size theirs, and those that the settings name the one from there; returns which were changed.

    A size that somebody set in Dagster's own pages stays, unless the settings name that pool.
    """
    storage = instance.event_log_storage
    known = {pool.name: pool.limit for pool in storage.get_pool_limits() if not pool.from_default}
    changed = [
        name
        for name, size in pool_sizes(settings).items()
        if known.get(name) != size and (name not in known or name in settings.pool_sizes)
    ]
    for name in changed:
        storage.set_concurrency_slots(name, pool_sizes(settings)[name])
    return changed


def free_lost_slots(instance: dg.DagsterInstance) -> int:
    """Gives places back that runs hold although they have ended; the daemon does so, too, but it need not be running."""
    storage, freed = instance.event_log_storage, 0
    for run_id in sorted(storage.get_concurrency_run_ids()):
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)
            freed += 1
    return freed
