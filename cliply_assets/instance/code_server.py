"""What `python -m cliply_assets.instance.warm …` runs: Dagster's code server, with runs that begin warm.

The stock server starts a fresh interpreter for every run, which imports for a second or two what it has itself imported long ago.
Here runs are forked from a server that did so once, and a run's own fork server, which its steps come from, is forked from the run
in the same way. Both rest on names that are not documented; `check_names` says at once when one of them is gone.
"""

import inspect
import multiprocessing
import multiprocessing.context
import multiprocessing.forkserver
import os
import socket
import sys
from multiprocessing import connection, util
from pathlib import Path
from typing import Any

from cliply_assets.instance.fork_server import PRELOADED, start_fork_server
from cliply_assets.instance.lifeline import die_with_parent, end_with_parent

__all__ = ["RunProcess", "WarmContext", "check_names", "main", "own_fork_server", "warm_up"]


class RunProcess(multiprocessing.context.ForkServerProcess):
    """One run: forked from the warm server, with a fork server of its own before anything else happens in it.

    It lives no longer than the warm server, which lives no longer than the code server: where either is gone, Dagster takes the run for
    dead and starts it again, and the two would get into each other's way.
    """

    def run(self) -> None:
        """As ever, but for that."""
        die_with_parent()
        own_fork_server()
        super().run()


class WarmContext(multiprocessing.context.ForkServerContext):
    """What the code server starts runs with."""

    Process = RunProcess


def own_fork_server() -> None:
    """Makes the fork server of this process by a fork, so that it need not import anything; it ends with this process.

    Only for a process that has no other threads yet.
    """
    server: Any = multiprocessing.forkserver._forkserver
    arbitrary_address: Any = vars(connection)["arbitrary_address"]
    with socket.socket(socket.AF_UNIX) as listener:
        address: str = arbitrary_address("AF_UNIX")
        listener.bind(address)
        if not util.is_abstract_socket_namespace(address):
            Path(address).chmod(0o600)
        listener.listen()
        alive_r, alive_w = os.pipe()
        child = os.fork()
        if child == 0:
            _serve(listener.detach(), alive_r, alive_w)
        os.close(alive_r)
    server._forkserver_address = address
    server._forkserver_alive_fd = alive_w
    server._forkserver_pid = child
    server._preload_modules = list(PRELOADED)


def _serve(listener: int, alive_r: int, alive_w: int) -> None:
    """The child's whole life; never returns."""
    code = 1
    try:
        os.close(alive_w)
        end_with_parent()
        multiprocessing.forkserver.main(listener, alive_r, [])
        code = 0
    finally:
        os._exit(code)


def check_names() -> None:
    """Whether everything that this file leans on is where it was.

    Raises:
        RuntimeError: something has moved, with its name.
    """
    from dagster._grpc.server import DagsterApiServer

    server: Any = multiprocessing.forkserver._forkserver
    missing = [
        name
        for name in ("_forkserver_address", "_forkserver_alive_fd", "_forkserver_pid", "_preload_modules")
        if not hasattr(server, name)
    ]
    if list(inspect.signature(multiprocessing.forkserver.main).parameters)[:3] != ["listener_fd", "alive_r", "preload"]:
        missing.append("multiprocessing.forkserver.main(listener_fd, alive_r, preload)")
    source = inspect.getsource(DagsterApiServer)
    missing += [
        name
        for name in (
            'self._mp_ctx = multiprocessing.get_context("spawn")',
            "self._mp_ctx.Process(",
            "self._mp_ctx.Event()",
        )
        if name not in source
    ]
    if missing:
        raise RuntimeError(
            f"Runs cannot begin warm with these versions of Python and Dagster: {', '.join(missing)} moved."
        )


def warm_up() -> None:
    """From now on, code servers of this process fork their runs; their fork server starts importing now."""
    from dagster._grpc.server import DagsterApiServer

    check_names()
    stock: Any = DagsterApiServer.__init__

    def begin(self: Any, *arguments: Any, **named: Any) -> None:
        stock(self, *arguments, **named)
        self._mp_ctx = WarmContext()

    DagsterApiServer.__init__ = begin  # type: ignore[method-assign]
    # By the main thread: the kernel would end the fork server together with the thread that started it.
    start_fork_server()


def main() -> None:
    """`dagster api grpc` with these arguments."""
    from dagster._cli import cli

    end_with_parent()
    warm_up()
    sys.argv[:1] = ["dagster", "api", "grpc"]
    cli(auto_envvar_prefix="DAGSTER_CLI")
