"""Titles are the clip's own words, whole, short, and free of fillers."""

import pytest
from conversation import shots_of, transcript_of
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.highlights import lexicon
from cliply_assets.highlights.choose import choose_candidates
from cliply_assets.highlights.titles import LONGEST_TITLE, trim_title
from cliply_resources.documents import UploadSettings

WORDS = (
    "the",
    "of",
    "and",
    "bridge",
    "river",
    "because,",
    "falls",
    "very",
    "night.",
    "so",
    "um",
    "we",
    "to",
    "wonderful",
)


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("So, um, you know, the bridge was never finished.", "The bridge was never finished"),
        ("why did the bridge fall", "Why did the bridge fall?"),
        ("i think i'm the last one who knows.", "I think I'm the last one who knows"),
        (
            "We walked along the river for a whole day and a night, because the road had been washed away by the rain.",
            "We walked along the river for a whole day and a night",
        ),
        ("Nobody knew it then!", "Nobody knew it then!"),
    ],
)
def test_a_sentence_becomes_a_title(said, title):
    assert trim_title(said, asks=said.startswith("why")) == title


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40))
def test_no_title_is_too_long_or_ends_loosely(words):
    title = trim_title(" ".join(words))
    assert len(title) <= LONGEST_TITLE
    last = title.split()[-1].lower().strip(".,!?") if title else ""
    assert len(title.split()) <= 3 or last not in {"the", "of", "and", "very", "so", "to", "because"}


def test_clips_of_one_film_have_different_titles_and_their_own_hashtags():
    boats = [
        "A:What is the worst storm you ever met out there?",
        "B:One night the lighthouse vanished and the waves came over the lighthouse rocks.",
        "B:I was terrified, and the lighthouse keeper lost everything he had in a minute.",
        "B:That's when I realized the sea does not forgive anybody, and I never sailed again.",
    ]
    bread = [
        "A:Why did you open a bakery at sixty years old?",
        "B:My daughter loved sourdough more than anything in the world, and then she died.",
        "B:Every morning I baked sourdough and I cried into the flour, honestly.",
        "B:It turned out that feeding strangers sourdough saved my life.",
    ]
    filler = ["A:We will look at the schedule on the next slide.", "A:As I mentioned the forms are in the folder."] * 6
    transcript, duration = transcript_of([*boats, *filler, *bread, *filler])
    chosen, _ = choose_candidates(
        transcript, None, shots_of(duration), None, None, duration=duration, settings=UploadSettings(), origin=None
    )
    assert len(chosen.candidates) == 2
    titles = {one.title for one in chosen.candidates}
    tags = {tag for one in chosen.candidates for tag in one.hashtags}
    assert len(titles) == 2
    assert {"#lighthouse", "#sourdough"} <= tags
    for one in chosen.candidates:
        assert one.title.rstrip("?") in one.text
        assert one.description
        assert one.description != one.title
        assert not {tag.lstrip("#") for tag in one.hashtags} & lexicon.STOP_WORDS
