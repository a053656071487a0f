"""All clips of an upload together: the time from the first render to the last against all cores busy with the same work.

The ideal is the processor time of every render step, spread evenly over the cores. Wall time says something about Cliply only while
nothing else runs; the document therefore says how busy the machine was.
"""

import os
from statistics import median
from typing import Any

import msgspec
from bench_common import machine, options, print_document, sample_film, say
from cliply_run import clip, empty_home

LIMIT = 1.6


def measured(document: dict[str, Any], cores: int) -> dict[str, Any]:
    """One run's figures; times of steps are seconds since the run began."""
    renders = [step for step in document["steps"] if step["step"] == "renders" and not step["reused"]]
    took = max(step["started"] + step["seconds"] for step in renders) - min(step["started"] for step in renders)
    work = sum(step["cpu_seconds"] for step in renders)
    return {
        "clips": len(renders),
        "seconds": round(took, 2),
        "cpu_seconds": round(work, 2),
        "ideal_seconds": round(work / cores, 2),
        "of_ideal": round(took * cores / work, 3),
    }


def main() -> None:
    """Measures and prints the document."""
    chosen = options(__doc__ or "", repeats=1, clips=(int, 6, "clips of the upload"))
    film, truth = sample_film(chosen.work)
    transcript = chosen.work / "sample-transcript.json"
    # Recognising speech would be most of the run, and none of what is measured.
    transcript.write_bytes(msgspec.json.encode(truth.transcript))
    cores = len(os.sched_getaffinity(0))
    turns = []
    for turn in range(chosen.repeats):
        say(f"  {turn + 1}/{chosen.repeats} cliply clip --clips {chosen.clips}")
        with empty_home(chosen.work) as home:
            wanted = ("--clips", str(chosen.clips), "--min", "10", "--max", "30", "--transcript", str(transcript))
            done = clip(film, home, home.with_name("out"), *wanted)
        if done.document is None or done.returncode != 0:
            print_document({"bench": "all_clips", "exit_code": done.returncode, "said": done.said})
            raise SystemExit(1)
        turns.append(measured(done.document, cores))
    of_ideal = median(turn["of_ideal"] for turn in turns)
    print_document(
        {
            "bench": "all_clips",
            "machine": machine(),
            "cores": cores,
            "limit": LIMIT,
            "of_ideal": of_ideal,
            "within_limit": of_ideal <= LIMIT,
            "turns": turns,
        }
    )


if __name__ == "__main__":
    main()
