"""One worker of a cluster: takes runs from its queues and does each in one of its processes, which stay warm."""

import importlib
import logging
import os
import signal
import socket
from collections.abc import Sequence
from typing import Any

import dagster as dg
from celery import Celery, signals
from dagster_celery.tasks import create_execute_job_task

from cliply_assets.cluster.launcher import ClusterRunLauncher
from cliply_assets.instance.storage import close_pools
from cliply_resources.settings import Settings
from cliply_resources.speech.chain import warm_up

__all__ = ["serve"]

HEAVY = {
    "analyze": ("av", "cv2", "librosa", "scenedetect", "pyarrow.parquet"),
    "render": ("av", "cv2", "pysubs2", "PIL.Image", "fontTools.ttLib"),
}
"""What the steps of a queue import inside their functions; imported once here, before the processes are forked."""

_log = logging.getLogger("cliply.cluster")


def serve(settings: Settings, *, queues: Sequence[str], processes: int, name: str) -> int:
    """Works until SIGTERM (finishes what it has begun) or SIGQUIT (drops it); the exit code.

    DAGSTER_HOME must be prepared. Names must differ between workers on one machine: they say who took a run.
    """
    app = _app()
    _preload(queues)
    signals.worker_process_init.connect(_child_begins(settings, queues), weak=False)
    worker = app.Worker(
        hostname=f"{name}@{socket.gethostname()}",
        queues=list(queues),
        concurrency=processes,
        pool="prefork",
        loglevel="INFO",
        quiet=True,
        # What workers tell each other serves nobody here, and costs each one time at its start.
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _app() -> Celery:
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, ClusterRunLauncher)
        app = launcher.app
        # Whatever is read lazily is read now, and not by every process anew.
        instance.get_runs_count()
    close_pools()
    create_execute_job_task(app)
    return app


def _preload(queues: Sequence[str]) -> None:
    from cliply_assets.definitions import defs

    for job in ("analyze", "render", "rerender", "make_clips"):
        defs.resolve_job_def(job)
    for module in dict.fromkeys(name for queue in queues for name in HEAVY.get(queue, ())):
        importlib.import_module(module)


def _child_begins(settings: Settings, queues: Sequence[str]) -> Any:
    def begin(**_: object) -> None:
        # Celery leaves SIGINT ignored here, and Dagster makes SIGTERM like SIGINT after the first run: an idle process could not be
        # told to end.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if "analyze" in queues:
            loaded = warm_up(settings)
            _log.info("Process %d has %s ready.", os.getpid(), loaded or "no speech model")

    return begin
