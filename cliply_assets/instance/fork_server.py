"""The process that steps are forked from, started early."""

from multiprocessing import forkserver

__all__ = ["LIBRARIES", "PRELOADED", "start_fork_server"]

PRELOADED = ("dagster._core.executor.multiprocess", "cliply_assets.instance.preload")
"""What it imports; Dagster puts the first in front of whatever it is given."""

LIBRARIES = ("av", "cv2", "faster_whisper.vad", "scenedetect.detectors", "scipy.fft")
"""Of those that steps import when they need them, the ones without which no upload is analysed; a third of a second together.

None of them opens a device when it is imported, and the only threads that come with them are OpenBLAS's, which it ends before a fork.
"""


def start_fork_server() -> None:
    """Begins its imports now, beside this process's own, instead of when the first step waits for it.

    It keeps the environment and the open files of this moment.
    """
    forkserver.set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()
