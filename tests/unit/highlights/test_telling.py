"""A scene that somebody lived through and a saying are told from lists, passives and instructions."""

import pytest
from conversation import transcript_of

from cliply_assets.highlights.sentences import split_sentences, tokens_of
from cliply_assets.highlights.telling import maxim, narrated
from cliply_assets.highlights.text_signals import points_forward


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("And he said, take whatever you want.", 0.4),
        ("I looked at her and she looked at the floor.", 0.4),
        ("We lost everything in one night.", 0.25),
        ("Nobody told me.", 0.25),
    ],
)
def test_a_scene_is_heard(text, least):
    strength, shown = narrated(tokens_of(text))
    assert strength >= least
    assert all(words in text.lower().replace(",", "") for words in shown)


@pytest.mark.parametrize(
    "text",
    [
        "It was adopted in the autumn with a small amendment.",
        "The sensors were mounted at regular intervals.",
        "You click on the button and you select a folder.",
        "There are four stages, and the table lists them.",
        "",
    ],
)
def test_minutes_and_instructions_are_no_scene(text):
    assert narrated(tokens_of(text))[0] == 0.0


def test_more_of_a_scene_is_more():
    one = narrated(tokens_of("I ran."))[0]
    three = narrated(tokens_of("I ran, and he fell, and she said nothing."))[0]
    assert one < three <= 1.0


@pytest.mark.parametrize(
    "text",
    [
        "A queue means you are cheap.",
        "Nobody is ever ready, and that is not a reason.",
        "If it scares you, it is worth it.",
    ],
)
def test_a_saying_is_heard(text):
    assert maxim(tokens_of(text)) >= 0.45


@pytest.mark.parametrize(
    "text",
    [
        "The meeting is in room 14.",
        "I do not know.",
        "The second reading is not in the book that was handed out to everybody at the beginning of last term.",
        "She never came back.",
        "Yes.",
    ],
)
def test_ordinary_sentences_are_no_sayings(text):
    assert maxim(tokens_of(text)) == 0.0


@pytest.mark.parametrize(
    "text", ["But the cruel part came two days later.", "Guess what.", "Here is what I did:", "Let me tell you why."]
)
def test_a_promise_is_no_end(text):
    assert points_forward(sentence_of(text)) >= 0.5


@pytest.mark.parametrize("text", ["And that was it.", "We never spoke again.", "He sold his bicycle for it."])
def test_what_has_landed_points_nowhere(text):
    assert points_forward(sentence_of(text)) == 0.0


def sentence_of(text):
    transcript, duration = transcript_of([text])
    return split_sentences(transcript, duration)[0]
