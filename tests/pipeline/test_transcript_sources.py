"""Which text wins, with real files: the user's own, the film's subtitles, the site's captions, the engine."""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from cliply_assets.steps.work import StepWork, StoredObject
from cliply_assets.transcript.sources import find_transcript
from cliply_assets.transcript.subtitles import read_transcript
from cliply_resources.documents import MediaProxy, Origin, SourceMedia, SourceVideo, UploadSettings, VideoStream
from cliply_resources.errors import StepFailed
from cliply_resources.progress import silent
from cliply_resources.settings import Settings
from cliply_resources.storage import LocalStorage
from cliply_resources.storage.keys import analysis_key

WORKSPACE, UPLOAD = uuid4(), uuid4()

CAPTIONS = "WEBVTT\n\n" + "\n".join(
    f"00:00:{second:02d}.000 --> 00:00:{second + 2:02d}.000\nthe words of line {second} are here\n"
    for second in range(0, 12, 2)
)

MakeWork = Callable[..., StepWork]


@pytest.fixture
def make_work(tmp_path: Path) -> MakeWork:
    def make(*, engines: tuple[str, ...] = (), transcript: str | None = None, language: str | None = None) -> StepWork:
        storage = LocalStorage(tmp_path / "storage")
        return StepWork(
            workspace_id=WORKSPACE,
            upload_id=UPLOAD,
            part="",
            title="film",
            source_kind="file",
            source_uri="/film.mp4",
            source_sha256=None,
            settings=UploadSettings(transcript=transcript, language=language),
            configuration=Settings(home=tmp_path, transcript_engines=engines),
            storage=storage,
            folder=tmp_path,
            progress=silent,
            ends_at=time.monotonic() + 60,
            objects={"media_proxy": {"audio.wav": StoredObject(key="x", size=0, sha256="0")}},
        )

    return make


def film(*, captions: str | None = None, automatic: bool = False) -> SourceVideo:
    origin = None
    if captions is not None:
        origin = Origin(
            url="https://example.com/v",
            extractor="test",
            title="film",
            captions=captions,
            captions_language="en",
            captions_automatic=automatic,
        )
    video = VideoStream(index=0, codec="h264", width=640, height=360, frame_rate="30/1")
    media = SourceMedia(container="mp4", duration=12.0, size_bytes=1, bit_rate=1, video=video, audio=())
    return SourceVideo(sha256="0" * 64, title="film", media=media, origin=origin)


def proxy(*, has_audio: bool = False) -> MediaProxy:
    return MediaProxy(
        duration=12.0,
        has_audio=has_audio,
        frames_width=640,
        frames_height=360,
        frames_rate=2.0,
        frames_count=24,
        motion_width=64,
        motion_height=36,
        source_frames=360,
    )


def test_the_users_own_transcript_wins_and_keeps_the_users_language(make_work: MakeWork) -> None:
    key = analysis_key(WORKSPACE, "brought", "transcript.json")
    work = make_work(transcript=key, language="de")
    work.storage.put_bytes(key, msgspec.json.encode(read_transcript(CAPTIONS, name="mine.vtt")))
    found = find_transcript(work, film(captions=CAPTIONS), proxy())
    assert (found.engine, found.language) == ("file", "de")


def test_captions_made_by_a_person_need_no_engine(make_work: MakeWork) -> None:
    found = find_transcript(make_work(), film(captions=CAPTIONS), proxy())
    assert (found.engine, found.quality, found.language) == ("site-captions", "high", "en")


def test_automatic_captions_are_not_called_high_quality(make_work: MakeWork) -> None:
    found = find_transcript(make_work(), film(captions=CAPTIONS, automatic=True), proxy())
    assert found.quality == "normal"


def test_unusable_captions_are_passed_over_and_named(make_work: MakeWork) -> None:
    few = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHola\n"
    work = make_work()
    with pytest.raises(StepFailed, match="Nothing on this machine can recognise speech") as failed:
        find_transcript(work, film(captions=few), proxy(has_audio=True))
    assert "too little text" in failed.value.detail


def test_a_film_without_sound_and_text_has_no_speech_and_is_no_failure(make_work: MakeWork) -> None:
    found = find_transcript(make_work(), film(), proxy())
    assert (found.engine, found.segments) == ("none", ())
    assert "No speech" in found.note


def test_captions_beyond_the_end_of_the_film_are_cut(make_work: MakeWork) -> None:
    longer = CAPTIONS + "\n00:01:00.000 --> 00:01:02.000\nafter the end of it\n"
    found = find_transcript(make_work(), film(captions=longer), proxy())
    assert max(word.end for word in found.words) <= 12.0
