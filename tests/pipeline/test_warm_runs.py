"""Runs that begin warm rest on undocumented names: these tests say so when a version moves them."""

import multiprocessing
import multiprocessing.forkserver
import os
import time
from pathlib import Path
from typing import Any

import dagster._daemon.sensor
import pytest

from cliply_assets.instance.code_server import check_names, own_fork_server
from cliply_assets.instance.daemon import LOOK_SECONDS, look_often


def test_everything_that_warm_runs_lean_on_is_there() -> None:
    check_names()


def test_a_sensor_loop_of_another_make_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    look_often()
    assert dagster._daemon.sensor.MIN_INTERVAL_LOOP_TIME == LOOK_SECONDS
    monkeypatch.setattr(dagster._daemon.sensor, "MIN_INTERVAL_LOOP_TIME", 17)
    with pytest.raises(RuntimeError, match="17"):
        look_often()
    monkeypatch.setattr(dagster._daemon.sensor, "MIN_INTERVAL_LOOP_TIME", 5)


def _child(said: Any) -> None:
    said.send((os.getpid(), os.getppid(), "json" in __import__("sys").modules))


def _run(said: Any) -> None:
    own_fork_server()
    server: Any = vars(multiprocessing.forkserver)["_forkserver"]
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe()
    step = context.Process(target=_child, args=(there,))
    step.start()
    said.send((server._forkserver_pid, here.recv()))
    step.join()


def test_steps_come_from_a_fork_of_their_run_which_ends_with_it() -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    run = context.Process(target=_run, args=(there,))
    run.start()
    assert here.poll(30)
    server, (step, parent, _) = here.recv()
    run.join(30)
    assert run.exitcode == 0
    assert parent == server != step
    ends = time.monotonic() + 20
    while _lives(server) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not _lives(server)


def _lives(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/stat").open() as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
