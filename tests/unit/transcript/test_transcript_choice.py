import msgspec
import pytest

from cliply_assets.transcript.choose import cut_to, is_whole, plan_sources
from cliply_resources.documents import Origin, SubtitleStream, Transcript
from cliply_resources.speech.sentences import estimate_words, sentences_from_punctuation, tidy_words


def origin(*, automatic: bool = False, language: str | None = "en") -> Origin:
    return Origin(
        url="https://example.org/v",
        extractor="youtube",
        title="t",
        captions="WEBVTT\n",
        captions_language=language,
        captions_automatic=automatic,
    )


ENGLISH = SubtitleStream(index=2, codec="mov_text", language="eng")


def plan(**changes: object) -> list[str]:
    asked = {"brought": False, "origin": None, "subtitles": (), "language": None, "engine": "whisperx", **changes}
    return [source.kind + ("!" if source.is_automatic else "") for source in plan_sources(**asked)]


def test_what_the_user_brought_is_the_only_source():
    assert plan(brought=True, origin=origin(), subtitles=[ENGLISH]) == ["file"]


def test_people_come_before_machines():
    assert plan(origin=origin(), subtitles=[ENGLISH]) == ["site-captions", "embedded-subtitles", "engine"]


def test_a_good_engine_comes_before_automatic_captions():
    assert plan(origin=origin(automatic=True), engine="faster-whisper") == ["engine", "site-captions!"]


def test_automatic_captions_come_before_the_offline_engine():
    assert plan(origin=origin(automatic=True), engine="pocketsphinx") == ["site-captions!", "engine"]


def test_without_any_engine_there_are_still_captions():
    assert plan(origin=origin(automatic=True), engine=None) == ["site-captions!"]
    assert plan(engine=None) == []


def test_translations_are_left_out():
    german = SubtitleStream(index=3, codec="subrip", language="ger")
    assert plan(origin=origin(language="de-DE"), subtitles=[german, ENGLISH], language="en") == [
        "embedded-subtitles",
        "engine",
    ]
    assert plan(origin=origin(language="en-US"), subtitles=[german], language="de") == ["embedded-subtitles", "engine"]


def test_pictures_of_text_cannot_be_read():
    assert plan(subtitles=[SubtitleStream(index=4, codec="hdmv_pgs_subtitle", language="eng")]) == ["engine"]


def test_the_track_that_names_the_language_comes_before_one_that_does_not():
    unnamed = SubtitleStream(index=2, codec="subrip")
    named = SubtitleStream(index=3, codec="subrip", language="eng")
    found = plan_sources(brought=False, origin=None, subtitles=[unnamed, named], language="en", engine=None)
    assert [(source.stream, source.language) for source in found] == [(3, "en"), (2, None)]


@pytest.fixture
def minute() -> Transcript:
    words = tidy_words(estimate_words([f"word{n}." for n in range(60)], 0.0, 60.0))
    return Transcript(
        engine="file",
        engine_detail="",
        language="en",
        quality="high",
        word_times="estimated",
        segments=sentences_from_punctuation(words),
    )


def test_a_track_with_signs_only_is_not_the_whole_text(minute):
    assert is_whole(minute, 60.0)
    assert is_whole(minute, 240.0)
    assert not is_whole(minute, 3600.0)


def test_what_lies_beyond_the_film_is_cut_off(minute):
    cut = cut_to(minute, 10.2)
    assert cut.words[-1].end <= 10.2
    assert len(cut.words) == 12
    assert cut.segments[0] == minute.segments[0]
    assert cut_to(minute, 100.0) == minute
    assert cut_to(msgspec.structs.replace(minute, segments=()), 1.0).segments == ()
