"""The one decode: what it writes is complete, in sync, and on the viewer's clock, for plain and for odd sources."""

import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cliply_resources
from cliply_assets.source import proxy
from cliply_assets.source.proxy import AUDIO, FRAMES, MOTION, TIMING, frames_size, parse_timing, write_proxy
from cliply_resources.documents.media import MediaProxy, VideoStream
from cliply_resources.errors import DeadlineExceeded, MediaError, StepFailed
from cliply_resources.media_tools.frames import read_frames, read_motion
from cliply_resources.media_tools.probe import probe
from cliply_resources.progress import silent
from cliply_resources.settings import Settings

Film = Callable[..., Path]
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1")
STAGE = Path(__file__).parents[4] / "shared" / "media" / "stage-9s.mp4"


class Written:
    """A proxy and its files, read back."""

    def __init__(self, source: Path, into: Path) -> None:
        self.media = probe(source, settings=Settings())
        self.proxy = write_proxy(source, self.media, into, progress=silent, deadline_seconds=60)
        timing = pl.read_parquet(into / TIMING)
        assert timing.schema == {"time": pl.Float64, "cut_score": pl.Float32}
        self.times = timing["time"].to_numpy()
        self.scores = timing["cut_score"].to_numpy()
        self.frames = list(read_frames(into / FRAMES))
        motion = read_motion(into / MOTION, self.proxy.motion_width, self.proxy.motion_height)
        self.brightness = np.array([float(picture.mean()) for picture in motion])
        self.files = {path.name for path in into.iterdir()}
        self._into = into
        self._check()

    def _check(self) -> None:
        """What holds for every proxy."""
        proxy = self.proxy
        expected = {FRAMES, MOTION, TIMING} | ({AUDIO} if proxy.has_audio else set())
        assert self.files == expected
        assert len(self.times) == len(self.brightness) == proxy.source_frames
        assert (np.diff(self.times) > 0).all()
        assert self.times[0] >= 0
        assert len(self.frames) == proxy.frames_count
        assert [time for time, _ in self.frames] == [k / 2 for k in range(proxy.frames_count)]
        assert {picture.shape for _, picture in self.frames} == {(proxy.frames_height, proxy.frames_width, 3)}

    @property
    def sound(self) -> NDArray[np.int16]:
        with wave.open(str(self._into / AUDIO), "rb") as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)

    def first_bright(self) -> float:
        return float(self.times[np.argmax(self.brightness > 128)])

    def first_loud(self) -> float:
        return int(np.argmax(np.abs(self.sound) > 500)) / 16_000


def test_a_plain_film_becomes_what_the_contract_says(talk: Path, tmp_path: Path) -> None:
    written = Written(talk, tmp_path)
    proxy = written.proxy
    assert proxy.duration == pytest.approx(3.0, abs=0.03)
    assert (proxy.frames_width, proxy.frames_height) == (320, 180)
    assert (proxy.source_frames, proxy.frames_count, proxy.frames_rate) == (90, 6, 2.0)
    assert written.times == pytest.approx(np.arange(90) / 30, abs=1e-5)
    assert len(written.sound) / 16_000 == pytest.approx(3.0, abs=0.03)
    assert proxy.has_audio


@pytest.mark.skipif(not STAGE.exists(), reason="the shared recording is not here")
def test_a_real_recording_keeps_the_delay_of_its_picture(tmp_path: Path) -> None:
    written = Written(STAGE, tmp_path)
    # Its sound starts at 0.008 s and its picture at 0.852 s; a player starts with the sound.
    assert written.times[0] == pytest.approx(0.844, abs=0.001)
    assert written.proxy.source_frames == 275
    assert written.proxy.duration == pytest.approx(10.02, abs=0.01)
    assert np.array_equal(written.frames[0][1], written.frames[1][1])
    assert written.scores.max() > 8


