"""Counts and durations of this process, in the text format that Prometheus reads."""

import threading
from bisect import bisect_left
from collections import defaultdict

__all__ = ["METRICS", "Metrics"]

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Upper ends of the buckets, in seconds."""

HELP = {
    "cliply_requests_total": ("counter", "Answered requests."),
    "cliply_request_seconds": ("histogram", "From the first byte of a request to the last of its answer."),
    "cliply_webhook_attempts_total": ("counter", "Attempts to deliver a webhook."),
    "cliply_webhook_lag_seconds": ("histogram", "From an event to its delivery by webhook."),
    "cliply_event_lag_seconds": ("histogram", "From an event to its being read for a stream."),
    "cliply_streams": ("gauge", "Open event streams and sockets."),
    "cliply_listening": ("gauge", "1 while the database's doorbell is heard."),
}

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: dict[tuple[str, Labels], float] = defaultdict(float)
        self._buckets: dict[tuple[str, Labels], list[int]] = {}

    def count(self, name: str, **labels: str) -> None:
        """One more."""
        with self._guard:
            self._counts[name, tuple(sorted(labels.items()))] += 1

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """One more that took so long."""
        key = name, tuple(sorted(labels.items()))
        with self._guard:
            buckets = self._buckets.setdefault(key, [0] * (len(BOUNDS) + 1))
            buckets[bisect_left(BOUNDS, seconds)] += 1
            self._counts[f"{name}_sum", key[1]] += seconds

    def text(self, gauges: dict[str, float]) -> str:
        """Everything, one line each, with these momentary values."""
        lines: list[str] = []
        with self._guard:
            for name, (kind, meaning) in HELP.items():
                lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
                if kind == "gauge":
                    lines.append(f"{name} {gauges.get(name, 0.0):g}")
                elif kind == "counter":
                    lines += [
                        f"{name}{_written(labels)} {value:g}"
                        for (one, labels), value in sorted(self._counts.items())
                        if one == name
                    ]
                else:
                    for (one, labels), buckets in sorted(self._buckets.items()):
                        if one == name:
                            lines += _histogram(name, labels, buckets, self._counts[f"{name}_sum", labels])
        return "\n".join(lines) + "\n"


def _histogram(name: str, labels: Labels, buckets: list[int], total: float) -> list[str]:
    lines, below = [], 0
    for bound, number in zip((*BOUNDS, float("inf")), buckets, strict=True):
        below += number
        written = "+Inf" if bound == float("inf") else f"{bound:g}"
        lines.append(f"{name}_bucket{_written((*labels, ('le', written)))} {below}")
    return [*lines, f"{name}_sum{_written(labels)} {total:.6f}", f"{name}_count{_written(labels)} {below}"]


def _written(labels: Labels) -> str:
    if not labels:
        return ""
    escaped = ((name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, value in labels)
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"


METRICS = Metrics()
"""Of this process."""
