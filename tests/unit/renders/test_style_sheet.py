"""Every style can be looked at, in every script that captions are promised in."""

import msgspec
import pytest

from cliply_assets.renders.caption_motion import RIGHT_TO_LEFT
from cliply_assets.renders.captions import compose
from cliply_assets.renders.fonts import face_for, face_named, script_faces
from cliply_assets.renders.own_styles import read_own_style
from cliply_assets.renders.render import render_clip
from cliply_assets.renders.style_sheet import backgrounds, sheet_words, write_style_sheet
from cliply_assets.renders.styles import STYLE_NAMES, load_style, shape_of
from cliply_resources.documents import CaptionPlan, Word
from cliply_resources.progress import silent

SCRIPTS = {
    "Hebrew": "זה הרגע שבו הכל השתנה!",
    "Arabic": "هذه هي اللحظة التي تغير فيها كل شيء!",
    "Chinese": "这 是 改变 一切 的 时刻。",
    "Japanese": "これ が すべて を 変えた 瞬間 です。",
    "Korean": "이 순간이 모든 것을 바꿨습니다.",
    "Russian": "Это изменило всё!",
}


def captions(text, style="highlight_word"):
    plan = CaptionPlan(style=style, words=sheet_words(text))
    return compose(plan, width=1080, height=1920, look=load_style(style))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_drawn_in_letters_that_cliply_brings(script):
    document = captions(SCRIPTS[script])

    assert document.omitted == ()
    assert all(face.bundled for face in document.faces)


@pytest.mark.parametrize("style", STYLE_NAMES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_no_script_leaves_the_safe_area(script, style):
    document = captions(SCRIPTS[script], style)
    left, top, right, bottom = shape_of(1080, 1920).safe_area(1080, 1920)

    assert document.occupied is not None
    # What is occupied is measured generously: by a third of the letters' size to either side.
    slack = load_style(style).size / 3
    assert left - slack <= document.occupied[0] <= document.occupied[2] <= right + slack
    assert top <= document.occupied[1] <= document.occupied[3] <= bottom


def test_a_mark_after_a_hebrew_word_stands_on_its_left():
    assert f"השתנה!{RIGHT_TO_LEFT}" in captions(SCRIPTS["Hebrew"]).text
    assert RIGHT_TO_LEFT not in captions("All changed!").text


def test_letters_of_other_scripts_are_as_large_as_those_beside_them():
    latin = face_named("Manrope ExtraBold")
    em = latin.units_per_em * latin.pixels_per_unit(100)

    for face in script_faces():
        assert face.units_per_em * face.pixels_per_unit(100) == pytest.approx(em, rel=0.06)


def test_the_bold_cut_of_a_variable_font_is_the_same_every_time():
    face = face_for("שלום", face_named("Manrope ExtraBold"))

    assert face is not None
    assert face.weight == 800
    assert len(face.sha256) == 64


@pytest.mark.slow
def test_libass_draws_the_letters_that_the_spec_names(films, walking_film, tmp_path):
    words = tuple(
        Word(text=text, start=1.05 + 0.2 * k, end=1.2 + 0.2 * k)
        for k, text in enumerate(["שלום!", "时刻", "لحظة", "순간", "now"])
    )
    camera = (films.rest(45),)
    spec = films.spec(films.media(seconds=3.0), start=1.0, end=2.5, camera=camera, words=words, style="highlight_word")

    assert len(spec.fonts) == 4
    rendered = render_clip(spec, walking_film, tmp_path, progress=silent, deadline_seconds=120)
    assert rendered.omitted_words == ()


@pytest.mark.slow
def test_a_sheet_shows_a_style_of_ones_own_on_three_pictures(tmp_path):
    mine = msgspec.structs.replace(load_style("karaoke"), name="mine", active_colour="#FF3366")
    path = tmp_path / "mine.json"
    path.write_bytes(msgspec.json.encode(mine))

    picture, film = write_style_sheet([read_own_style(path)], tmp_path, text="Look at this now.")

    from PIL import Image

    with Image.open(picture) as opened:
        assert opened.size == (360, 44 + 3 * 260)
        colours = {opened.convert("RGB").getpixel((x, y)) for x in range(0, 360, 3) for y in range(44, 304, 3)}
    assert any(abs(r - 255) < 30 and abs(g - 51) < 40 and abs(b - 102) < 40 for r, g, b in colours)
    assert film.stat().st_size > 1000
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_backgrounds_are_light_dark_and_busy():
    light, dark, busy = backgrounds(120, 200)

    assert light.mean() > 220
    assert dark.mean() < 40
    assert busy.std() > 40