def test_frame_k_shows_what_a_viewer_sees_at_k_halves(counting: Path, tmp_path: Path) -> None:
    written = Written(counting, tmp_path)
    for time, picture in written.frames:
        assert picture.mean() == pytest.approx(3 * round(time * 30) * 255 / 219, abs=2.0), f"wrong picture at {time}"
    assert len(written.frames) == 4


def test_motion_holds_every_source_frame_in_order(counting: Path, tmp_path: Path) -> None:
    written = Written(counting, tmp_path)
    assert written.brightness == pytest.approx(np.arange(60) * 3 * 255 / 219, abs=2.0)
    assert not written.proxy.has_audio


def test_unsmoothed_block_edges_of_a_large_film_change_no_time_and_hardly_a_pixel(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = film(
        "large.mp4",
        *("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=1.5", "-vf", "noise=c0s=9:c0f=t:all_seed=1"),
        *("-c:v", "libx264", "-preset", "faster", "-crf", "30", "-threads", "1"),
    )
    quick = Written(large, tmp_path / "quick")
    monkeypatch.setattr(proxy, "_unsmoothed", lambda _video: ())
    exact = Written(large, tmp_path / "exact")

    assert np.array_equal(quick.times, exact.times)
    assert quick.scores == pytest.approx(exact.scores, abs=0.2)
    assert quick.brightness == pytest.approx(exact.brightness, abs=0.5)
    assert not all(np.array_equal(a, b) for (_, a), (_, b) in zip(quick.frames, exact.frames, strict=True))
    for (_, one), (_, other) in zip(quick.frames, exact.frames, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 3


def test_sound_and_picture_stay_together(flash: Path, tmp_path: Path) -> None:
    written = Written(flash, tmp_path)
    assert written.first_bright() == pytest.approx(2.0, abs=0.001)
    assert written.first_loud() == pytest.approx(2.0, abs=0.002)
    lit = [time for time, picture in written.frames if picture.mean() > 128]
    assert lit == [2.0]
    assert written.scores[np.argmax(written.times > 1.99)] > 20


@pytest.mark.parametrize("container", ["mkv", "ts", "mov"])
@pytest.mark.parametrize(("delayed", "light", "tone"), [("sound", 2.0, 2.7), ("picture", 2.7, 2.0)])
def test_a_track_that_starts_late_stays_where_it_belongs(
    container: str, delayed: str, light: float, tone: float, flash: Path, film: Film, tmp_path: Path
) -> None:
    maps = {"sound": ("-map", "0:v", "-map", "1:a"), "picture": ("-map", "1:v", "-map", "0:a")}[delayed]
    coding = ("-c:v", "copy", "-c:a", "mp2" if container == "ts" else "copy")
    source = film(
        f"late-{delayed}.{container}",
        *("-i", str(flash), "-itsoffset", "0.7", "-i", str(flash), *maps, *coding),
    )
    written = Written(source, tmp_path)
    assert written.first_bright() == pytest.approx(light, abs=0.035)
    assert written.first_loud() == pytest.approx(tone, abs=0.035)
    assert written.first_loud() - written.first_bright() == pytest.approx(tone - light, abs=0.02)
    first_lit = next(time for time, picture in written.frames if picture.mean() > 128)
    assert first_lit == (2.0 if delayed == "sound" else 3.0)


def test_a_gap_in_the_sound_is_silence_and_moves_nothing(flash: Path, film: Film, tmp_path: Path) -> None:
    source = film(
        "gap.mkv",
        *("-i", str(flash), "-af", "aselect='not(between(t,0.5,1.5))'", "-c:v", "copy", "-c:a", "pcm_s16le"),
    )
    written = Written(source, tmp_path)
    assert written.first_loud() == pytest.approx(2.0, abs=0.03)
    assert len(written.sound) / 16_000 == pytest.approx(4.0, abs=0.05)


def test_an_uneven_frame_rate_keeps_its_true_times(film: Film, tmp_path: Path) -> None:
    source = film(
        "uneven-counting.mkv",
        *("-f", "lavfi", "-i", "nullsrc=s=64x64:r=30:d=2,format=yuv420p,geq=lum='16+3*N':cb=128:cr=128"),
        *("-vf", "select='lt(n,20)+not(mod(n,7))'", "-fps_mode", "vfr", "-c:v", "ffv1"),
    )
    kept = [n for n in range(60) if n < 20 or n % 7 == 0]
    written = Written(source, tmp_path)
    assert written.times == pytest.approx(np.array(kept) / 30, abs=0.001)
    for time, picture in written.frames:
        shown = max(n for n in kept if n / 30 <= time + 0.001)
        assert picture.mean() == pytest.approx(3 * shown * 255 / 219, abs=2.0)


@pytest.mark.parametrize("turn", ["90", "-90", "180"])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_turned_film_looks_as_a_player_shows_it(
    turn: str, mirror: bool, film: Film, talk: Path, tmp_path: Path
) -> None:
    flip = ["-display_hflip"] if mirror else []
    source = film(f"seen{turn}{mirror}.mp4", "-display_rotation", turn, *flip, "-i", str(talk), "-c", "copy")
    shown = film(f"shown{turn}{mirror}.png", "-i", str(source), "-frames:v", "1")
    written = Written(source, tmp_path)
    upright = (180, 320) if turn != "180" else (320, 180)
    assert (written.proxy.frames_width, written.proxy.frames_height) == upright
    expected = cv2.imread(str(shown))
    assert expected is not None
    difference = np.abs(expected.astype(int) - written.frames[0][1].astype(int)).mean()
    assert difference < 8, "turned or mirrored the wrong way"


def test_odd_sizes_and_pixel_aspect_become_even_square_pixels(film: Film, tmp_path: Path) -> None:
    odd = film("odd.mkv", "-f", "lavfi", "-i", "testsrc2=s=321x179:r=25:d=1", "-pix_fmt", "yuv444p", *FAST)
    assert Written(odd, tmp_path / "odd").proxy.frames_width % 2 == 0
    wide = film("wide.mkv", "-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=1", "-vf", "setsar=64/45", *FAST)
    proxy = Written(wide, tmp_path / "wide").proxy
    assert (proxy.frames_width, proxy.frames_height) == (640, 360)


@pytest.mark.parametrize(("layout", "codec"), [("5.1", "ac3"), ("7.1", "pcm_s16le"), ("16", "pcm_s16le")])
def test_many_channels_become_one_that_is_heard(layout: str, codec: str, film: Film, tmp_path: Path) -> None:
    form = "channel_layouts=" + (layout if "." in layout else "hexadecagonal")
    source = film(
        f"sound{layout}.mkv",
        *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=2", "-f", "lavfi", "-i", "aevalsrc=0.3*sin(2*PI*300*t):d=2"),
        *("-filter_complex", f"[1:a]pan=stereo|c0=c0|c1=c0,aformat={form}[a]", "-map", "0:v", "-map", "[a]"),
        *(*FAST, "-c:a", codec),
    )
    written = Written(source, tmp_path)
    assert written.media.audio[0].channels >= 6
    assert np.abs(written.sound).max() > 1000
    assert len(written.sound) / 16_000 == pytest.approx(2.0, abs=0.05)


def test_sizes_and_sound_that_change_midway_are_followed(film: Film, tmp_path: Path) -> None:
    parts = [
        film(
            f"part{number}.ts",
            *("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=2", "-f", "lavfi", "-i", f"sine=f=500:d=2:r={rate}"),
            *(*FAST, "-ac", str(channels), "-c:a", "ac3", "-output_ts_offset", str(2 * number)),
        )
        for number, (size, rate, channels) in enumerate([("320x180", 48000, 6), ("160x120", 44100, 2)])
    ]
    source = tmp_path / "changing.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    written = Written(source, tmp_path / "proxy")
    assert written.proxy.source_frames >= 98
    assert len(written.sound) / 16_000 == pytest.approx(4.0, abs=0.15)
    assert np.abs(written.sound[5_000:60_000].reshape(-1, 1000)).max(axis=1).min() > 500, "a hole in the sound"


def test_a_clock_that_starts_again_still_gives_rising_times(talk: Path, film: Film, tmp_path: Path) -> None:
    once = film("once.ts", "-i", str(talk), "-c:v", "copy", "-c:a", "mp2")
    source = tmp_path / "twice.ts"
    source.write_bytes(once.read_bytes() * 2)
    written = Written(source, tmp_path / "proxy")
    assert written.proxy.duration == pytest.approx(6.0, abs=0.2)
    assert written.proxy.source_frames == 180


def test_a_clock_that_steps_back_still_gives_rising_times(film: Film, counting: Path, tmp_path: Path) -> None:
    source = film(
        "backwards.mkv",
        *("-i", str(counting), "-c", "copy", "-bsf:v", "setts=pts='if(eq(mod(N,10),5),PTS-200,PTS)':dts=DTS"),
    )
    written = Written(source, tmp_path)
    assert written.proxy.source_frames >= 55
    assert written.proxy.duration == pytest.approx(2.0, abs=0.1)


def test_a_slide_show_lasts_as_long_as_its_last_picture(film: Film, tmp_path: Path) -> None:
    source = film(
        "slides.mp4",
        *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=1/3:d=9", "-f", "lavfi", "-i", "sine=d=9", *FAST, "-c:a", "aac"),
    )
    written = Written(source, tmp_path)
    assert written.proxy.duration == pytest.approx(9.0, abs=0.1)
    assert written.proxy.frames_count == 18


def clipped(path: Path, to: Path, fraction: float) -> Path:
    to.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])
    return to


