"""Small films with known truth, and render specs that cut clips from them."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cliply_assets.renders.spec import make_render_spec, plan_loudness
from cliply_resources.documents import (
    AudioStream,
    CameraMove,
    Candidate,
    ClipSettings,
    Loudness,
    RenderSpec,
    SourceMedia,
    SourceVideo,
    VideoStream,
    Word,
)
from cliply_resources.documents.clips import KeptPiece
from cliply_resources.documents.sound import MusicFile
from cliply_resources.media_tools.ffmpeg import ffmpeg_version, run_ffmpeg
from cliply_resources.progress import silent

WIDTH, HEIGHT = 320, 180
BAR = 8
GRAY_STEP = 2
"""Frame k of a numbered film has a background of brightness 30 + 2 k."""


def ffmpeg(*arguments: str) -> None:
    run_ffmpeg(arguments, duration=None, progress=silent, deadline_seconds=60, doing="making a test film")


def numbered_frame(number: int, *, width: int = WIDTH, height: int = HEIGHT, bar: int | None = None) -> np.ndarray:
    """A picture that says which frame it is by its brightness, with a white bar whose left edge is at `bar`."""
    picture = np.full((height, width), 30 + GRAY_STEP * number, dtype=np.uint8)
    if bar is not None:
        picture[:, bar : bar + BAR] = 235
    return picture


def write_film(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    rate: str = "30",
    sound: Sequence[str] = ("-f", "lavfi", "-i", "anoisesrc=r=48000:c=pink:a=0.05:seed=7"),
    output: Sequence[str] = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-bf", "0", "-c:a", "aac"),
) -> Path:
    """Gray pictures as a film, with pink noise unless `sound` says otherwise; `sound=()` is a film without sound."""
    stack = np.stack(list(pictures))
    raw = path.with_suffix(".raw")
    raw.write_bytes(stack.tobytes())
    frames, height, width = stack.shape
    seconds = str(float(frames / Fraction(rate)))
    ffmpeg(
        *("-f", "rawvideo", "-pixel_format", "gray", "-video_size", f"{width}x{height}", "-framerate", rate),
        *("-i", str(raw), *sound),
        *(("-map", "0:v", "-map", "1:a", "-t", seconds) if sound else ()),
        *("-vf", "scale=out_range=tv,format=yuv420p", *output, str(path)),
    )
    raw.unlink()
    return path


def read_film(path: Path) -> np.ndarray:
    """All frames of a film as RGB: frames × height × width × 3."""
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def listen(path: Path) -> np.ndarray:
    """The left channel of a film's sound, -1 to 1, as a player hears it: from the first moment of the picture."""
    import av

    with av.open(str(path)) as container:
        frames = [(frame.pts, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    return np.concatenate([samples[max(0, -pts) :] for pts, samples in frames])


def media_of(
    *, seconds: float, rate: str = "30/1", width: int = WIDTH, height: int = HEIGHT, sound: bool = True, **video: object
) -> SourceMedia:
    return SourceMedia(
        container="mp4",
        duration=seconds,
        size_bytes=1,
        bit_rate=1,
        video=VideoStream(index=0, codec="h264", width=width, height=height, frame_rate=rate, **video),
        audio=(AudioStream(index=1, codec="aac", channels=1, sample_rate=48000),) if sound else (),
    )


def rest(frames: int, *, width: int = 90, height: int = 160, x: int = 0, y: int = 0, first: int = 0) -> CameraMove:
    return CameraMove(layout="crop", first_frame=first, frames=frames, width=width, height=height, x=(x,), y=(y,))


SpecMaker = Callable[..., RenderSpec]


def make_spec(
    media: SourceMedia,
    *,
    start: float,
    end: float,
    camera: tuple[CameraMove, ...],
    words: tuple[Word, ...] = (),
    style: str = "none",
    size: tuple[int, int] = (270, 480),
    loudness: Loudness | None = None,
    title: str = "A title",
    pieces: tuple[KeptPiece, ...] = (),
    music: MusicFile | None = None,
) -> RenderSpec:
    """A spec through the real maker, then made small and quick to encode."""
    candidate = Candidate(
        start=start,
        end=end,
        score=50,
        subscores={},
        title=title,
        description="",
        hashtags=(),
        reasons=("It is short.",),
    )
    spec = make_render_spec(
        SourceVideo(sha256="0" * 64, title="film", media=media),
        candidate,
        settings=ClipSettings(style=style),
        camera=camera,
        words=words,
        loudness=loudness if loudness else (plan_loudness(-30.0, -15.0) if media.audio else None),
        ffmpeg_version=ffmpeg_version(),
        models={"transcript": "test"},
        pieces=pieces,
        music=music,
    )
    settings = {**spec.settings, "preset": "ultrafast", "crf": "1"}
    return msgspec.structs.replace(spec, width=size[0], height=size[1], settings=settings)


class Films:
    """What tests of this folder share."""

    ffmpeg = staticmethod(ffmpeg)
    frame = staticmethod(numbered_frame)
    write = staticmethod(write_film)
    read = staticmethod(read_film)
    listen = staticmethod(listen)
    media = staticmethod(media_of)
    rest = staticmethod(rest)
    spec = staticmethod(make_spec)

    @staticmethod
    def number_of(picture: np.ndarray) -> int:
        """Which frame of a numbered film an RGB picture (without bar) shows."""
        # The way to studio range and back loses up to one step of brightness, never gains one.
        return round((float(np.median(picture)) + 0.5 - 30) / GRAY_STEP)


@pytest.fixture(scope="session")
def films() -> type[Films]:
    return Films


@pytest.fixture(scope="session")
def walking_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 numbered frames at 30 fps in which a white bar walks 2 pixels a frame from x = 40."""
    path = tmp_path_factory.mktemp("films") / "it's a film; [x],:%d.mp4"
    return write_film(path, (numbered_frame(k, bar=40 + 2 * k) for k in range(90)))
