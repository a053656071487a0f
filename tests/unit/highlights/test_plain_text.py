"""Moments are found in a transcript alone, whatever its format; bare text gets times from its word count."""

import json

import msgspec
import pytest
from conversation import transcript_of

from cliply_assets.cli.candidates import find_candidates, read_any_transcript, read_ranges, read_viewers
from cliply_assets.transcript.plain_text import WORDS_A_MINUTE, read_plain_text
from cliply_assets.transcript.subtitles import to_srt, to_vtt
from cliply_resources.documents import Span, UploadSettings
from cliply_resources.errors import CallerError, MediaError
from cliply_resources.settings import Settings

LINES = [
    "Welcome back, the doors are on the left.",
    "The list of rooms is on the wall.",
    "Why did you give away the house?",
    "I gave it away because my father told me that walls make you afraid.",
    "He said, whoever owns nothing sleeps well, and I laughed at him.",
    "And then the river came and took every house but his boat.",
    "That is when I understood what he meant.",
    "The next meeting is on Friday in the small room.",
]
TEXT = "\n".join(LINES)


def test_times_follow_from_the_word_count():
    transcript = read_plain_text(TEXT * 20, name="talk.txt")
    minutes = transcript.segments[-1].end / 60
    assert len(transcript.words) / minutes == pytest.approx(WORDS_A_MINUTE, rel=0.15)
    assert transcript.word_times == "estimated"
    starts = [word.start for word in transcript.words]
    assert starts == sorted(starts)
    assert "estimated" in transcript.note


def test_names_at_line_starts_are_speakers():
    transcript = read_plain_text("ANN: Why is that?\nBob Lee: Because it is late.\nAnd dark.", name="talk.txt")
    assert [segment.speaker for segment in transcript.segments] == ["ANN", "Bob Lee", "Bob Lee"]
    assert transcript.segments[0].text == "Why is that?"


@pytest.mark.parametrize("text", ["", " \n\t\n", "ANN: "])
def test_text_without_words_is_refused(text):
    with pytest.raises(CallerError):
        read_plain_text(text, name="talk.txt")


@pytest.mark.parametrize("kind", ["json", "srt", "vtt", "txt"])
def test_every_format_gives_the_same_moment(tmp_path, kind):
    transcript, _ = transcript_of(LINES)
    written = {"json": msgspec.json.encode(transcript).decode(), "srt": to_srt(transcript), "vtt": to_vtt(transcript)}
    path = tmp_path / f"talk.{kind}"
    path.write_text(written.get(kind, TEXT), encoding="utf-8")
    wanted = UploadSettings(clips=1, min_seconds=8, max_seconds=40)
    found = find_candidates(read_any_transcript(path), wanted, Settings(home=tmp_path), name=path.name)
    best = found.result.candidates[0]
    assert "Why did you give away the house?" in best.text
    assert 0 <= best.start < best.end <= found.duration
    assert best.reasons


def test_a_film_is_no_transcript(tmp_path):
    path = tmp_path / "film.txt"
    path.write_bytes(b"\x00\x00\x00\x20ftypisom\xff\xfe")
    with pytest.raises((CallerError, MediaError)):
        read_any_transcript(path)


def test_ranges_are_read_as_people_write_them():
    assert read_ranges(["1:00-2:30", "0-10.5", "1:00:00-1:00:01"]) == (Span(0, 10.5), Span(60, 150), Span(3600, 3601))


@pytest.mark.parametrize("text", ["", "5", "9-3", "a-b", "1:00", "-5-3", "0-inf", "0-nan"])
def test_what_is_no_range_is_refused_with_an_example(text):
    with pytest.raises(CallerError, match="1:00-2:30"):
        read_ranges([text])


def test_viewers_from_two_files_are_put_together(tmp_path):
    info = {"extractor": "x", "duration": 90, "comments": [{"text": "1:00 yes", "author_id": "UC1", "like_count": 8}]}
    (tmp_path / "talk.info.json").write_text(json.dumps(info), encoding="utf-8")
    chat = {"comments": [{"content_offset_seconds": 7.5, "commenter": {"_id": "1"}}]}
    (tmp_path / "chat.json").write_text(json.dumps(chat), encoding="utf-8")
    found = read_viewers([tmp_path / "talk.info.json", tmp_path / "chat.json"])
    assert (found.marks[0].time, found.chat[0].chatters) == (60.0, 1)
    assert read_viewers([]) is None


def test_a_file_of_viewers_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CallerError, match=r"gone\.json cannot be read"):
        read_viewers([tmp_path / "gone.json"])
