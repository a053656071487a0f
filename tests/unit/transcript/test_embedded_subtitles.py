from pathlib import Path

import pytest

from cliply_assets.transcript.embedded import extract_subtitles
from cliply_assets.transcript.subtitles import read_transcript
from cliply_resources.errors import CliplyError
from cliply_resources.media_tools.process import run

SRT = "1\n00:00:00,500 --> 00:00:01,500\nHello <i>there</i>.\n\n2\n00:00:01,600 --> 00:00:01,900\nBye.\n"


@pytest.fixture(params=["mp4", "mkv"])
def film(request, tmp_path) -> Path:
    from cliply_resources.media_tools.ffmpeg import ffmpeg_path

    (tmp_path / "text.srt").write_text(SRT, encoding="utf-8")
    path = tmp_path / f"film.{request.param}"
    codec = {"mp4": "mov_text", "mkv": "srt"}[request.param]
    run(
        [
            *(str(ffmpeg_path()), "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x64:d=2:r=10"),
            *("-i", str(tmp_path / "text.srt"), "-c:v", "libx264", "-c:s", codec, str(path)),
        ],
        deadline_seconds=30,
    )
    assert path.exists()
    return path


def test_subtitles_inside_a_film_are_read(film):
    transcript = read_transcript(extract_subtitles(film, 1), name="the subtitles inside the film")
    assert [segment.text for segment in transcript.segments] == ["Hello there.", "Bye."]
    assert transcript.segments[0].start == pytest.approx(0.5, abs=0.05)


def test_a_stream_that_is_not_there_is_an_error_of_ours(film):
    with pytest.raises(CliplyError):
        extract_subtitles(film, 7)
