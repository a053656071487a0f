"""The tutorial as it is written, against a whole running stack: from an account to a film on the disk."""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cliply_command import LIMIT_SECONDS, ROOT, Cliply, Films, until

from cliply_resources.media_tools.probe import probe
from cliply_resources.settings import Settings

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port: int = asking.getsockname()[1]
        return port


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def done(cliply: Cliply, films: Films, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a reader has at the end, and what they read in the shell."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copyfile(films.twin("tutorial.mp4"), folder / "cliply-sample.mp4")
    api_port = free_port()
    stack = cliply.start("up", "--port", free_port(), "--api-port", api_port)
    try:
        until(lambda: is_ready(api_port) or stack.poll() is not None)
        shell = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", "".join(BLOCKS)],
            cwd=folder,
            env={
                **cliply.environment(),
                "CLIPLY": f"http://127.0.0.1:{api_port}",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "no_proxy": "127.0.0.1",
            },
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        yield SimpleNamespace(folder=folder, shell=shell)
    finally:
        stack.terminate()
        stack.communicate()


def test_every_block_works_as_written(done: Any) -> None:
    assert len(BLOCKS) >= 9
    assert done.shell.returncode == 0, done.shell.stdout + done.shell.stderr
    assert "review, " in done.shell.stdout
    assert "approved" in done.shell.stdout.split()


def test_what_was_downloaded_is_a_clip_as_it_was_asked_for(done: Any) -> None:
    found = probe(done.folder / "clip.mp4", settings=Settings())
    assert (found.video.width, found.video.height) == (1080, 1080)
    assert 2.9 <= found.duration <= 6.5
    assert (found.video.codec, found.audio[0].codec) == ("h264", "aac")
    assert "-->" in (done.folder / "clip.srt").read_text(encoding="utf-8")
    assert "-->" in (done.folder / "talk.srt").read_text(encoding="utf-8")


def test_the_web_requests_id_is_on_the_run_and_in_the_log_of_every_step(done: Any, cliply: Cliply) -> None:
    assert cliply.rows("SELECT request_id, completed_at IS NOT NULL FROM uploads") == [("my-first-film", True)]
    with cliply.dagster() as instance:
        runs = [run for run in instance.get_runs() if run.tags.get("cliply/request_id") == "my-first-film"]
        assert [run.job_name for run in runs] == ["make_clips"]
        lines: dict[str, int] = {}
        for entry in instance.all_logs(runs[0].run_id):
            if entry.step_key and "my-first-film" in entry.user_message:
                name = entry.step_key.partition("[")[0]
                lines[name] = lines.get(name, 0) + 1
    steps = {"source_video", "media_proxy", "transcript", "scenes", "face_tracks", "audio_features", "clip_candidates"}
    assert steps <= lines.keys()
    assert all(lines[step] >= 2 for step in steps), "a step says when it begins and when it is done"
