"""What strangers wrote is cleaned and counted, and never believed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.errors import MediaError
from cliply_resources.media_tools.audience import chat_windows, merge_audience, read_audience, times_in, viewer_marks


def message(seconds, who, kind="liveChatTextMessageRenderer", **more):
    item = {kind: {"authorExternalChannelId": who, "message": {"runs": [{"text": "lol"}]}, **more}}
    action = {"addChatItemAction": {"item": item}}
    return json.dumps({"replayChatItemAction": {"actions": [action], "videoOffsetTimeMsec": str(int(seconds * 1000))}})


def comment(text, who="UC1", **more):
    return {"id": "c", "text": text, "author_id": who, "author": "@someone", "like_count": 3, **more}


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("12:34 so funny", [754.0]),
        ("so funny at 1:02:03!", [3723.0]),
        ("0:05 and 0:05 again", [5.0]),
        ("2:10-2:40 is gold", [130.0]),
        ("from 2:10 to 2:40", [130.0]),
        ("see you at 10:30 pm", []),
        ("10:30AM", []),
        ("1:75 is no time, nor is 12:345", []),
        ("1:70:00", []),
        ("192.168.1:22", []),
        ("", []),
    ],
)
def test_a_text_names_the_moments_that_it_names(text, times):
    assert times_in(text) == times


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789:- apm.to", max_size=60))
def test_any_text_gives_times_that_are_none_or_finite(text):
    assert all(0 <= time < 100 * 3600 for time in times_in(text))


def test_comments_become_marks_without_names():
    info = {
        "duration": 600,
        "comments": [
            comment("5:00 this! 😂", "UC1"),
            comment("@ada 5:02\u202e look", "UC2", like_count=None),
            comment("and 1:00", "UC1"),
        ],
    }
    marks = viewer_marks(info)
    assert [(mark.time, mark.viewer, mark.likes) for mark in marks] == [(60.0, 0, 3), (300.0, 0, 3), (302.0, 1, 0)]
    assert marks[1].text == "this! 😂"
    assert "\u202e" not in marks[2].text
    assert "UC1" not in repr(marks)


def test_tables_of_contents_the_uploader_and_impossible_times_are_no_marks():
    info = {
        "duration": 600,
        "comments": [
            comment("0:00 Intro 1:00 Oven 2:00 Dough 3:00 End"),
            comment("5:00 thanks all", author_is_uploader=True),
            comment("99:00"),
            comment(None),
            "5:00",
            {"text": ["5:00"]},
        ],
    }
    assert viewer_marks(info) == ()


def test_a_person_who_floods_the_chat_counts_once_in_a_window():
    flood = [(12.0 + k / 10, "UC1") for k in range(20)]
    windows = chat_windows([*flood, (12.5, "UC2"), (-4.0, "UC3"), (0.0, "UC4"), (21.0, "UC1")])
    assert [(w.start, w.end, w.chatters) for w in windows] == [(10.0, 15.0, 2), (20.0, 25.0, 1)]


def test_a_live_chat_is_read_line_by_line_past_what_is_broken():
    lines = [
        message(12, "UC1"),
        message(13, "UC2", "liveChatPaidMessageRenderer"),
        message(14, "UC3", "liveChatMembershipItemRenderer"),
        "{broken",
        "[1, 2]",
        json.dumps({"replayChatItemAction": {"actions": "none", "videoOffsetTimeMsec": "x"}}),
        json.dumps({"clickTrackingParams": "x"}),
        "",
    ]
    audience = read_audience("\n".join(lines).encode(), name="talk.live_chat.json")
    assert [window.chatters for window in audience.chat] == [2]


def test_a_chat_of_one_line_is_a_chat():
    assert read_audience(message(12, "UC1").encode(), name="x").chat[0].chatters == 1


def test_a_chat_in_one_document_is_read_by_its_offsets():
    comments = [{"content_offset_seconds": 7.5, "commenter": {"_id": str(k), "display_name": "x"}} for k in range(4)]
    audience = read_audience(json.dumps({"comments": comments}).encode(), name="chat.json")
    assert [(w.start, w.chatters) for w in audience.chat] == [(5.0, 4)]


def test_an_info_document_brings_its_heatmap_and_chapters():
    info = {
        "duration": 100,
        "extractor": "youtube",
        "heatmap": [{"start_time": 0, "end_time": 50, "value": 0.3}],
        "chapters": [{"start_time": 0, "end_time": 50, "title": "Oven"}],
    }
    audience = read_audience(json.dumps(info).encode(), name="talk.info.json")
    assert audience.heatmap[0].value == pytest.approx(0.3)
    assert audience.chapters[0].title == "Oven"


def test_an_info_document_without_viewers_is_no_mistake():
    assert read_audience(b'{"extractor": "youtube", "comments": null}', name="x").is_empty


@pytest.mark.parametrize("data", [b"", b"1\n00:00 --> 00:01\nhello", b'{"a": 1}', b"[[" * 20_000, b"\xff\xfe"])
def test_what_tells_nothing_about_viewers_is_refused_by_name(data):
    with pytest.raises(MediaError, match=r"talk\.srt tells nothing about viewers"):
        read_audience(data, name="talk.srt")


def test_viewers_of_two_files_stay_different_people():
    info = {"duration": 600, "comments": [comment("5:00 yes", "UC1")]}
    one = read_audience(json.dumps(info).encode(), name="x")
    both = merge_audience([one, one])
    assert [mark.viewer for mark in both.marks] == [0, 1]
