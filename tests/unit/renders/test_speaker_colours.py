"""Whoever speaks can be told by the colour of the captions, with every style."""

import itertools
import re

import msgspec
import pytest
from msgspec import UNSET

from cliply_assets.renders.captions import compose
from cliply_assets.renders.speaker_colours import MOST_SPEAKERS, plan_speakers, speaker_tones, toned
from cliply_assets.renders.styles import STYLE_NAMES, load_style
from cliply_resources.brands.colours import LEAST_CONTRAST, contrast
from cliply_resources.documents import CaptionPlan, Word
from cliply_resources.documents.looks import SpeakerTone


def said(*turns):
    """Words half a second each: `("Ann", "Hello there")`."""
    times = itertools.count()
    return tuple(
        Word(text=text, start=next_at / 2, end=next_at / 2 + 0.4, speaker=speaker)
        for speaker, line in turns
        for text in line.split()
        for next_at in [next(times)]
    )


TALK = said(("Ann", "So what happened then?"), ("Ben", "It all fell down."), ("Cleo", "I saw it."))


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_every_speaker_has_other_colours_and_each_can_be_read_where_it_stands(style):
    look = load_style(style)
    looks = [look, *(toned(look, tone) for tone in speaker_tones(look, MOST_SPEAKERS))]

    known_by = {(one.colour, one.active_colour, one.box.colour if one.box else None) for one in looks}
    assert len(known_by) == MOST_SPEAKERS
    for one in looks:
        ground = one.box.colour if one.box else one.outline_colour
        assert contrast(one.active_colour, ground) >= LEAST_CONTRAST
        around_line = one.box is not None and one.box.around == "line"
        assert contrast(one.colour, ground if around_line else one.outline_colour) >= 4.5


@pytest.mark.parametrize("ground", ["#FFFFFF", "#FFF3B0", "#808080", "#003366", "#FF0000"])
def test_a_style_of_ones_own_gets_colours_that_can_be_read_on_its_outline_whatever_that_is(ground):
    letters = "#000000" if contrast("#000000", ground) > contrast("#FFFFFF", ground) else "#FFFFFF"
    look = msgspec.structs.replace(load_style("highlight_word"), outline_colour=ground, colour=letters)

    for tone in speaker_tones(look, MOST_SPEAKERS):
        assert min(contrast(tone.colour, ground), contrast(tone.active_colour, ground)) >= min(
            4.5, contrast(letters, ground)
        )


def test_a_style_names_the_colours_of_its_speakers_itself_where_it_wants():
    mine = SpeakerTone(colour="#ABCDEF", active_colour="#FEDCBA")
    look = msgspec.structs.replace(load_style("pop_in"), speakers=(mine,))

    assert speaker_tones(look, 3)[0] == mine
    assert len(speaker_tones(look, 3)) == 2


def test_who_speaks_first_in_the_film_keeps_the_colours_of_the_style_in_every_clip():
    look = load_style("highlight_word")
    whole = plan_speakers(look, TALK, TALK, wanted=UNSET)
    end = plan_speakers(look, TALK[5:], TALK, wanted=UNSET)

    assert set(whole) == {"Ben", "Cleo"}
    assert end == whole


def test_one_speaker_alone_looks_as_the_style_does_unless_colours_are_asked_for():
    look, ben = load_style("karaoke"), TALK[4:8]

    assert plan_speakers(look, ben, TALK, wanted=UNSET) is UNSET
    assert plan_speakers(look, TALK, TALK, wanted=False) is UNSET
    assert set(plan_speakers(look, ben, TALK, wanted=True)) == {"Ben"}


def test_a_transcript_that_knows_no_speakers_is_drawn_as_before():
    words = tuple(msgspec.structs.replace(word, speaker=None) for word in TALK)

    assert plan_speakers(load_style("bounce"), words, words, wanted=True) is UNSET


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_captions_are_drawn_in_the_colours_of_who_says_them(style):
    look = load_style(style)
    tones = plan_speakers(look, TALK, TALK, wanted=UNSET)
    plain = compose(CaptionPlan(style=style, words=TALK), width=1080, height=1920, look=look)
    drawn = compose(CaptionPlan(style=style, words=TALK, speakers=tones), width=1080, height=1920, look=look)

    def of(document, start, end):
        lines = [line for line in document.text.splitlines() if line.startswith("Dialogue")]
        seconds = [float(line.split(",")[1].rpartition(":")[2]) for line in lines]
        return [line for line, at in zip(lines, seconds, strict=True) if start <= at < end]

    assert of(drawn, 0.0, 1.9) == of(plain, 0.0, 1.9)
    tone = tones["Ben"]
    ours = "".join(of(drawn, 2.0, 3.9))
    colour = tone.plate_colour or tone.active_colour
    assert f"&H{colour[5:7]}{colour[3:5]}{colour[1:3]}&" in ours
    own = look.box.colour if tone.plate_colour else look.active_colour
    assert not re.search(f"&H{own[5:7]}{own[3:5]}{own[1:3]}&", ours) or own in {"#FFFFFF"}
    assert drawn.occupied == plain.occupied
