"""`cliply clip` on the sample: the wall time of the whole command against the work of its steps."""

import os
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench_common import machine, options, print_document, sample_film, say
from cliply_run import clip, empty_home

from cliply_assets.steps.rules import STEPS

FIXED_SECONDS, FACTOR = 5.0, 1.1


def longest_chain(steps: Sequence[dict[str, Any]]) -> float:
    """Seconds of the longest path through the graph; of steps that fan out, the longest part counts."""
    ends: dict[str, float] = {}
    for name, rules in STEPS.items():
        longest = max((step["seconds"] for step in steps if step["step"] == name), default=0.0)
        ends[name] = longest + max((ends[one] for one in rules.after), default=0.0)
    return max(ends.values())


def shortest_schedule(steps: Sequence[dict[str, Any]], slots: int) -> float:
    """Seconds that the same step work takes on `slots` workers without any pause between steps.

    Each worker takes the first step in line whose inputs are there; so a fan-out wider than the machine counts in full.
    """
    waiting = sorted(steps, key=lambda step: step["started"])
    parts = {name: sum(step["step"] == name for step in steps) for name in STEPS}
    done: dict[str, int] = dict.fromkeys(STEPS, 0)
    running: list[tuple[float, str]] = []
    now = 0.0
    while waiting or running:
        ready = [step for step in waiting if all(done[one] == parts[one] for one in STEPS[step["step"]].after)]
        for step in ready[: slots - len(running)]:
            waiting.remove(step)
            running.append((now + step["seconds"], step["step"]))
        running.sort()
        now, name = running.pop(0)
        done[name] += 1
    return now


def main() -> None:
    """Measures and prints the document."""
    chosen = options(__doc__ or "", repeats=1)
    film, _ = sample_film(chosen.work)
    slots = os.cpu_count() or 1
    turns = []
    for turn in range(chosen.repeats):
        say(f"  {turn + 1}/{chosen.repeats} cliply clip")
        with empty_home(chosen.work) as home:
            done = clip(film, home, home.with_name("out"), "--clips", "4", "--max", "40")
        if done.document is None or done.returncode != 0:
            failed = {"bench": "clip", "exit_code": done.returncode, "said": done.said, "document": done.document}
            print_document(failed)
            raise SystemExit(1)
        steps = [step for step in done.document["steps"] if not step["reused"]]
        chain, schedule = longest_chain(steps), shortest_schedule(steps, slots)
        turns.append(
            {
                "wall_seconds": round(done.wall_seconds, 2),
                "chain_seconds": round(chain, 2),
                "schedule_seconds": round(schedule, 2),
                "over_chain": done.wall_seconds - FIXED_SECONDS - FACTOR * chain,
                "over_schedule": done.wall_seconds - FIXED_SECONDS - FACTOR * schedule,
                "clips": len(done.document["clips"]),
                "engine": done.document["engine"],
                "steps": [{key: step[key] for key in ("step", "part", "started", "seconds")} for step in steps],
                "largest_process_bytes": next(iter(done.peaks.values()), 0),
            }
        )
    over_chain = median(turn.pop("over_chain") for turn in turns)
    over_schedule = median(turn.pop("over_schedule") for turn in turns)
    print_document(
        {
            "bench": "clip",
            "machine": machine(),
            "limit": f"{FIXED_SECONDS:g} s + {FACTOR:g} × step work",
            "slots": slots,
            # The chain alone is what a machine with a processor for every clip would need; with fewer, clips queue.
            "within_limit_of_chain": over_chain <= 0,
            "within_limit_of_schedule": over_schedule <= 0,
            "seconds_over_chain": round(over_chain, 2),
            "seconds_over_schedule": round(over_schedule, 2),
            "turns": turns,
        }
    )


if __name__ == "__main__":
    main()
