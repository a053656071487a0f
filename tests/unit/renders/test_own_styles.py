"""A user's own caption style is taken as it is written, or refused with the field that is wrong."""

import json

import msgspec
import pytest

from cliply_assets.cli.brand import brand_brought
from cliply_assets.cli.main import _style as style_of
from cliply_assets.renders.captions import compose
from cliply_assets.renders.own_styles import own_style, read_own_style, style_warnings
from cliply_assets.renders.styles import STYLE_NAMES, load_style, look_of, style_digest
from cliply_resources.documents import CaptionPlan, ClipSettings, Word
from cliply_resources.documents.clips import ClipOptions
from cliply_resources.documents.looks import FAMILIES, FONT_NAMES
from cliply_resources.errors import CallerError
from cliply_resources.settings import Settings

MINE = {"name": "Mine", "based_on": "karaoke", "active_colour": "#ff3366", "size": 120}


def test_what_a_style_leaves_out_comes_from_the_style_it_is_based_on(tmp_path):
    path = tmp_path / "anything.json"
    path.write_text(json.dumps(MINE))

    look = read_own_style(path)

    assert look == msgspec.structs.replace(load_style("karaoke"), name="Mine", active_colour="#FF3366", size=120.0)
    assert look.family == "karaoke"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 900}, "“size” is 900; it must be a number from 20 to 300"),
        ({"colour": "red"}, '“colour” is "RED"; it must be a colour written as "#RRGGBB"'),
        ({"font": "Comic Sans"}, '“font” is "Comic Sans"; it must be one of Manrope ExtraBold'),
        ({"fnt": "Roboto Black"}, "a field “fnt”, which no style has"),
        ({"box": {"around": "line"}}, "lacks the field “box.colour”"),
        ({"box": {"around": "line", "colour": "#000000", "padding": [1], "radius": 2}}, "“box.padding” is [1]"),
        ({"centre": {"2:1": 0.5}}, "“centre”"),
        ({"centre": {"9:16": 7}}, "“centre”"),
        ({"speakers": [{"colour": "#FFFFFF", "active_colour": "blue"}]}, "“speakers[0].active_colour”"),
        ({"lines": 3}, "“lines” is 3; it must be 1 or 2"),
        ({"name": ""}, '“name” is ""'),
        ({"based_on": "comic"}, '“based_on” is "comic"; it must be one of highlight_word'),
    ],
)
def test_a_faulty_style_is_refused_with_the_field_its_value_and_what_may_stand_there(change, said):
    with pytest.raises(CallerError) as refused:
        own_style({**MINE, **change}, called="mine.json")

    assert said in str(refused.value)
    assert "mine.json" in str(refused.value)


def test_a_style_that_stands_alone_must_say_everything():
    with pytest.raises(CallerError, match=r"lacks the field “font”.*based_on"):
        own_style({"name": "Mine"}, called="mine.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"x" * 70_000])
def test_what_is_no_style_file_is_refused_by_its_name(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_bytes(content)

    with pytest.raises(CallerError, match=r"mine\.json"):
        read_own_style(path)


def test_colours_that_nobody_can_tell_apart_are_warned_of():
    assert style_warnings(own_style(MINE, called="mine")) == ()
    pale = {**MINE, "based_on": "highlight_word", "outline_colour": "#F0F0F0", "active_colour": "#FFE14D"}
    assert style_warnings(own_style(pale, called="mine"))


def test_captions_are_drawn_in_the_style_that_the_plan_carries():
    look = own_style({**MINE, "box": None, "outline": 9, "colour": "#123456"}, called="mine")
    plan = CaptionPlan(style=look.family, words=(Word(text="Hello", start=0.1, end=0.5),), look=look)

    assert look_of(plan) == look
    assert "&H00563412" in compose(plan, width=1080, height=1920, look=look_of(plan)).text


def test_a_style_survives_the_way_through_settings_and_their_json():
    look = own_style(MINE, called="mine")
    options = ClipOptions(look=look).chosen

    assert json.loads(json.dumps(options))["look"]["name"] == "Mine"
    assert msgspec.convert({"aspect": "9:16", **options}, ClipSettings).look == look


def test_cliplys_own_styles_are_written_in_fonts_and_ways_of_moving_that_the_document_knows():
    looks = [load_style(name) for name in STYLE_NAMES]

    assert {look.family for look in looks} == set(FAMILIES.values())
    assert all(look.family == look.name and look.font in FONT_NAMES for look in looks)
    assert len({style_digest(look) for look in looks}) == len(looks)


def test_the_command_line_takes_a_name_or_a_file_and_says_what_else_it_was(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(MINE))

    assert style_of(None) == {"style": "highlight_word"}
    assert style_of("bounce") == {"style": "bounce"}
    assert style_of(str(path)) == {"style": "karaoke", "look": read_own_style(path)}
    with pytest.raises(CallerError, match=r"choose from highlight_word.* or name a JSON file"):
        style_of("fancy")
    with pytest.raises(CallerError, match="cannot be read"):
        style_of(str(tmp_path / "gone.json"))


def test_a_brand_names_a_style_file_beside_it(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(MINE))
    (tmp_path / "brand.json").write_text(json.dumps({"name": "Acme", "style": "mine.json"}))

    with brand_brought(tmp_path, Settings(home=tmp_path)) as brand:
        assert (brand.style, brand.look.name) == ("karaoke", "Mine")

    (tmp_path / "brand.json").write_text(json.dumps({"name": "Acme", "style": "fancy"}))
    with pytest.raises(CallerError, match="none of highlight_word"), brand_brought(tmp_path, Settings(home=tmp_path)):
        pass