@pytest.fixture(scope="module")
def grainy(film: Film) -> Path:
    """10 s with steady noise, so that bytes and seconds go together."""
    return film(
        "grainy.mkv",
        *("-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=10,noise=alls=20:allf=t", "-f", "lavfi", "-i", "sine=d=10"),
        *(*FAST, "-g", "15", "-c:a", "pcm_s16le"),
    )


def test_losing_more_than_a_tenth_is_refused_and_leaves_nothing(grainy: Path, tmp_path: Path) -> None:
    media = probe(grainy, settings=Settings())
    short = clipped(grainy, tmp_path / "short.mkv", 0.7)
    into = tmp_path / "proxy"
    with pytest.raises(MediaError, match=r"truncated: it promises 10\.0 s, but only"):
        write_proxy(short, media, into, progress=silent, deadline_seconds=60)
    assert list(into.iterdir()) == []


def test_losing_a_little_is_accepted_with_the_true_duration(grainy: Path, tmp_path: Path) -> None:
    short = clipped(grainy, tmp_path / "short.mkv", 0.95)
    written = Written(short, tmp_path / "proxy")
    assert 9.0 <= written.proxy.duration < 9.8
    assert written.proxy.duration >= written.times[-1]


def test_damage_in_the_middle_is_survived(grainy: Path, tmp_path: Path) -> None:
    data = bytearray(grainy.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    source = tmp_path / "damaged.mkv"
    source.write_bytes(data)
    written = Written(source, tmp_path / "proxy")
    assert written.proxy.duration == pytest.approx(10.0, abs=0.3)


def test_progress_rises_to_one_and_speaks(talk: Path, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    media = probe(talk, settings=Settings())
    write_proxy(
        talk, media, tmp_path, progress=lambda fraction, doing: told.append((fraction, doing)), deadline_seconds=60
    )
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "decoding the source" in told[0][1]


def test_an_interrupted_decode_leaves_nothing_and_spares_what_was_there(talk: Path, tmp_path: Path) -> None:
    media = probe(talk, settings=Settings())
    write_proxy(talk, media, tmp_path, progress=silent, deadline_seconds=60)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupt(fraction: float, doing: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_proxy(talk, media, tmp_path, progress=interrupt, deadline_seconds=60)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_killed_decode_leaves_nothing_that_looks_finished_and_the_next_one_cleans_up(
    film: Film, tmp_path: Path
) -> None:
    long = film("killed.mkv", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=8", *FAST)
    code = (
        "import os\nfrom pathlib import Path\n"
        "from cliply_assets.source.proxy import write_proxy\n"
        "from cliply_resources.media_tools.probe import probe\n"
        "from cliply_resources.settings import Settings\n"
        f"source = Path({str(long)!r})\n"
        "def die(fraction, doing):\n    os.kill(os.getpid(), 9)\n"
        "write_proxy(source, probe(source, settings=Settings()), Path('.'), progress=die, deadline_seconds=60)\n"
    )
    root = Path(cliply_resources.__file__).parents[1]
    killed = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=60,
    )
    assert killed.returncode == -9
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    assert left[0].name.startswith(".partial-")
    Written(long, tmp_path)


def test_decoding_again_gives_the_same_bytes(talk: Path, tmp_path: Path) -> None:
    media = probe(talk, settings=Settings())
    for name in ("one", "two"):
        write_proxy(talk, media, tmp_path / name, progress=silent, deadline_seconds=60, threads=2)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_decode_that_takes_too_long_leaves_nothing(film: Film, tmp_path: Path) -> None:
    slow = film("slow.mkv", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=6", *FAST)
    media = probe(slow, settings=Settings())
    with pytest.raises(DeadlineExceeded, match="decoding the source"):
        write_proxy(slow, media, tmp_path, progress=silent, deadline_seconds=0.05)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_refused_before_anything_is_read(talk: Path, tmp_path: Path) -> None:
    endless = msgspec.structs.replace(probe(talk, settings=Settings()), duration=1e12)
    with pytest.raises(StepFailed, match="disk is too full"):
        write_proxy(talk, endless, tmp_path, progress=silent, deadline_seconds=60)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    media = probe(talk, settings=Settings())
    with pytest.raises(StepFailed, match="cannot be written to"):
        write_proxy(talk, media, tmp_path / "file" / "below", progress=silent, deadline_seconds=60)


def test_the_result_survives_json(talk: Path, tmp_path: Path) -> None:
    proxy = Written(talk, tmp_path).proxy
    assert msgspec.json.decode(msgspec.json.encode(proxy), type=MediaProxy) == proxy


def test_times_are_read_back_from_ffmpegs_log(tmp_path: Path) -> None:
    log = tmp_path / "scores.txt"
    log.write_text(
        "frame:0    pts:0       pts_time:0\nlavfi.scd.mafd=0.000\nlavfi.scd.score=0.000\n"
        "frame:1    pts:14399966667 pts_time:14400\nlavfi.scd.score=12.5\nframe:2 pts:14400000000 pts_time:14400\n"
    )
    timing = parse_timing(log)
    assert timing.times.tolist() == [0.0, 14399.966667, 14400.0]
    assert timing.cut_scores.tolist() == [0.0, 12.5, 0.0]
    assert len(parse_timing(tmp_path / "none.txt").times) == 0


@given(width=st.integers(1, 8192), height=st.integers(1, 8192))
@settings(max_examples=200, deadline=None)
def test_frame_sizes_are_even_small_and_keep_the_aspect(width: int, height: int) -> None:
    video = VideoStream(index=0, codec="h264", width=width, height=height, frame_rate="30/1")
    small = frames_size(video)
    assert all(side % 2 == 0 and 2 <= side <= 640 for side in small)
    scale = min(640 / max(width, height), 1)
    assert abs(small[0] - width * scale) <= 1 or small[0] == 2
    assert abs(small[1] - height * scale) <= 1 or small[1] == 2
