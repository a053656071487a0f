"""What is said about sentences, and with which words as proof."""

import pytest
from conversation import transcript_of

from cliply_assets.highlights.sentences import split_sentences
from cliply_assets.highlights.text_signals import answer_follows, points_back, read_sentences


def read(*lines, punctuated=True, language="en", pause=0.5):
    transcript, end = transcript_of(lines, punctuated=punctuated, pause=pause)
    sentences = split_sentences(transcript, end)
    return sentences, read_sentences(sentences, language)


@pytest.mark.parametrize(
    ("kind", "sentence", "proof"),
    [
        ("hook", "Here's the thing about small boats.", "here's the thing"),
        ("payoff", "It turned out the door was never locked.", "it turned out"),
        ("surprise", "Suddenly the lights went off.", "suddenly"),
        ("superlative", "It was the worst winter of my life.", "of my life"),
        ("superlative", "That was the steepest road around.", "steepest"),
        ("number", "We sold 40000 of them in a week.", "40000"),
        ("number", "It cost nine million to build.", "million"),
        ("emotion", "I cried on the train home.", "i cried"),
        ("story", "One night the phone rang in the kitchen.", "one night"),
        ("opinion", "I disagree with every word of it.", "i disagree"),
        ("advice", "Never do it on a Friday, that's my advice.", "my advice"),
        ("question", "Why would anybody paint it green?", "Why would anybody paint it green?"),
    ],
)
def test_each_kind_is_found_with_its_proof(kind, sentence, proof):
    _, (reading,) = read(sentence)
    assert reading.strength(kind) >= 0.3
    assert proof in reading.evidence[kind]


@pytest.mark.parametrize(
    "sentence",
    ["In the west the guest took the rest of the test.", "The forest is protected at the request of the priest."],
)
def test_words_that_only_look_superlative_are_not(sentence):
    _, (reading,) = read(sentence)
    assert reading.strength("superlative") == 0


@pytest.mark.parametrize(
    "asked",
    [
        "why did you leave the band",
        "so what is the plan for next year",
        "do you still talk to him",
        "um how many people came that night",
    ],
)
def test_a_question_is_heard_without_its_mark(asked):
    _, readings = read(asked, "we talked about it for a long while", punctuated=False)
    assert readings[0].strength("question") == 1.0


@pytest.mark.parametrize(
    "said", ["what you see is a small house", "how they work is a mystery to me", "when it rains we stay in"]
)
def test_a_statement_that_begins_like_a_question_is_none(said):
    _, readings = read(said, punctuated=False)
    assert readings[0].strength("question") == 0


def test_a_question_inside_a_story_is_not_asked_of_anybody_here():
    _, readings = read("She asked, has anybody seen the key?", "We looked everywhere for it.")
    assert readings[0].strength("question") < 0.5


def test_a_tag_is_no_question():
    _, readings = read("Right?", "It was a long way home.")
    assert readings[0].strength("question") == 0


def test_housekeeping_is_dull_and_not_worth_hearing():
    _, (dull, lively) = read("Before we begin, let me share my screen.", "Nobody tells you how lonely success is.")
    assert dull.dull > 0.5
    assert dull.interest < 0.2 < lively.interest


def test_an_answer_follows_a_question_but_not_a_silence():
    sentences, readings = read("A:Why did you stop?", "B:My knee gave out on the last hill of the race.")
    assert answer_follows(sentences, readings, 0) == 1
    sentences, readings = read("A:Why did you stop?", "B:My knee gave out on the last hill of the race.", pause=20.0)
    assert answer_follows(sentences, readings, 0) is None


@pytest.mark.parametrize(
    ("opener", "least", "most"),
    [
        ("And that's why we left the city.", 0.8, 1.0),
        ("He said the bridge was closed.", 0.8, 1.0),
        ("They never came back to the house.", 0.4, 0.8),
        ("Because the water was cold.", 0.5, 1.0),
        ("So the river froze in one night.", 0.1, 0.4),
        ("The river froze in one night.", 0.0, 0.0),
        ("There was a man with two umbrellas.", 0.0, 0.0),
        ("Yeah.", 0.6, 1.0),
    ],
)
def test_openers_that_point_back_are_told_from_those_that_stand(opener, least, most):
    (sentence,), (reading,) = read(opener)
    assert least <= points_back(sentence, reading) <= most


def test_the_topic_turns_where_the_words_change():
    boats = [
        "The boats leave the harbour with their nets.",
        "Fishing boats carry nets and lamps.",
        "Nets from the harbour boats are mended.",
    ]
    bread = [
        "Bread needs flour and yeast and patience.",
        "The flour decides how bread will rise.",
        "Yeast wakes slowly in cold flour and bread.",
    ]
    _, readings = read(*boats, *boats, *bread, *bread)
    shifts = [reading.opens_topic for reading in readings]
    assert max(range(1, len(shifts)), key=shifts.__getitem__) == 6


def test_another_language_is_read_by_what_needs_no_dictionary():
    _, readings = read("Warum hast du damals aufgehört?", "Es waren 300 Leute da!", language="de")
    assert readings[0].strength("question") == 1.0
    assert readings[1].strength("number") > 0
    assert readings[1].strength("emotion") > 0
    assert readings[0].dull == readings[1].dull == 0
