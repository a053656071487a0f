"""Decodes a source once, into the small copies that every analysis reads.

One clock rules them all: 0 is the first moment of the file as a player shows it (the earliest of its streams), which is
also what `ffmpeg -ss` counts from. A picture track that starts late is preceded by its first picture, a sound track that
starts late by silence, so `audio.wav`, `frames.mkv` and `timing.parquet` agree to the sample and the frame.
"""

import errno
import fcntl
import os
import shutil
import tempfile
import time
import wave
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from cliply_resources.documents.media import MediaProxy, SourceMedia, VideoStream
from cliply_resources.errors import DeadlineExceeded, MediaError, StepFailed
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.media_tools.frames import count_frames
from cliply_resources.media_tools.process import ProcessLimits
from cliply_resources.progress import Progress, part_of

__all__ = [
    "AUDIO",
    "AUDIO_RATE",
    "FRAMES",
    "FRAMES_RATE",
    "MOTION",
    "MOTION_HEIGHT",
    "MOTION_WIDTH",
    "TIMING",
    "Timing",
    "frames_size",
    "parse_timing",
    "write_proxy",
]

AUDIO, FRAMES, MOTION, TIMING = "audio.wav", "frames.mkv", "motion.bin", "timing.parquet"

AUDIO_RATE = 16_000
"""Hz: what every speech engine takes."""
FRAMES_RATE = 2
"""Pictures a second: faces are sampled at least twice a second."""
FRAMES_LONG_SIDE = 640
"""Pixels: the smallest picture on which face detection misses nothing at eight percent of the height."""
MOTION_WIDTH, MOTION_HEIGHT = 64, 36
"""Pixels: enough for PySceneDetect, which looks at whole-picture change; 0.7 GB an hour at 30 frames a second."""

_SCORE_SIZE = "320:180"  # scdet finds every cut at this size and costs a tenth of what it costs at full size
_COMPLETE_FRACTION = 0.9
_EXTRA_SOUND_SECONDS = (
    1.0  # sound this much longer than file and picture was padded twice, see `_resample_in_two_steps`
)
_ROUNDING_SECONDS = 0.001  # what microsecond times and whole samples can lose; the header is then the exact figure
_JPEG_BYTES = 80_000  # of one 640×640 picture at quality 4, with a detailed scene
_DECODING_SHARE = 0.97  # of the progress; the rest is reading the times back
_SCORE_LOG = "scores.txt"
_PARTIAL = ".partial-"

_LAYOUT_CHANNELS = 8  # ffmpeg has a standard speaker layout, and so a downmix, for up to eight channels


class Timing(msgspec.Struct, frozen=True):
    """When each source frame is shown, and how much it differs from the one before (scdet, 0 to 100)."""

    times: NDArray[np.float64]
    cut_scores: NDArray[np.float32]


class _Lengths(msgspec.Struct, frozen=True, kw_only=True):
    picture: float
    sound: float
    frames: int


