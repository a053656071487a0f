"""Stopped, killed, or asked twice at once: nothing runs on, nothing is half-written, nothing is done twice."""

import os
import signal
import time
from typing import Any

import dagster as dg
import pytest
from cliply_command import DECODING, RENDERING, Cliply, Films

pytestmark = pytest.mark.slow

SECONDS_TO_STOP = 20
"""On an idle machine it takes less than one; the promise is that nobody has to look for what is still running."""


ANALYSIS = {
    "source_video",
    "media_proxy",
    "transcript",
    "scenes",
    "face_tracks",
    "audio_features",
    "clip_candidates",
}


def only_renders_are_new(document: dict[str, Any]) -> bool:
    reused = {step["step"] for step in document["steps"] if step["reused"]}
    return reused >= ANALYSIS and "renders" not in reused


def states(cliply: Cliply, upload: str) -> list[dg.DagsterRunStatus]:
    """How the runs of an upload ended, the oldest first."""
    with cliply.dagster() as instance:
        runs = instance.get_runs(filters=dg.RunsFilter(tags={"cliply/upload": upload}))
        return [run.status for run in reversed(runs)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_a_stopped_command_says_so_and_goes_on_from_there(cliply: Cliply, films: Films, number: signal.Signals) -> None:
    film = films.twin(f"stopped-{number.name}.mp4")
    decodes = cliply.calls(DECODING)
    cliply.hold(RENDERING)
    process = cliply.start(*cliply.clip_arguments(film), "--aspect", "1:1")
    cliply.wait_until_held(process)
    began = time.monotonic()
    # Ctrl-C reaches everybody in the terminal's group; a service manager tells the command alone.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    stopped = cliply.end(process)
    assert time.monotonic() - began < SECONDS_TO_STOP
    assert stopped.code == 130, stopped.said
    assert stopped.out == ""
    assert "run the same command again to go on" in stopped.said
    assert "Traceback" not in stopped.said
    cliply.nobody_is_left()
    cliply.nothing_is_half_written()

    cliply.release()
    again = cliply.clip(film, "--aspect", "1:1")
    assert again.code == 0, again.said
    assert "Continuing upload" in again.said
    assert only_renders_are_new(again.document)
    assert cliply.calls(DECODING) - decodes == 1
    ended = states(cliply, again.document["upload"])
    assert ended == [dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS]


def test_a_killed_command_leaves_nobody_behind_and_its_work_is_finished_by_the_next(
    cliply: Cliply, films: Films
) -> None:
    film = films.twin("killed.mp4")
    for kind in (DECODING, RENDERING):
        cliply.hold(kind)
        process = cliply.start(*cliply.clip_arguments(film), "--aspect", "1:1")
        cliply.wait_until_held(process)
        process.kill()
        assert cliply.end(process).code == -signal.SIGKILL
        cliply.nobody_is_left()
        # What was stored is whole; the folder of the killed step is cleared by whoever does the step next.
        assert not list((cliply.home / "storage").rglob(".part-*"))

    cliply.release()
    done = cliply.clip(film, "--aspect", "1:1")
    assert done.code == 0, done.said
    assert only_renders_are_new(done.document)
    cliply.nothing_is_half_written()
    failed = dg.DagsterRunStatus.FAILURE
    assert states(cliply, done.document["upload"]) == [failed, failed, dg.DagsterRunStatus.SUCCESS]


def test_two_commands_at_once_do_the_work_once(cliply: Cliply, films: Films) -> None:
    film = films.twin("twice.mp4")
    decodes, renders = cliply.calls(DECODING), cliply.calls(RENDERING)
    arguments = [*cliply.clip_arguments(film), "--aspect", "1:1"]
    both = [cliply.start(*arguments, "--out", cliply.folder / f"out-{number}") for number in (1, 2)]
    one, other = [cliply.end(process) for process in both]
    assert (one.code, other.code) == (0, 0), (one.said, other.said)
    assert one.document["upload"] == other.document["upload"]
    assert cliply.calls(DECODING) - decodes == 1
    assert cliply.calls(RENDERING) - renders == 1
    facts = ("id", "start", "end", "score", "title", "reasons")
    assert [one.clip()[name] for name in facts] == [other.clip()[name] for name in facts]
    first, second = (sorted((cliply.folder / f"out-{number}").glob("*.mp4")) for number in (1, 2))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
