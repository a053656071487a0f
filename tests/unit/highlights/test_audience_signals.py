"""What viewers wrote moves the choice towards what they meant, is told in the reasons, and its absence costs nothing."""

from types import SimpleNamespace
from uuid import uuid4

import msgspec
import numpy as np
import pytest

from cliply_assets.cli.clip import _store_viewers
from cliply_assets.highlights.assets import _brought
from cliply_assets.highlights.audience_signals import chat_activity, comment_marks, marks_within
from cliply_assets.highlights.choose import choose_candidates
from cliply_assets.steps.rules import STEPS, input_digest
from cliply_resources.documents import (
    Audience,
    ChatWindow,
    Scenes,
    Segment,
    Span,
    Transcript,
    UploadSettings,
    ViewerMark,
    Word,
)
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

LINES = (
    "The committee met on a quiet morning to look at the papers.",
    "Somebody read the list of streets that the plan would touch.",
    "There was a longer talk about the colour of the new signs.",
    "After that the group walked over to the other building.",
)


def even_talk(copies=12):
    """Nothing but what viewers say tells one part of it from another."""
    now, segments = 0.5, []
    for _ in range(copies):
        for line in LINES:
            words = []
            for text in line.split():
                words.append(Word(text=text, start=round(now, 3), end=round(now + 0.3, 3)))
                now += 0.35
            segments.append(Segment(start=words[0].start, end=words[-1].end, text=line, words=tuple(words)))
            now += 0.5
    transcript = Transcript(
        engine="file",
        engine_detail="hand-made",
        language="en",
        quality="high",
        word_times="measured",
        segments=tuple(segments),
    )
    return transcript, now + 1


def choose(audience=None):
    transcript, duration = even_talk()
    whole = Scenes(shots=(Span(0.0, duration),), detector="none")
    wanted = UploadSettings(clips=1, min_seconds=15, max_seconds=40)
    made, signals = choose_candidates(
        transcript, None, whole, None, None, duration=duration, settings=wanted, origin=None, audience=audience
    )
    return made, signals, duration


def mark(time, viewer, likes=0, text="so funny"):
    return ViewerMark(time=time, viewer=viewer, likes=likes, text=text)


def chat_of(duration, *, busy, usual=4, crowd=30):
    starts = np.arange(0, duration, 5.0)
    return tuple(
        ChatWindow(start=s, end=s + 5, chatters=crowd if busy[0] <= s < busy[1] else usual + int(s) % 2) for s in starts
    )


def test_comments_that_name_a_moment_lead_to_it_and_are_quoted():
    _, _, duration = choose()
    said = round(0.6 * duration)
    audience = Audience(marks=tuple(mark(said + k, k, likes=40) for k in range(4)))
    made, signals, _ = choose(audience)
    best = made.candidates[0]
    assert best.start <= said + 4
    assert said < best.end
    assert "comments" in signals.columns
    assert any("4 viewers point at" in reason and "“so funny”" in reason for reason in best.reasons)


def test_a_chat_that_wakes_up_leads_to_what_woke_it():
    _, _, duration = choose()
    at = 0.4 * duration
    # People write a few seconds after what they write about.
    made, signals, _ = choose(Audience(chat=chat_of(duration, busy=(at + 6, at + 21))))
    best = made.candidates[0]
    assert best.start < at + 12
    assert best.end > at
    assert "chat" in signals.columns
    assert any("write in the chat" in reason for reason in best.reasons)


def test_a_film_without_viewers_is_chosen_from_as_before():
    nobody, plain = choose(Audience())[0], choose(None)[0]
    assert nobody == plain
    assert "audience" not in plain.candidates[0].subscores


def test_knowing_viewers_who_single_nothing_out_costs_nothing():
    _, _, duration = choose()
    even = tuple(ChatWindow(start=s, end=s + 5, chatters=4) for s in np.arange(0, duration, 5.0))
    made, _, _ = choose(Audience(chat=even, marks=(mark(20, 0), mark(90, 1))))
    assert made == choose()[0]


def test_two_people_are_a_whim_and_three_or_many_likes_are_not():
    assert comment_marks(200, 0.5, (mark(20, 0), mark(21, 1))) is None
    assert comment_marks(200, 0.5, (mark(20, 0), mark(20, 0), mark(21, 0), mark(22, 0))) is None
    assert comment_marks(200, 0.5, (mark(20, 0), mark(21, 1), mark(60, 2))) is not None
    assert comment_marks(200, 0.5, (mark(20, 0, likes=7),)) is not None


def test_a_mark_means_what_follows_it():
    curve = comment_marks(200, 0.5, (mark(40, 0, likes=20),))
    times = np.arange(200) * 0.5
    assert curve[times < 36].max() == 0
    assert curve[(times > 40) & (times < 51)].min() == pytest.approx(curve.max())
    assert curve[times > 66].max() == 0


def test_a_growing_crowd_is_compared_with_itself():
    growing = tuple(ChatWindow(start=s, end=s + 5, chatters=2 + int(s) // 60) for s in np.arange(0, 3600, 5.0))
    burst = tuple(
        ChatWindow(start=w.start, end=w.end, chatters=w.chatters * (4 if 600 <= w.start < 620 else 1)) for w in growing
    )
    curve = chat_activity(7200, 0.5, burst)
    assert 590 < int(curve.argmax()) * 0.5 < 615


def test_parts_that_a_chat_does_not_cover_are_ordinary():
    curve = chat_activity(1200, 0.5, chat_of(300, busy=(100, 110)))
    assert curve[-1] == pytest.approx(float(np.median(curve[:580])), abs=0.01)
    assert chat_activity(1200, 0.5, (ChatWindow(start=5000, end=5005, chatters=9),)) is None
    assert chat_activity(1200, 0.5, ()) is None


def test_the_most_liked_comment_speaks_for_a_moment():
    marks = (mark(20, 0, likes=1, text="a"), mark(22, 1, likes=9, text="b"), mark(200, 2))
    assert [one.text for one in marks_within(marks, 19, 40)] == ["b", "a"]


def test_what_the_user_brings_reaches_the_step_that_chooses(tmp_path):
    viewers = Audience(marks=(mark(20, 0, likes=3),))
    storage = open_storage(Settings(home=tmp_path))
    key = _store_viewers(viewers, storage, uuid4())
    wanted = UploadSettings(audience=key)
    assert msgspec.convert(msgspec.to_builtins(wanted), UploadSettings) == wanted
    assert _brought(SimpleNamespace(settings=wanted, storage=storage)) == viewers
    assert _brought(SimpleNamespace(settings=UploadSettings(), storage=storage)) is None


def test_a_choice_without_viewers_keeps_its_digest():
    rules, inputs = STEPS["clip_candidates"], {"transcript": "x"}
    assert b"audience" not in msgspec.json.encode(UploadSettings())
    with_viewers = input_digest(rules, UploadSettings(audience="a/b"), inputs)
    assert with_viewers != input_digest(rules, UploadSettings(), inputs)
