"""The process that steps are forked from, started early."""

from multiprocessing import forkserver

__all__ = ["PRELOADED", "start_fork_server"]

PRELOADED = ("dagster._core.executor.multiprocess", "cliply_assets.instance.preload")
"""What it imports; Dagster puts the first in front of whatever it is given."""


def start_fork_server() -> None:
    """Begins its imports now, beside this process's own, instead of when the first step waits for it.

    It keeps the environment and the open files of this moment.
    """
    forkserver.set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()
