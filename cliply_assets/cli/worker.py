"""`cliply worker`: this machine takes part in a cluster."""

import importlib.util
import os
from collections.abc import Sequence

from cliply_assets.cli.session import open_database
from cliply_assets.instance.home import prepare_dagster_home
from cliply_resources.errors import CallerError, ToolMissing
from cliply_resources.settings import Settings

__all__ = ["run_worker"]


def run_worker(settings: Settings, queues: Sequence[str], *, processes: int | None, name: str | None) -> int:
    """Takes runs from the queues until SIGTERM; the exit code.

    Raises:
        CallerError: no broker is named, or a queue is not known.
        ToolMissing: Celery is not installed.
    """
    from cliply_assets.cluster.rules import QUEUES

    if settings.broker_url is None:
        raise CallerError(
            "A worker needs the broker's address; set CLIPLY_BROKER_URL, for example to redis://broker:6379/0."
        )
    unknown = [queue for queue in queues if queue not in QUEUES]
    if unknown:
        raise CallerError(f"There is no queue {unknown[0]}; choose from {', '.join(QUEUES)}.")
    if processes is not None and processes < 1:
        raise CallerError(f"{processes} processes cannot work; --processes must be at least 1.")
    if importlib.util.find_spec("dagster_celery") is None:
        raise ToolMissing("Celery is not installed.", remedy="Install it with: pip install 'cliply[celery]'")
    with open_database(settings):
        prepare_dagster_home(settings)
    from cliply_assets.cluster.worker import serve

    wanted = tuple(dict.fromkeys(queues)) or QUEUES
    return serve(
        settings,
        queues=wanted,
        processes=processes or settings.worker_cpus or os.cpu_count() or 1,
        name=name or "-".join(wanted),
    )