def write_proxy(
    source: Path,
    media: SourceMedia,
    into: Path,
    *,
    progress: Progress,
    deadline_seconds: float,
    threads: int | None = None,
    decoder: tuple[str, ...] = (),
) -> MediaProxy:
    """Writes the proxy's files into a folder, complete or not at all, reading the source once.

    `media` is what `probe` said about `source`. Memory stays flat whatever the length. `threads` bounds the decoder
    (unset: ffmpeg decides); `decoder` are options before the input, such as `-hwaccel cuda`, which are left out where
    ffmpeg fails with them. Raises MediaError when less than 90 % of the promised duration decodes, StepFailed when the
    disk is too small or ffmpeg fails, DeadlineExceeded.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        _refuse_small_disk(media, into)
        _sweep(into)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=into))
    except OSError as error:
        raise StepFailed(f"The folder {into} cannot be written to ({error.strerror}); choose one that can.") from error
    with _locked(partial):
        started = time.monotonic()

        def decode(how: tuple[str, ...]) -> None:
            run_ffmpeg(
                _arguments(source, media, threads, how),
                duration=media.duration,
                progress=part_of(progress, 0.0, _DECODING_SHARE),
                deadline_seconds=max(0.01, deadline_seconds - (time.monotonic() - started)),
                doing="decoding the source",
                cwd=partial,
                limits=ProcessLimits(file_bytes=_needed_bytes(media) * 2),
            )

        try:
            decode(decoder)
        except DeadlineExceeded:
            raise
        except StepFailed:
            if not decoder:
                raise
            # Every output is begun anew, and written over.
            decode(())
        proxy = _finish(source, media, partial, deadline_seconds, part_of(progress, _DECODING_SHARE, 1.0))
        for name in (AUDIO, FRAMES, MOTION, TIMING):
            (into / name).unlink(missing_ok=True)
        for file in sorted(partial.iterdir()):
            file.replace(into / file.name)
    progress(1.0, "decoded")
    return proxy


@contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Holds a folder while it is written, and removes it whatever happens.

    The lock dies with this process, which tells a later one that the folder is abandoned.
    """
    handle = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
        shutil.rmtree(partial)


