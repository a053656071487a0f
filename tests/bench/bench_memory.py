"""The largest process of `cliply clip` on a film of an hour, made by repeating the sample without coding it again, and what it took.

With `--known-words 1` the words are brought along, so that no speech engine is part of it.
"""

from math import ceil
from pathlib import Path

import msgspec
from bench_common import DEADLINE, machine, options, print_document, sample_film, say
from cliply_run import clip, empty_home

from cliply_resources.documents import Segment
from cliply_resources.media_tools.ffmpeg import run_ffmpeg
from cliply_resources.progress import silent

LIMIT_BYTES = 1_500_000_000


def long_film(work: Path, minutes: float) -> Path:
    """The sample again and again, `minutes` long; 30 MB a minute."""
    film, truth = sample_film(work)
    out = work / f"long-{minutes:g}-minutes.mp4"
    if not out.exists():
        partial = out.with_suffix(".partial.mp4")
        again = ceil(minutes * 60 / truth.duration) - 1
        run_ffmpeg(
            [
                *("-stream_loop", str(again), "-i", str(film), "-t", str(minutes * 60)),
                *("-map", "0:v", "-map", "0:a", "-c", "copy", str(partial)),
            ],
            duration=None,
            progress=silent,
            deadline_seconds=DEADLINE,
            doing="making a long film",
        )
        partial.replace(out)
    return out


def repeated_words(work: Path, minutes: float) -> Path:
    """What is said in the long film, from the sample's truth."""
    _, truth = sample_film(work)
    starts = [turn * truth.duration for turn in range(ceil(minutes * 60 / truth.duration))]
    whole = msgspec.structs.replace(
        truth.transcript,
        segments=tuple(
            _later(one, start)
            for start in starts
            for one in truth.transcript.segments
            if start + one.end < minutes * 60
        ),
    )
    path = work / f"long-{minutes:g}-minutes.json"
    path.write_bytes(msgspec.json.encode(whole))
    return path


def _later(segment: Segment, seconds: float) -> Segment:
    replace = msgspec.structs.replace
    words = tuple(replace(word, start=word.start + seconds, end=word.end + seconds) for word in segment.words)
    return replace(segment, start=segment.start + seconds, end=segment.end + seconds, words=words)


def main() -> None:
    """Measures and prints the document."""
    chosen = options(
        __doc__ or "",
        repeats=1,
        minutes=(float, 60.0, "length of the film"),
        known_words=(int, 0, "1: bring the words along, to leave the speech engine out of it"),
    )
    film = long_film(chosen.work, chosen.minutes)
    say(f"cliply clip on {chosen.minutes:g} minutes")
    words = repeated_words(chosen.work, chosen.minutes) if chosen.known_words else None
    brought = ("--transcript", str(words)) if words else ()
    with empty_home(chosen.work) as home:
        done = clip(film, home, home.with_name("out"), *brought)
    largest = next(iter(done.peaks.values()), 0)
    document = done.document or {}
    print_document(
        {
            "bench": "memory",
            "machine": machine(),
            "film_minutes": chosen.minutes,
            "exit_code": done.returncode,
            "engine": document.get("engine"),
            "clips": len(document.get("clips", ())),
            "wall_seconds": round(done.wall_seconds, 1),
            "cpu_seconds_of_steps": round(sum(step["cpu_seconds"] for step in document.get("steps", ())), 1),
            "steps": [
                {name: step[name] for name in ("step", "seconds", "cpu_seconds")} for step in document.get("steps", ())
            ],
            "largest_process_bytes": largest,
            "limit_bytes": LIMIT_BYTES,
            "within_limit": done.returncode == 0 and 0 < largest <= LIMIT_BYTES,
            "processes": dict(list(done.peaks.items())[:8]),
            **({} if done.returncode == 0 else {"said": done.said}),
        }
    )
    raise SystemExit(0 if done.returncode == 0 else 1)


if __name__ == "__main__":
    main()
