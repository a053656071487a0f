"""A disk that fills up while Cliply works: a clear sentence, nothing that looks finished, and it goes on once there is room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cliply_command import Cliply, Films

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk"),
]

STEP_FAILED = 5


class SmallDisk:
    """A file system of a few megabytes, of which most is taken until `make_room`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=False, capture_output=True
        )
        if made.returncode != 0:
            pytest.skip("this machine does not let root mount a file system")

    def leave(self, size: int) -> None:
        """Takes all but `size` bytes."""
        free = os.statvfs(self.folder)
        with (self.folder / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, free.f_bavail * free.f_frsize - size)

    def make_room(self) -> None:
        """Gives it back."""
        (self.folder / "ballast").unlink()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(cliply: Cliply, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    """A small disk where the marker says."""
    made = SmallDisk(cliply.folder / request.param)
    yield made
    made.close()


@pytest.mark.parametrize("disk", ["home"], indirect=True)
@pytest.mark.parametrize("room", [0, 200_000, 2_000_000], ids=["at once", "at the first step", "while decoding"])
def test_a_full_home_is_named_and_the_work_goes_on_when_there_is_room(
    room: int, cliply: Cliply, films: Films, disk: SmallDisk
) -> None:
    film = films.twin("full.mp4")
    disk.leave(room)
    out = cliply.folder / f"out-{room}"
    failed = cliply.clip(film, "--aspect", "1:1", "--out", out)
    assert failed.code == STEP_FAILED, failed.said
    assert failed.out == ""
    assert "No space left" in failed.said or "no room" in failed.said or "disk is full" in failed.said
    assert "Traceback" not in failed.said
    assert cliply.rows("SELECT max(attempt) FROM upload_steps WHERE state = 'failed'") in ([(None,)], [(1,)])
    assert not list(out.glob("*"))
    cliply.nobody_is_left()
    cliply.nothing_is_half_written()

    disk.make_room()
    if room:
        return
    done = cliply.clip(film, "--aspect", "1:1", "--out", out)
    assert done.code == 0, done.said


@pytest.mark.parametrize("disk", ["small"], indirect=True)
def test_a_full_result_folder_is_named_and_holds_whole_files_only(
    cliply: Cliply, films: Films, disk: SmallDisk
) -> None:
    film = films.twin("full.mp4")
    out = disk.folder / "out"
    disk.leave(300_000)
    failed = cliply.clip(film, "--aspect", "1:1", "--out", out)
    assert failed.code == STEP_FAILED, failed.said
    assert failed.out == ""
    assert "No space left" in failed.said
    assert "--out" in failed.said
    assert "Traceback" not in failed.said
    assert [path.name for path in out.iterdir()] == []
    disk.make_room()
    done = cliply.clip(film, "--aspect", "1:1", "--out", out)
    assert done.code == 0, done.said
    assert all(step["reused"] for step in done.document["steps"])
    assert all(Path(path).stat().st_size for path in done.clip()["files"].values())
