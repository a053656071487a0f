import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.media_tools.origins import CaptionChoice, choose_captions, clean_captions, origin_from_info

VTT = [{"ext": "json3", "url": "x"}, {"ext": "vtt", "url": "x"}]


def test_what_a_site_says_is_kept():
    origin = origin_from_info(
        {
            "webpage_url": "https://www.youtube.com/watch?v=x",
            "extractor": "youtube",
            "title": "A talk",
            "uploader": "Ada",
            "duration": 100,
            "chapters": [
                {"start_time": 50, "end_time": 120, "title": "End"},
                {"start_time": 0, "end_time": 50, "title": "Start"},
            ],
            "heatmap": [{"start_time": 0.0, "end_time": 1.0, "value": 0.5}],
        },
        captions="WEBVTT",
        choice=CaptionChoice(language="en-orig", automatic=True),
    )
    assert (origin.title, origin.uploader, origin.extractor) == ("A talk", "Ada", "youtube")
    assert [(c.start, c.end) for c in origin.chapters] == [(0, 50), (50, 100)]
    assert origin.heatmap[0].value == 0.5
    assert (origin.captions, origin.captions_language, origin.captions_automatic) == ("WEBVTT", "en", True)


def test_nothing_said_is_still_an_origin():
    origin = origin_from_info({})
    assert (origin.url, origin.title, origin.extractor) == ("", "Untitled video", "unknown")
    assert origin.chapters == origin.heatmap == ()


def test_letters_stay_and_tricks_go():
    title = "Ça va? 👩\u200d💻 \u202egnp.exe\x00\x1b[31m\n  नमस्ते"
    assert origin_from_info({"title": title}).title == "Ça va? 👩\u200d💻 gnp.exe [31m नमस्ते"


@pytest.mark.parametrize(
    ("subtitles", "automatic", "spoken", "wanted", "expected"),
    [
        ({"en": VTT, "de": VTT}, {}, None, None, ("en", False)),
        ({"en": VTT, "de": VTT}, {}, "de", None, ("de", False)),
        ({"en": VTT, "de": VTT}, {}, None, "de", ("de", False)),
        ({"en-GB": VTT}, {"en": VTT}, None, "en", ("en-GB", False)),
        ({}, {"af": VTT, "en": VTT, "en-orig": VTT}, None, None, ("en-orig", True)),
        ({}, {"af": VTT, "de-orig": VTT, "en": VTT}, "de", None, ("de-orig", True)),
        ({}, {"af": VTT, "de-orig": VTT}, None, None, ("de-orig", True)),
        ({"fr": VTT}, {"en": VTT}, None, None, ("fr", False)),
        ({"fr": VTT}, {}, None, "de", None),
        ({"en": [{"ext": "srt"}]}, {}, None, None, None),
        ({"live_chat": VTT}, {}, None, None, None),
        ({"-en": VTT, "en,de": VTT, ".*": VTT}, {}, None, None, None),
        ("nonsense", ["nonsense"], 7, None, None),
    ],
)
def test_the_uploaders_own_captions_come_first_and_in_the_wanted_language(
    subtitles, automatic, spoken, wanted, expected
):
    info = {"subtitles": subtitles, "automatic_captions": automatic, "language": spoken}
    choice = choose_captions(info, language=wanted)
    assert (choice and (choice.language, choice.automatic)) == expected


@pytest.mark.parametrize(
    "data", [b"", b"WEBVTT", b"<html>", b"WEBVTTX\n\n-->", b"\xff\xfe", b"WEBVTT\n\n-->\n" + bytes(9_000_000)]
)
def test_what_is_no_caption_file_is_not_taken_for_one(data):
    assert clean_captions(data) is None


def test_captions_lose_what_cannot_be_seen():
    assert clean_captions(b"\xef\xbb\xbfWEBVTT\r\n\r\n00:00.000 --> 00:01.000\r\nHi\x00 \x1bthere\n") == (
        "WEBVTT\n\n00:00.000 --> 00:01.000\nHi there\n"
    )


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=30),
    st.just("x" * 100_000),
)
ENTRY = st.dictionaries(
    st.sampled_from(["start_time", "end_time", "title", "value", "ext"]), ODD | st.floats(0, 200), max_size=4
)
FIELD = (
    ODD
    | st.lists(ENTRY | ODD, max_size=6)
    | st.dictionaries(st.text(max_size=6), st.lists(ENTRY, max_size=2), max_size=3)
)
FIELDS = ["title", "uploader", "chapters", "heatmap", "duration", "webpage_url", "extractor", "language", "subtitles"]


@given(info=st.dictionaries(st.sampled_from([*FIELDS, "automatic_captions", "channel"]), FIELD, max_size=8))
@settings(max_examples=300, deadline=None)
def test_whatever_a_site_says_comes_out_bounded_and_in_order(info):
    origin = origin_from_info(info)
    choose_captions(info, language=None)
    assert 0 < len(origin.title) <= 300
    assert len(origin.uploader or "x") <= 200
    assert origin.url == "" or origin.url.startswith("http")
    for row in (*origin.chapters, *origin.heatmap):
        assert 0 <= row.start < row.end
        assert math.isfinite(row.end)
    assert list(origin.chapters) == sorted(origin.chapters, key=lambda c: (c.start, c.end))
    assert all(0 <= point.value <= 1 for point in origin.heatmap)
