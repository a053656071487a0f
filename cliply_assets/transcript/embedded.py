"""Takes text subtitles out of a video file."""

from pathlib import Path
from tempfile import TemporaryDirectory

from cliply_resources.errors import MediaError, StepFailed
from cliply_resources.media_tools.ffmpeg import guarded_input, run_ffmpeg
from cliply_resources.progress import Progress, silent

__all__ = ["extract_subtitles"]

DEADLINE_SECONDS = 900.0
"""The whole file is read once, without decoding picture or sound: 20 GB at 25 MB a second."""
MAX_BYTES = 16 * 1024 * 1024


def extract_subtitles(source: Path, stream_index: int, *, progress: Progress = silent) -> str:
    """One subtitle stream as SubRip text, with times from the start of the video.

    Raises:
        MediaError: there is no such stream, or it cannot be read as text.
        StepFailed: it could not be done here.
    """
    with TemporaryDirectory(prefix="cliply-subtitles-") as folder:
        wanted = Path(folder) / "subtitles.srt"
        run_ffmpeg(
            [
                *guarded_input(source),
                "-map",
                f"0:{stream_index}",
                "-c:s",
                "subrip",
                "-fs",
                str(MAX_BYTES),
                "-f",
                "srt",
                str(wanted),
            ],
            duration=None,
            progress=progress,
            deadline_seconds=DEADLINE_SECONDS,
            doing="reading the subtitles inside the file",
        )
        try:
            return wanted.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise MediaError(f"Subtitle stream {stream_index} of {source.name} is not UTF-8 text.") from error
        except OSError as error:
            raise StepFailed(f"The subtitles of {source.name} could not be read back: {error.strerror}.") from error