def _sweep(into: Path) -> None:
    """Removes what a killed process left behind: gigabytes that nobody would find."""
    for abandoned in into.glob(f"{_PARTIAL}*"):
        handle = os.open(abandoned, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(abandoned)
        finally:
            os.close(handle)


def _finish(source: Path, media: SourceMedia, partial: Path, deadline_seconds: float, progress: Progress) -> MediaProxy:
    """Reads the times back, checks that everything fits together, and leaves only the proxy's own files."""
    timing = parse_timing(partial / _SCORE_LOG)
    (partial / _SCORE_LOG).unlink()
    count = len(timing.times)
    if count == 0:
        raise MediaError("The video cannot be used: no picture in it could be decoded.")
    if (partial / MOTION).stat().st_size != count * MOTION_WIDTH * MOTION_HEIGHT * 3:
        raise StepFailed(
            f"The decoder wrote {(partial / MOTION).stat().st_size} bytes of small pictures for {count} frames, "
            "which do not belong together; run it again."
        )
    progress(0.3, "reading the frame times")
    frames = count_frames(partial / FRAMES)
    lengths = _Lengths(picture=_picture_end(timing, media.video, frames), sound=_sound_length(partial), frames=frames)
    if lengths.sound > max(lengths.picture, media.duration) + _EXTRA_SOUND_SECONDS:
        _resample_in_two_steps(source, media, partial, deadline_seconds)
        lengths = msgspec.structs.replace(lengths, sound=_sound_length(partial))
    duration = max(lengths.picture, lengths.sound)
    if abs(duration - media.duration) < _ROUNDING_SECONDS:
        duration = media.duration
    if duration < _COMPLETE_FRACTION * media.duration:
        raise MediaError(
            f"The video is truncated: it promises {media.duration:.1f} s, but only {duration:.1f} s of it can be "
            "decoded; copy or download it again."
        )
    if lengths.sound == 0:
        (partial / AUDIO).unlink(missing_ok=True)
    progress(0.6, "writing the frame times")
    _write_timing(timing, partial / TIMING)
    width, height = frames_size(media.video)
    return MediaProxy(
        duration=duration,
        has_audio=lengths.sound > 0,
        frames_width=width,
        frames_height=height,
        frames_rate=float(FRAMES_RATE),
        frames_count=lengths.frames,
        motion_width=MOTION_WIDTH,
        motion_height=MOTION_HEIGHT,
        source_frames=count,
    )


def _arguments(source: Path, media: SourceMedia, threads: int | None, decoder: tuple[str, ...] = ()) -> list[str]:
    # A broken clock may leap by hours; no output follows it further than this.
    longest = f"{media.duration * 1.1 + 10:.3f}"
    plain = ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-t", longest]
    pool = [] if threads is None else ["-threads", str(threads)]
    arguments = [
        # Cutting such small pictures into slices for many threads costs a twentieth of the whole decode.
        *("-filter_complex_threads", "1"),
        # A picture that changes size midway must not restart the graph, which would begin all files anew; both branches
        # begin with `scale`, which follows such changes. Turning is ours, because ffmpeg's own comes before it.
        *guarded_input(source, *pool, *_unsmoothed(media.video), *decoder, "-noautorotate", "-reinit_filter:v", "0"),
        *("-filter_complex", _picture_graph(media.video)),
        # The usual code tables: better ones cost a fifth of what a small picture costs, and save a twenty-fifth of its bytes.
        *("-map", "[frames]", "-c:v", "mjpeg", "-q:v", "4", "-huffman", "default", "-threads:v", "1"),
        *(*plain, "-f", "matroska", FRAMES),
        *("-map", "[motion]", "-fps_mode", "passthrough", *plain, "-f", "rawvideo", MOTION),
    ]
    if media.audio:
        sound = media.audio[0]
        arguments += ["-map", f"0:{sound.index}", "-af", _sound_graph(sound.channels), "-c:a", "pcm_s16le"]
        arguments += [*plain, "-f", "wav", AUDIO]
    return arguments


def _unsmoothed(video: VideoStream) -> tuple[str, ...]:
    """Leaves the edges of coded blocks unsmoothed where nobody sees them, which saves a tenth of the work on films with B-frames.

    Only in pictures that none but their neighbours are predicted from, so that nothing adds up, and only where all that is kept is at
    most half as large as the source.
    """
    if max(video.width, video.height) < 2 * FRAMES_LONG_SIDE:
        return ()
    # HEVC may code all pictures as `bidir`.
    return ("-skip_loop_filter:v", "bidir" if video.codec == "h264" else "noref")


def _picture_graph(video: VideoStream) -> str:
    """One decoded picture, two uses.

    Microsecond times that always rise come first, so that both branches see the same clock. `fps=…:round=up` shows at
    k/2 s the picture a viewer sees at k/2 s; the default would show one up to half a second younger.
    """
    width, height = frames_size(video)
    if video.rotation in (90, 270):
        width, height = height, width
    turn = _turn(video)
    return ";".join(
        (
            f"[0:{video.index}]settb=1/1000000,setpts='if(isnan(PREV_OUTPTS),PTS,max(PTS,PREV_OUTPTS+1))',split=2[a][b]",
            f"[a]fps={FRAMES_RATE}:round=up:start_time=0,"
            f"scale={width}:{height}:flags=area:out_range=full:out_color_matrix=bt601{turn},"
            "setsar=1,format=yuvj420p[frames]",
            f"[b]scale={_SCORE_SIZE}:flags=fast_bilinear,scdet=t=0,metadata=print:file={_SCORE_LOG}{turn},"
            # Frames are counted here, not timed: the raw file has no clock to get wrong.
            f"scale={MOTION_WIDTH}:{MOTION_HEIGHT}:flags=area,format=bgr24,setpts=N[motion]",
        )
    )


_TURNS = {
    (0, False): "",
    (90, False): ",transpose=clock",
    (180, False): ",hflip,vflip",
    (270, False): ",transpose=cclock",
    (0, True): ",vflip",
    (90, True): ",transpose=cclock_flip",
    (180, True): ",hflip",
    (270, True): ",transpose=clock_flip",
}
"""What ffmpeg's own rotation does for each orientation that `probe` reports."""


def _turn(video: VideoStream) -> str:
    return _TURNS[video.rotation, video.mirrored]


def _sound_graph(channels: int) -> str:
    mix = "" if channels <= _LAYOUT_CHANNELS else "pan=mono|c0=0.5*c0+0.5*c1,"
    # async=1 fills gaps with silence and cuts overlaps; first_pts=0 does the same before the first sample.
    return f"{mix}aresample={AUDIO_RATE}:async=1:first_pts=0,aformat=sample_fmts=s16:channel_layouts=mono"


def _resample_in_two_steps(source: Path, media: SourceMedia, partial: Path, deadline_seconds: float) -> None:
    """Writes the sound again for a source whose channels or sample rate change midway.

    ffmpeg restarts the sound graph at such a change, and the restarted one pads from 0 again. So the first step brings
    every part to one form and keeps its times, and the second pads. Only sound is decoded, which costs little.
    """
    even = partial / "sound.mkv"
    steps = (
        [
            *guarded_input(source, "-vn"),
            *(
                "-map",
                f"0:{media.audio[0].index}",
                "-af",
                "aresample=16000,aformat=sample_fmts=s16:channel_layouts=mono",
            ),
            *("-c:a", "pcm_s16le", "-f", "matroska", even.name),
        ],
        [
            *guarded_input(even, "-copyts"),
            *("-af", _sound_graph(1), "-c:a", "pcm_s16le", "-fflags", "+bitexact", "-f", "wav", AUDIO),
        ],
    )
    for arguments in steps:
        run_ffmpeg(
            arguments,
            duration=None,
            progress=lambda _fraction, _doing: None,
            deadline_seconds=deadline_seconds,
            doing="decoding the sound",
            cwd=partial,
        )
    even.unlink()


def frames_size(video: VideoStream) -> tuple[int, int]:
    """Width and height of the analysis frames: even, aspect kept, long side 640 (less for a smaller source)."""
    scale = min(FRAMES_LONG_SIDE / max(video.width, video.height), 1.0)
    width, height = (max(2 * round(side * scale / 2), 2) for side in (video.width, video.height))
    return width, height


def parse_timing(log: Path) -> Timing:
    """Reads what ffmpeg's `metadata=print` wrote for each frame; its times are whole microseconds.

    A frame without a score (none has been seen) counts as unchanged. Holds 12 bytes a frame.
    """
    times, scores = array("d"), array("f")
    # ffmpeg opens the log with the first picture it decodes.
    with log.open(encoding="ascii", errors="replace") if log.exists() else nullcontext(()) as lines:
        for line in lines:
            if line.startswith("frame:"):
                times.append(int(line.split("pts:", 1)[1].split(None, 1)[0]) / 1e6)
                scores.append(0.0)
            elif line.startswith("lavfi.scd.score=") and scores:
                scores[-1] = float(line.partition("=")[2])
    return Timing(np.array(times, dtype=np.float64), np.array(scores, dtype=np.float32))


def _write_timing(timing: Timing, path: Path) -> None:
    import polars as pl

    pl.DataFrame({"time": timing.times, "cut_score": timing.cut_scores}).write_parquet(path)


def _picture_end(timing: Timing, video: VideoStream, frames: int) -> float:
    """When the last picture stops being shown.

    A slide show's last picture may be held for long, which only the frames tell: they are repeated to its end.
    """
    last = float(timing.times[-1])
    gap = min(last - float(timing.times[-2]), 1.0) if len(timing.times) > 1 else 1 / float(video.fps)
    return max(last + gap, (frames - 1) / FRAMES_RATE)


def _sound_length(folder: Path) -> float:
    path = folder / AUDIO
    if not path.exists() or path.stat().st_size == 0:
        return 0.0
    with wave.open(str(path), "rb") as sound:
        return sound.getnframes() / sound.getframerate()


def _needed_bytes(media: SourceMedia) -> int:
    """An upper estimate of all files together."""
    per_second = float(media.video.fps) * (MOTION_WIDTH * MOTION_HEIGHT * 3 + 130)
    per_second += FRAMES_RATE * _JPEG_BYTES + AUDIO_RATE * 2
    return int((media.duration * 1.1 + 10) * per_second) + 16 * 1024**2


def _refuse_small_disk(media: SourceMedia, into: Path) -> None:
    free, needed = shutil.disk_usage(into).free, _needed_bytes(media)
    if free < needed:
        raise StepFailed(
            f"The disk is too full: analysing this video needs up to {needed / 1e9:.2f} GB and {into} has "
            f"{free / 1e9:.2f} GB free; free some space and run it again.",
            detail=os.strerror(errno.ENOSPC),
        )
