"""The commands around `clip`: what they print, how they end, and that plain Dagster finds its way too."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from cliply_command import ROOT, Cliply

pytestmark = pytest.mark.slow


def test_help_names_every_command_and_the_first_thing_to_try(cliply: Cliply) -> None:
    said = cliply.run("--help")
    assert said.code == 0
    for command in ("clip", "up", "doctor", "status", "runs", "clips", "migrate", "sample"):
        assert command in said.out
    assert "cliply clip FILM.mp4" in said.out
    assert cliply.run("clip", "--help").code == 0


def test_the_version_is_the_packages(cliply: Cliply) -> None:
    assert cliply.run("--version").out == f"cliply {version('cliply')}\n"


def test_wrong_usage_is_no_bad_input(cliply: Cliply) -> None:
    for wrong in (("clip",), ("clip", "film.mp4", "--clips", "many"), ("no-such-command",)):
        done = cliply.run(*wrong)
        assert done.code == 2
        assert done.out == ""


def test_migrating_twice_changes_nothing(cliply: Cliply) -> None:
    for _ in range(2):
        done = cliply.run("migrate")
        assert (done.code, done.out) == (0, "The schema is up to date.\n"), done.said


def test_doctor_finds_everything_that_is_needed(cliply: Cliply) -> None:
    done = cliply.run("doctor", "--json")
    found = {finding["what"]: finding for finding in done.document}
    for needed in ("Python", "ffmpeg", "caption fonts", "face detector", "storage", "database", "speech: pocketsphinx"):
        assert found[needed]["state"] == "ok", found[needed]
    # A machine that runs tests may be short of disk, which the doctor rightly says.
    lacking = {what for what, finding in found.items() if finding["state"] == "missing"}
    assert lacking <= {"disk"}
    assert done.code == (4 if lacking else 0)
    assert cliply.run("doctor").code == done.code


def test_doctor_names_the_remedy_for_what_is_missing(cliply: Cliply) -> None:
    done = cliply.run("doctor", "--json", IMAGEIO_FFMPEG_EXE="/nowhere/ffmpeg")
    assert done.code == 4
    (ffmpeg,) = [finding for finding in done.document if finding["what"] == "ffmpeg"]
    assert ffmpeg["state"] == "missing"
    assert "pip install imageio-ffmpeg" in ffmpeg["remedy"]


def test_an_unreachable_database_is_somebody_elses_system(cliply: Cliply) -> None:
    done = cliply.run("status", CLIPLY_DATABASE_URL="postgresql://nobody@127.0.0.1:9/cliply?connect_timeout=1")
    assert done.code == 6
    assert "cannot be reached" in done.said
    assert "Traceback" not in done.said


def test_nothing_yet_is_said_kindly(cliply: Cliply) -> None:
    assert json.loads(cliply.run("runs", "--json").out) == []
    assert json.loads(cliply.run("clips", "--json").out) == {}
    assert "cliply clip FILM.mp4" in cliply.run("runs").out
    assert "No clips yet." in cliply.run("clips").out
    assert "cliply up" in cliply.run("status").out


@pytest.mark.parametrize("reader_takes", [0, 10])
def test_a_reader_that_hangs_up_gets_no_traceback(cliply: Cliply, reader_takes: int) -> None:
    process = cliply.start("doctor", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(reader_takes)
    process.stdout.close()
    said = process.stderr.read()
    process.wait()
    assert "Traceback" not in said


def test_plain_dagster_loads_the_workspace_from_the_repository_root(cliply: Cliply) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-w", "workspace.yaml"],
        check=False,
        cwd=ROOT,
        env={**cliply.environment(), "DAGSTER_HOME": os.fspath(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout + done.stderr
