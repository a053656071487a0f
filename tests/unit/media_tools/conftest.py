"""Small films, drawn by ffmpeg when a test first asks for them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cliply_resources.media_tools.ffmpeg import ffmpeg_path

Film = Callable[..., Path]

FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """`film(name, *arguments)` runs ffmpeg once for a name and gives the file."""
    folder = tmp_path_factory.mktemp("films")

    def draw(name: str, *arguments: str) -> Path:
        path = folder / name
        if not path.exists():
            command = [str(ffmpeg_path()), "-nostdin", "-v", "error", "-y", *arguments, str(path)]
            subprocess.run(command, check=True, timeout=60)
        return path

    return draw


@pytest.fixture(scope="session")
def talk(film: Film) -> Path:
    """3 s, 320×180, 30 frames a second, a tone; the plain good case."""
    return film(
        "talk.mp4",
        *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=3", "-f", "lavfi", "-i", "sine=f=440:d=3:r=48000"),
        *(*FAST, "-c:a", "aac", "-movflags", "+faststart"),
    )


@pytest.fixture(scope="session")
def counting(film: Film) -> Path:
    """2 s at 30 frames a second without sound; frame n is grey of luma 16 + 3 n, so a picture tells its own time."""
    return film(
        "counting.mkv",
        *("-f", "lavfi", "-i", "nullsrc=s=64x64:r=30:d=2,format=yuv420p,geq=lum='16+3*N':cb=128:cr=128"),
        *("-c:v", "ffv1"),
    )


@pytest.fixture(scope="session")
def flash(film: Film) -> Path:
    """4 s: white from 2.0 to 2.5 s in black, and a tone in exactly that stretch."""
    return film(
        "flash.mkv",
        *(
            "-f",
            "lavfi",
            "-i",
            "color=white:s=320x180:r=30:d=4,eq=brightness='if(between(t,1.999,2.499),0,-1)':eval=frame",
        ),
        *("-f", "lavfi", "-i", "aevalsrc='0.3*sin(2*PI*880*t)*between(t,2,2.5)':s=48000:d=4"),
        *(*FAST, "-c:a", "pcm_s16le"),
    )
