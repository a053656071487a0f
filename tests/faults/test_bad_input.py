"""What cannot work is refused in a sentence, with the exit code that fits, and nothing is left behind."""

import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cliply_command import Cliply, Done, Films

pytestmark = pytest.mark.slow

BAD_INPUT, TOOL_MISSING, STEP_FAILED = 3, 4, 5

Maker = Callable[[Path, Films], Path]


def refused(done: Done, code: int, *words: str) -> None:
    """A sentence on stderr, nothing on stdout, and no word of how the program is built inside."""
    assert done.code == code, done.said
    assert done.out == ""
    said = " ".join(done.said.split())
    for word in words:
        assert word in said
    assert "Traceback" not in said
    assert 'File "' not in said
    assert re.search(r"Cliply could not do it\. \S.* .*[.!]$", said), "not a sentence"


def nothing_was_made(cliply: Cliply) -> None:
    assert not (cliply.folder / "out").exists()
    assert cliply.calls("-i file:") == 0
    assert not (cliply.home / "storage").exists()
    assert cliply.rows("SELECT count(*) FROM uploads") == [(0,)]


class Canary:
    """A server that nobody may talk to."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.calls = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    watched = Canary()
    yield watched
    watched.socket.close()


def written(name: str, data: bytes) -> Maker:
    def make(folder: Path, films: Films) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def truncated(folder: Path, films: Films) -> Path:
    path = folder / "cut-off.mp4"
    whole = films.talk.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def soundless(folder: Path, films: Films) -> Path:
    return films.draw("soundless.mp4", "-i", str(films.talk), "-t", "2", "-an", "-c", "copy")


def pictureless(folder: Path, films: Films) -> Path:
    return films.draw("pictureless.m4a", "-i", str(films.talk), "-t", "2", "-vn", "-c", "copy")


FILES: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "missing": (lambda folder, films: folder / "nowhere.mp4", ("There is no file", "nowhere.mp4")),
    "folder": (lambda folder, films: folder, ("is a folder",)),
    "empty": (written("empty.mp4", b""), ("empty (0 bytes)",)),
    "text": (written("notes.mp4", b"These are my notes.\n" * 50), ("is a text file",)),
    "noise": (written("noise.mp4", bytes(range(256)) * 200), ("noise.mp4",)),
    "truncated": (truncated, ("cut-off.mp4",)),
    "no sound": (soundless, ("0 sound tracks", "CLIPLY_REQUIRE_AUDIO")),
    "no picture": (pictureless, ("pictureless.m4a",)),
}


@pytest.mark.parametrize("kind", list(FILES))
def test_a_file_that_is_no_film_is_refused(kind: str, cliply: Cliply, films: Films, tmp_path: Path) -> None:
    make, words = FILES[kind]
    refused(cliply.clip(make(tmp_path, films)), BAD_INPUT, *words)
    nothing_was_made(cliply)


def test_a_playlist_renamed_mp4_is_not_followed(cliply: Cliply, tmp_path: Path, canary: Canary) -> None:
    playlist = tmp_path / "film.mp4"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:{canary.port}/a.ts\n#EXT-X-ENDLIST\n"
    )
    refused(cliply.clip(playlist), BAD_INPUT, "is a playlist")
    assert canary.calls == 0
    nothing_was_made(cliply)


def test_an_address_that_is_not_allowed_is_not_called(cliply: Cliply, canary: Canary) -> None:
    refused(cliply.clip(Path(f"http://127.0.0.1:{canary.port}/film.mp4")), BAD_INPUT)
    assert cliply.run("clip", f"https://127.0.0.1:{canary.port}/film.mp4", "--json").code == BAD_INPUT
    assert canary.calls == 0
    nothing_was_made(cliply)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"CLIPLY_MAX_DURATION_SECONDS": "10"}, ("24 s long", "00 min 10 s", "CLIPLY_MAX_DURATION_SECONDS")),
        ({"CLIPLY_MAX_WIDTH": "320"}, ("640 pixels wide", "320", "CLIPLY_MAX_WIDTH")),
        ({"CLIPLY_MAX_BIT_RATE": "10000"}, ("Mbit/s", "0.01", "CLIPLY_MAX_BIT_RATE")),
        ({"CLIPLY_MAX_SOURCE_BYTES": "1000"}, ("GiB", "CLIPLY_MAX_SOURCE_BYTES")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_film_over_a_limit_is_refused_with_value_limit_and_setting(
    setting: dict[str, str], words: tuple[str, ...], cliply: Cliply, films: Films
) -> None:
    refused(cliply.clip(films.talk, **setting), BAD_INPUT, *words)
    nothing_was_made(cliply)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (("--min", 20, "--max", 10), ("20 s", "10 s")),
        (("--min", 1), ("1 s is too short", "--min")),
        (("--clips", 0), ("0 clips",)),
        (("--style", "disco"), ("disco", "karaoke")),
        (("--aspect", "3:2"), ("3:2", "9:16")),
    ],
    ids=lambda value: str(value[0]),
)
def test_a_wish_that_cannot_be_met_is_refused(
    wish: tuple[object, ...], words: tuple[str, ...], cliply: Cliply, films: Films
) -> None:
    refused(cliply.clip(films.talk, *wish), BAD_INPUT, *words)
    nothing_was_made(cliply)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("words.srt", b"No times are in here.\n"),
        ("words.json", b'{"segments": 3}'),
        ("words.txt", b"Hello."),
        ("words.vtt", b"\xff\xfe\x00broken"),
        ("missing.srt", None),
    ],
)
def test_a_transcript_that_is_none_is_refused(
    name: str, data: bytes | None, cliply: Cliply, films: Films, tmp_path: Path
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    refused(cliply.clip(films.talk, "--transcript", path), BAD_INPUT, name)
    nothing_was_made(cliply)


def test_a_missing_ffmpeg_is_named_before_anything_is_begun(cliply: Cliply, films: Films) -> None:
    refused(
        cliply.clip(films.talk, IMAGEIO_FFMPEG_EXE="/nowhere/ffmpeg"), TOOL_MISSING, "/nowhere/ffmpeg", "pip install"
    )
    refused(cliply.clip(films.talk, IMAGEIO_FFMPEG_EXE="/bin/true"), TOOL_MISSING, "does not answer like ffmpeg")
    nothing_was_made(cliply)


def test_a_file_where_the_result_folder_should_be_is_refused(cliply: Cliply, films: Films, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    refused(cliply.clip(films.talk, "--out", tmp_path / "taken"), BAD_INPUT, "taken", "--out")
    refused(cliply.clip(films.talk, "--out", tmp_path / "taken" / "deeper"), BAD_INPUT, "deeper", "--out")
    assert (tmp_path / "taken").read_text() == "mine"
    nothing_was_made(cliply)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not here")
def test_a_result_folder_that_may_not_be_written_is_refused(cliply: Cliply, films: Films, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir(mode=0o555)
    done = cliply.without_privileges("clip", films.talk, "--json", "--out", folder)
    refused(done, BAD_INPUT, "Permission denied", "--out")
    assert not list(folder.iterdir())
    nothing_was_made(cliply)


def test_a_film_that_turns_out_broken_is_bad_input_and_not_tried_twice(
    cliply: Cliply, films: Films, tmp_path: Path
) -> None:
    film = tmp_path / "hollow.mp4"
    whole = bytearray(films.twin("hollow-before.mp4").read_bytes())
    begin = len(whole) // 4
    whole[begin:-20_000] = bytes(len(whole) - 20_000 - begin)
    film.write_bytes(whole)
    done = cliply.clip(film)
    refused(done, BAD_INPUT, "Decoding once", "cannot be")
    assert not list((cliply.folder / "out").iterdir())
    assert cliply.rows("SELECT attempt, state FROM upload_steps WHERE step = 'media_proxy'") == [(1, "failed")]
    cliply.nothing_is_half_written()
