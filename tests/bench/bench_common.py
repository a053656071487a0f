"""What the measuring scripts share: films to measure on, costs of a call in a process of its own, and medians of ratios."""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from cliply_assets.instance.fork_server import LIBRARIES
from cliply_assets.sample import FILM_NAME, TRUTH_NAME, SampleTruth, generate_sample, load_truth
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import silent

DEADLINE = 3600.0
"""Seconds for any one step here; a bench is watched, and a busy machine is no failure."""

_PRELOADED = (
    "cliply_assets.audio.features",
    "cliply_assets.source.proxy",
    "cliply_assets.vision.face_tracks",
    "cliply_assets.vision.scenes",
    "polars",
    *LIBRARIES,
)
_CAMERA_SECONDS = 60.0


@dataclass(frozen=True)
class Cost:
    """Wall and processor seconds of a call, and the largest resident memory of its process and of its children in bytes."""

    wall: float
    cpu: float
    peak: int


def options(about: str, *, repeats: int = 3, **more: tuple[type, Any, str]) -> argparse.Namespace:
    """The command line of a bench: `--work`, `--repeats`, and what is in `more` (type, default, help)."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="folder for films; kept between runs")
    parser.add_argument("--repeats", type=int, default=repeats, help="interleaved repeats; medians are reported")
    for name, (kind, default, text) in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=text)
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    return chosen


def say(text: str) -> None:
    """To the person who waits; stdout carries the document alone."""
    print(text, file=sys.stderr, flush=True)


def print_document(document: dict[str, Any]) -> None:
    """The one JSON document of a bench."""
    print(json.dumps(document, indent=2))


def machine() -> dict[str, Any]:
    """What the figures were taken on, and how busy it was with other things."""
    return {"cpus": os.cpu_count(), "load_1_minute": round(os.getloadavg()[0], 2)}


def sample_film(work: Path) -> tuple[Path, SampleTruth]:
    """The whole sample at 1080p, made once."""
    folder = work / "sample"
    if not (folder / FILM_NAME).exists():
        say("making the sample film")
        generate_sample(folder)
    return folder / FILM_NAME, load_truth(folder / TRUTH_NAME)


def camera_film(work: Path) -> Path:
    """A minute of the sample as a camera or a web site would have coded it: grain, 9 Mbit/s, CABAC, B-frames, loop filter.

    The sample itself is coded for speed of making, so it decodes in a fraction of the time that real uploads take.
    """
    film = work / "camera-medium.mp4"
    if not film.exists():
        say("making a camera-like film")
        source, _ = sample_film(work)
        partial = film.with_suffix(".partial.mp4")
        run_ffmpeg(
            [
                *("-t", str(_CAMERA_SECONDS), "-i", str(source), "-vf", "noise=c0s=9:c0f=t"),
                *("-c:v", "libx264", "-preset", "medium", "-profile:v", "high", "-b:v", "9M", "-maxrate", "12M"),
                *("-bufsize", "18M", "-c:a", "copy", str(partial)),
            ],
            duration=_CAMERA_SECONDS,
            progress=silent,
            deadline_seconds=DEADLINE,
            doing="making a camera-like film",
        )
        partial.replace(film)
    return film


@contextmanager
def fresh_processes() -> Iterator[ProcessPoolExecutor]:
    """A process for each call, forked from a server that has loaded the modules, as the pipeline's executor does it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool:
        pool.submit(os.getpid).result()
        yield pool


def costing(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Cost]:
    """Calls `function` in this process and says what it and its children cost."""
    started, before = time.monotonic(), _cpu()
    result = function(*arguments)
    peaks = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return result, Cost(time.monotonic() - started, _cpu() - before, max(peaks))


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def interleaved(repeats: int, **calls: Callable[[], Cost]) -> dict[str, list[Cost]]:
    """A B A B …: what else the machine does then falls on all of them alike."""
    costs: dict[str, list[Cost]] = {name: [] for name in calls}
    for turn in range(repeats):
        for name, call in calls.items():
            costs[name].append(call())
            say(f"  {turn + 1}/{repeats} {name}: {costs[name][-1].wall:.1f} s, {costs[name][-1].cpu:.1f} CPU-s")
    return costs


def compared(ours: Sequence[Cost], plain: Sequence[Cost], *, limit: float) -> dict[str, Any]:
    """Medians of both and of their ratio, pair by pair; on a machine that others use, only processor time says something."""
    wall = median(one.wall / other.wall for one, other in zip(ours, plain, strict=True))
    cpu = median(one.cpu / other.cpu for one, other in zip(ours, plain, strict=True))
    return {
        "ours_seconds": round(median(one.wall for one in ours), 2),
        "plain_seconds": round(median(one.wall for one in plain), 2),
        "ours_cpu_seconds": round(median(one.cpu for one in ours), 2),
        "plain_cpu_seconds": round(median(one.cpu for one in plain), 2),
        "wall_ratio": round(wall, 3),
        "cpu_ratio": round(cpu, 3),
        "limit": limit,
        "within_limit": {"wall": wall <= limit, "cpu": cpu <= limit},
    }
