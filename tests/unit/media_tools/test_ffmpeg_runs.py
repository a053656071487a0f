"""ffmpeg's progress, its failures as sentences, loudness, and reading pictures back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cliply_resources.errors import DeadlineExceeded, MediaError, StepFailed, ToolMissing
from cliply_resources.media_tools.ffmpeg import ffmpeg_path, ffmpeg_version, guarded_input, has_filter, run_ffmpeg
from cliply_resources.media_tools.frames import count_frames, read_frames, read_motion
from cliply_resources.media_tools.loudness import measure_loudness, read_summary
from cliply_resources.media_tools.process import ProcessLimits
from cliply_resources.progress import silent

Film = Callable[..., Path]
ENDLESS = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=30")


def run(*arguments: str, deadline_seconds: float = 30, limits: ProcessLimits | None = None) -> None:
    run_ffmpeg(
        arguments, duration=None, progress=silent, deadline_seconds=deadline_seconds, doing="testing", limits=limits
    )


def test_the_version_is_the_one_the_wheel_carries() -> None:
    assert ffmpeg_version().lstrip("n")[0].isdigit()
    assert ffmpeg_path().is_absolute()


def test_filters_are_known_by_name() -> None:
    assert all(has_filter(name) for name in ("ass", "scdet", "ebur128", "alimiter", "fps"))
    assert not has_filter("nosuchfilter")


def test_without_an_ffmpeg_the_remedy_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    ffmpeg_path.cache_clear()
    try:
        with pytest.raises(ToolMissing, match="/nowhere/ffmpeg") as caught:
            ffmpeg_path()
        assert "pip install" in caught.value.remedy
    finally:
        ffmpeg_path.cache_clear()


def test_progress_never_falls_and_ends_at_one(talk: Path) -> None:
    told: list[tuple[float, str]] = []
    result = run_ffmpeg(
        [*guarded_input(talk, "-readrate", "3"), "-f", "null", "-"],
        duration=3.0,
        progress=lambda fraction, doing: told.append((fraction, doing)),
        deadline_seconds=30,
        doing="reading the talk",
    )
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any(0 < fraction < 1 for fraction in fractions)
    assert all(doing.startswith("reading the talk") for _, doing in told)
    assert any("s of 3 s" in doing for _, doing in told)
    assert result.peak_memory_bytes > 0


def test_a_full_disk_is_said_in_those_words() -> None:
    with pytest.raises(StepFailed, match="disk is full") as caught:
        run(*ENDLESS, "-t", "2", "-f", "rawvideo", "/dev/full")
    assert "No space left" in caught.value.detail


def test_a_folder_that_is_not_there_is_a_failed_step(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="while testing") as caught:
        run(*ENDLESS, "-t", "1", str(tmp_path / "missing" / "out.mkv"))
    assert caught.value.detail


def test_a_file_that_grows_too_large_stops_the_step(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="larger than it may"):
        run(*ENDLESS, "-f", "rawvideo", str(tmp_path / "o"), limits=ProcessLimits(file_bytes=1_000_000))


def test_a_step_that_takes_too_long_says_how_far_it_came(tmp_path: Path) -> None:
    with pytest.raises(DeadlineExceeded, match=r"while drawing.*may take"):
        run_ffmpeg(
            ["-re", *ENDLESS, "-f", "null", "-"],
            duration=100.0,
            progress=silent,
            deadline_seconds=1.0,
            doing="drawing",
        )


def test_damaged_input_is_the_inputs_fault_and_keeps_the_evidence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypisom" + bytes(3000))
    with pytest.raises(MediaError, match="cannot be used") as caught:
        run(*guarded_input(broken), "-f", "null", "-")
    assert any("broken.mp4" in note for note in caught.value.__notes__)


def test_a_wrong_filter_is_not_blamed_on_the_input(talk: Path) -> None:
    with pytest.raises(StepFailed):
        run(*guarded_input(talk), "-vf", "nosuchfilter", "-f", "null", "-")


def test_no_report_file_is_written_on_somebodys_wish(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFREPORT", f"file={tmp_path / 'report.log'}")
    run(*guarded_input(talk), "-t", "0.1", "-f", "null", "-")
    assert list(tmp_path.iterdir()) == []


def test_loudness_of_a_known_tone_is_right(film: Film) -> None:
    # BS.1770: a 1 kHz sine of peak 0.1 (−20 dBFS) in both channels reads −20 LUFS.
    tone = film("tone.wav", "-f", "lavfi", "-i", "aevalsrc=0.1*sin(2*PI*997*t)|0.1*sin(2*PI*997*t):s=48000:d=4")
    measured = measure_loudness(tone, start=1.0, duration=2.0, deadline_seconds=20)
    assert measured is not None
    assert measured[0] == pytest.approx(-20.0, abs=0.2)
    assert measured[1] == pytest.approx(-20.0, abs=0.3)


def test_loudness_is_that_of_the_stretch_and_silence_is_none(flash: Path) -> None:
    assert measure_loudness(flash, start=0.0, duration=1.5, deadline_seconds=20) is None
    assert measure_loudness(flash, start=1.9, duration=0.8, deadline_seconds=20) is not None


def test_a_log_without_summary_is_no_measurement() -> None:
    with pytest.raises(StepFailed, match="no summary"):
        read_summary("nothing here")


@pytest.fixture(scope="module")
def pictures(film: Film) -> Path:
    """12 s at 2 frames a second; frame k is grey of 9 k out of 219."""
    return film(
        "pictures.mkv",
        *("-f", "lavfi", "-i", "nullsrc=s=64x48:r=2:d=12,format=yuv420p,geq=lum='16+9*N':cb=128:cr=128"),
        *("-vf", "scale=out_range=full,format=yuvj420p", "-c:v", "mjpeg", "-q:v", "2"),
    )


def test_frames_come_with_their_exact_times(pictures: Path) -> None:
    found = list(read_frames(pictures))
    assert [time for time, _ in found] == [k / 2 for k in range(24)]
    assert found[0][1].shape == (48, 64, 3)
    assert found[0][1].dtype == np.uint8
    for k, (_, picture) in enumerate(found):
        assert picture.mean() == pytest.approx(9 * k * 255 / 219, abs=2.5)
    assert count_frames(pictures) == 24


@pytest.mark.parametrize(("start", "end"), [(0.0, 3.0), (5.0, 7.25), (4.9, None), (11.5, 99.0), (50.0, None)])
def test_a_stretch_of_frames_is_exactly_that_stretch(pictures: Path, start: float, end: float | None) -> None:
    times = [time for time, _ in read_frames(pictures, start=start, end=end)]
    assert times == [k / 2 for k in range(24) if start <= k / 2 and (end is None or k / 2 < end)]


def test_motion_is_read_frame_by_frame_and_a_torn_file_is_noticed(tmp_path: Path) -> None:
    frames = np.arange(700 * 4 * 6 * 3, dtype=np.uint64).astype(np.uint8).reshape(700, 4, 6, 3)
    path = tmp_path / "motion.bin"
    path.write_bytes(frames.tobytes())
    assert all((read == wrote).all() for read, wrote in zip(read_motion(path, 6, 4), frames, strict=True))
    path.write_bytes(frames.tobytes()[:-1])
    with pytest.raises(StepFailed, match="middle of a picture"):
        list(read_motion(path, 6, 4))


def test_a_frames_file_that_is_none_is_a_failed_step(tmp_path: Path) -> None:
    path = tmp_path / "frames.mkv"
    path.write_text("not pictures")
    with pytest.raises(StepFailed, match=r"frames\.mkv"):
        list(read_frames(path))


def test_an_ffmpeg_that_is_killed_while_it_is_asked_is_not_taken_for_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dies = tmp_path / "ffmpeg"
    dies.write_text("#!/bin/sh\nkill -9 $$\n")
    dies.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(dies))
    for question in (ffmpeg_path, ffmpeg_version):
        question.cache_clear()
    try:
        with pytest.raises(StepFailed, match="killed"):
            ffmpeg_version()
    finally:
        ffmpeg_path.cache_clear()
