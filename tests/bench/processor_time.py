"""What processes and their children cost in processor time while something was measured; read from /proc."""

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

__all__ = ["ProcessorTime"]

_TICK = os.sysconf("SC_CLK_TCK")


class ProcessorTime:
    """Counts from its making on: of each named process with all below it, of this process, and of everything else."""

    def __init__(self, **roots: int) -> None:
        self._roots = roots
        self._begun = time.monotonic()
        self._before = self._now()

    def document(self, requests: int) -> dict[str, Any]:
        """Milliseconds of processor a request, and how many processors others had in use on the average."""
        seconds = time.monotonic() - self._begun
        spent = {name: after - self._before[name] for name, after in self._now().items()}
        busy = spent.pop("all")
        client = spent.pop("client")
        each = {f"{name}_ms_a_request": round(1000 * used / max(1, requests), 2) for name, used in spent.items()}
        served = sum(spent.values())
        return each | {
            "all_ms_a_request": round(1000 * served / max(1, requests), 2),
            "processors_serving": round(served / seconds, 2),
            "processors_asking": round(client / seconds, 2),
            "processors_of_others": round(max(0.0, busy - served - client) / seconds, 2),
        }

    def _now(self) -> dict[str, float]:
        used, below = _processes()
        found = {
            name: sum(used.get(one, 0) for one in _family(root, below)) / _TICK for name, root in self._roots.items()
        }
        # user, nice, system, (idle, waiting,) interrupts of both kinds
        whole = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:8]]
        return found | {"all": (sum(whole) - whole[3] - whole[4]) / _TICK, "client": time.process_time()}


def _processes() -> tuple[dict[int, int], dict[int, list[int]]]:
    """Ticks of each living process with those of its children that are gone, and the children of each."""
    used: dict[int, int] = {}
    below: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile; its parent has its ticks
        number = int(path.parent.name)
        used[number] = sum(map(int, words[11:15]))
        below[int(words[1])].append(number)
    return used, below


def _family(root: int, below: dict[int, list[int]]) -> list[int]:
    return [root, *(one for child in below.get(root, ()) for one in _family(child, below))]
