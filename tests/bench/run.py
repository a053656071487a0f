"""Runs every bench, one after the other, and prints one JSON document; `make bench` calls it.

    python tests/bench/run.py [--only analysis,render] [--work build/bench]

Takes about half an hour, most of it for the film of an hour.
"""

import json
import sys
from pathlib import Path

from bench_common import machine, options, print_document, say

from cliply_resources.media_tools.process import run

BENCHES = ("analysis", "render", "clip", "all_clips", "moviepy", "flat", "memory")
_DEADLINE = 3 * 3600.0  # seconds; the longest bench transcribes an hour of speech on whatever machine this is


def main() -> None:
    """Each bench in a process of its own, so that none inherits another's memory."""
    chosen = options(__doc__ or "", only=(str, ",".join(BENCHES), "which benches, comma-separated"))
    results, failed = {}, []
    for name in chosen.only.split(","):
        say(f"bench {name}")
        script = Path(__file__).with_name(f"bench_{name}.py")
        finished = run([sys.executable, str(script), "--work", str(chosen.work)], deadline_seconds=_DEADLINE)
        text = finished.stdout.strip()
        results[name] = json.loads(text) if text.startswith("{") else {"said": finished.stderr[-2000:]}
        if finished.returncode != 0:
            failed.append(name)
            results[name]["exit_code"] = finished.returncode
    print_document({"machine": machine(), "failed": failed, "benches": results})
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
