"""Fonts that strangers give us: what is kept of them, and what is refused."""

import io
import random
from importlib.util import find_spec
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

from cliply_assets.renders.fonts import bundled_faces
from cliply_resources.brands import prepare_file
from cliply_resources.brands.fonts import KEPT, rewrite_font
from cliply_resources.errors import MediaError
from cliply_resources.settings import Settings

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 "
EVIL = "Arial,120,&H00FFFFFF\n[Events]\nDialogue: {\\an8\\p1}\x00é"


def wheel(package: str, name: str) -> Path:
    (folder,) = find_spec(package).submodule_search_locations
    return Path(folder) / "files" / name


def build(path: Path, *, family: str = "Squares", letters: str = LETTERS, rights: int = 0, variable=False) -> Path:
    """A font whose every letter is a square."""
    names = [".notdef", *(f"u{ord(letter):04X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"u{ord(letter):04X}" for letter in letters})
    pen = TTGlyphPen(None)
    for at, point in enumerate([(50, 0), (50, 700), (650, 700), (650, 0)]):
        pen.moveTo(point) if at == 0 else pen.lineTo(point)
    pen.closePath()
    square, empty = pen.glyph(), TTGlyphPen(None).glyph()
    builder.setupGlyf({name: empty if name == "u0020" else square for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (700, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular", "psName": "Squares-Regular"})
    builder.setupOS2(usWinAscent=800, usWinDescent=200, fsType=rights)
    builder.setupPost()
    if variable:
        builder.setupFvar([("wght", 100, 400, 900, "Weight")], [])
    builder.save(path)
    return path


def nest(folder: Path, inside: dict[str, list[str]]) -> None:
    """`nested.ttf`, in which some glyphs are made of others."""
    font = TTFont(build(folder / "a.ttf"), recalcBBoxes=False)
    for name, parts in inside.items():
        pen = TTGlyphPen(dict.fromkeys(font.getGlyphOrder()))
        for part in parts:
            pen.addComponent(part, (1, 0, 0, 1, 0, 0))
        glyph = pen.glyph()
        glyph.xMin = glyph.yMin = glyph.xMax = glyph.yMax = 0
        font["glyf"][name] = glyph
    font.save(folder / "nested.ttf")


def rewritten(source: Path, into: Path):
    target = into / "out.font"
    facts = rewrite_font(source, target)
    return facts, TTFont(target)


@pytest.mark.parametrize("name", [EVIL, "Manrope ExtraBold", "", "x" * 5000, "\u202egnipS"])
def test_whatever_a_font_calls_itself_it_gets_a_plain_name_that_nobody_else_has(tmp_path, name):
    source = build(tmp_path / "a.ttf", family=name or "Squares")
    facts, font = rewritten(source, tmp_path)
    assert facts.family.isascii()
    assert facts.family.isalnum()
    assert facts.family not in {face.family for face in bundled_faces()}
    assert {str(record) for record in font["name"].names} == {facts.family, "Regular"}
    assert len(facts.called) <= 60
    assert facts.called.isascii()
    assert not set(facts.called) & set("{}\\,\n&")


def test_the_same_font_is_the_same_bytes_and_another_has_another_name(tmp_path):
    one, other = build(tmp_path / "a.ttf"), build(tmp_path / "b.ttf", family="Others")
    families = set()
    digests = set()
    for number, source in enumerate((one, one, other)):
        families.add(rewrite_font(source, tmp_path / f"{number}.out").family)
        digests.add((tmp_path / f"{number}.out").read_bytes())
    assert (len(families), len(digests)) == (2, 2)


@pytest.mark.parametrize(
    "source",
    [wheel("font_source_sans_pro", "SourceSansPro-BlackIt.otf"), wheel("font_manrope", "Manrope-ExtraBold.ttf")],
    ids=["otf", "ttf"],
)
def test_a_real_font_keeps_its_shapes_and_loses_programs_and_names(tmp_path, source):
    before = TTFont(source)
    facts, font = rewritten(source, tmp_path)
    assert facts.suffix == source.suffix
    assert set(font.keys()) <= {*KEPT, "GlyphOrder"}
    assert len(font.getGlyphOrder()) == facts.glyphs == len(before.getGlyphOrder())
    assert font.getBestCmap() == before.getBestCmap()
    assert font["hmtx"].metrics == before["hmtx"].metrics
    if "CFF " in font:
        cff = font["CFF "].cff
        assert cff.fontNames == [facts.family]
        assert not {"Copyright", "Notice", "FullName", "FamilyName"} & set(cff.topDictIndex[0].rawDict)
    else:
        assert not any(getattr(font["glyf"][name], "program", None) for name in font.getGlyphOrder())


def test_a_variable_font_is_kept_in_its_ordinary_shape(tmp_path):
    facts, font = rewritten(build(tmp_path / "v.ttf", variable=True), tmp_path)
    assert facts.variable
    assert "fvar" not in font


@pytest.mark.parametrize(
    ("rights", "taken"), [(0, True), (4, True), (8, True), (2, False), (0x0200, False), (0x0102, False)]
)
def test_a_font_that_forbids_embedding_is_refused_with_the_reason(tmp_path, rights, taken):
    source = build(tmp_path / "a.ttf", rights=rights)
    if taken:
        rewrite_font(source, tmp_path / "out")
        return
    with pytest.raises(MediaError, match="embed"):
        rewrite_font(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no font"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 100, "no font"),
        (b"ttcf" + b"\0" * 100, "a collection of fonts"),
        (b"wOF2" + b"\0" * 100, "a web font"),
        (b"\x00\x01\x00\x00" + b"\xff" * 400, "damaged|lacks"),
        (b"OTTO\x00\x00", "damaged|lacks"),
    ],
)
def test_what_is_no_font_is_refused_by_what_it_is(tmp_path, data, said):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(MediaError, match=said):
        rewrite_font(tmp_path / "a", tmp_path / "out")


def test_a_font_without_latin_letters_is_refused(tmp_path):
    with pytest.raises(MediaError, match="no Latin letters"):
        rewrite_font(build(tmp_path / "a.ttf", letters="абвг"), tmp_path / "out")


def test_glyphs_that_contain_themselves_are_refused(tmp_path):
    nest(tmp_path, {"u0041": ["u0042"], "u0042": ["u0041"]})
    with pytest.raises(MediaError, match="in a circle"):
        rewrite_font(tmp_path / "nested.ttf", tmp_path / "out")


def test_glyphs_that_double_from_level_to_level_are_refused_before_they_are_drawn(tmp_path):
    nest(tmp_path, {f"u{0x61 + level:04X}": [f"u{0x62 + level:04X}"] * 40 for level in range(6)})
    with pytest.raises(MediaError, match="made of more than 256"):
        rewrite_font(tmp_path / "nested.ttf", tmp_path / "out")


def test_glyphs_that_would_cover_the_picture_are_refused(tmp_path):
    font = TTFont(build(tmp_path / "a.ttf"))
    font["glyf"]["u0042"].coordinates.scale((40, 40))
    font.save(tmp_path / "huge.ttf")
    with pytest.raises(MediaError, match="twenty times"):
        rewrite_font(tmp_path / "huge.ttf", tmp_path / "out")


def test_a_font_cut_off_or_with_bytes_turned_over_is_refused_or_read_and_never_crashes_us(tmp_path):
    whole = build(tmp_path / "a.ttf").read_bytes()
    chance = random.Random(7)
    for trial in range(60):
        data = bytearray(whole)
        if trial % 2:
            data = data[: chance.randrange(len(data))]
        else:
            for _ in range(chance.randrange(1, 20)):
                data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "b.ttf").write_bytes(data)
        try:
            facts = rewrite_font(tmp_path / "b.ttf", tmp_path / "out")
        except MediaError:
            continue
        assert TTFont(tmp_path / "out")["name"].getDebugName(1) == facts.family


def test_the_child_process_gives_the_same_answers(tmp_path):
    source = build(tmp_path / "a.ttf")
    prepared = prepare_file("font", source, tmp_path, Settings())
    assert prepared.facts["family"] == rewrite_font(source, tmp_path / "out").family
    assert prepared.path.read_bytes() == (tmp_path / "out").read_bytes()
    (tmp_path / "bad").write_bytes(io.BytesIO(b"no font at all").getvalue())
    with pytest.raises(MediaError, match="no font"):
        prepare_file("font", tmp_path / "bad", tmp_path, Settings())
    (tmp_path / "large").write_bytes(b"\0" * (8 * 1024**2 + 1))
    with pytest.raises(MediaError, match="8 MiB"):
        prepare_file("font", tmp_path / "large", tmp_path, Settings())
