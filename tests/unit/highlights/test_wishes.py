"""Users may say what clips are to be about, what they must leave out, and what kind of film it is."""

import pytest
from conversation import shots_of, transcript_of
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.highlights.choose import choose_candidates
from cliply_assets.highlights.sentences import split_sentences
from cliply_assets.highlights.wishes import relevance, words_of_topic
from cliply_resources.documents import Chapter, Origin, Span, UploadSettings
from cliply_resources.documents.clips import PROFILES

TALK = [
    "A:Welcome back, the room is open until nine.",
    "A:Why did you leave the sea?",
    "B:I left the sea because my brother drowned in it.",
    "B:He went out for fish one night, and he never came home.",
    "B:I stood on the beach for nine days and I shouted his name.",
    "A:The parking is behind the house, by the way.",
    "B:Good to know. I came by bus.",
    "A:And what is it with the oven that everybody talks about?",
    "B:My oven caught fire on the day of the wedding.",
    "B:We carried the burning oven into the snow, and the bride laughed so hard that she cried.",
    "B:That oven is the reason why people remember the wedding at all.",
    "A:Tickets for the next evening are at the desk.",
    "B:The next evening is on Thursday, I think.",
]


def chosen(**wishes):
    transcript, duration = transcript_of(TALK)
    return choose_candidates(
        transcript,
        None,
        shots_of(duration),
        None,
        None,
        duration=duration,
        settings=UploadSettings(clips=3, min_seconds=8, max_seconds=30, **wishes),
        origin=None,
    )[0]


@pytest.mark.parametrize(
    ("topic", "there", "absent"),
    [
        ("the oven", "oven", "brother"),
        ("find the part where he talks about his brother", "brother", "oven"),
        ("weddings", "wedding", "drowned"),
        ("the fish and the beach", "beach", "oven"),
    ],
)
def test_every_clip_is_about_what_was_asked_for(topic, there, absent):
    found = chosen(topic=topic)
    assert found.candidates
    for clip in found.candidates:
        assert there in clip.text
        assert absent not in clip.text
        assert any("It is about" in reason for reason in clip.reasons)
        assert "topic" in clip.subscores


def test_what_nobody_speaks_of_gives_no_clip_but_a_reason_and_what_there_is():
    found = chosen(topic="quantum computers")
    assert not found.candidates
    assert "quantum computers" in found.note
    assert found.near_misses


@settings(deadline=None, max_examples=40)
@given(start=st.floats(0, 50), length=st.floats(0.1, 40))
def test_no_clip_touches_an_excluded_range(start, length):
    out = Span(start, start + length)
    found = chosen(exclude=(out,))
    for clip in (*found.candidates, *found.near_misses):
        assert clip.end <= out.start + 1e-6 or clip.start >= out.end - 1e-6


def test_what_is_excluded_leaves_the_rest_to_be_found():
    transcript, _ = transcript_of(TALK)
    oven = [segment for segment in transcript.segments if "oven" in segment.text]
    found = chosen(exclude=(Span(oven[0].start, oven[-1].end),))
    assert any("brother" in clip.text for clip in found.candidates)
    assert not any("oven" in clip.text for clip in found.candidates)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_kind_of_film_can_be_told(profile):
    assert chosen(profile=profile).profile == profile


def test_the_wish_is_read_as_people_put_it():
    assert words_of_topic("Find the part where she talks about the biggest mistake") == ("biggest", "mistake")
    assert words_of_topic("oven") == ("oven",)
    assert words_of_topic("what is it")


def test_neighbours_of_a_named_thing_are_about_it_too():
    transcript, duration = transcript_of(TALK)
    sentences = split_sentences(transcript, duration)
    about = relevance(sentences, "oven")
    assert all(about[s.index] == 1.0 for s in sentences if "oven" in s.text)
    fire = next(s.index for s in sentences if "snow" in s.text)
    assert 0.3 <= about[fire] <= 1.0
    assert about[1] == 0.0


def test_a_hook_line_is_spoken_in_the_clip_and_gives_no_end_away():
    for clip in chosen().candidates:
        assert 0 < len(clip.hook) <= 60
        plain = clip.hook.rstrip("?").lower()
        assert plain in clip.text.lower()
        last = clip.text.replace("?", ".").rstrip(".").split(".")[-1].strip().lower()
        assert plain != last


def test_no_clip_runs_from_one_chapter_into_the_next():
    story = [
        f"A:I saw the {word} fall, and I laughed, and he said it would never rise again." for word in "abcdefghijkl"
    ]
    transcript, duration = transcript_of(story)
    mark = transcript.segments[6].start
    chapters = (Chapter(start=0, end=mark, title="First"), Chapter(start=mark + 1.0, end=duration, title="Second"))
    found = choose_candidates(
        transcript,
        None,
        shots_of(duration),
        None,
        None,
        duration=duration,
        settings=UploadSettings(clips=2, min_seconds=10, max_seconds=30),
        origin=Origin(url="", extractor="x", title="t", chapters=chapters),
    )[0]
    assert found.candidates
    assert all(clip.end <= mark or clip.start >= mark - 0.5 for clip in found.candidates)
