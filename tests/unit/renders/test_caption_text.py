"""Captions as text: what is shown when, where, in which font, and never as an instruction."""

import re
from fractions import Fraction
from itertools import pairwise

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.renders.caption_layout import first_frame_at, lay_out
from cliply_assets.renders.caption_motion import escaped
from cliply_assets.renders.captions import compose, write_ass
from cliply_assets.renders.fonts import bundled_faces, face_for, face_named, font_folder, fonts_by_file, showable
from cliply_assets.renders.phrases import SHORTEST_GAP
from cliply_assets.renders.styles import STYLE_NAMES, load_style, shape_of, style_digest
from cliply_resources.documents import CaptionPlan, Word
from cliply_resources.documents.clips import ASPECTS, CAPTION_STYLES
from cliply_resources.errors import StepFailed

SENTENCES = (
    "So, here is the thing: nobody tells you that the first version of anything is always a little embarrassing. "
    "Yes. And that's okay! What would you do, if you were not afraid?"
)
RATE = Fraction(30)


def spoken(text: str, *, pause: float = 0.35, speaker: str | None = None) -> tuple[Word, ...]:
    words, at = [], 0.2
    for word in text.split():
        seconds = 0.12 + 0.04 * len(word)
        words.append(Word(text=word, start=round(at, 3), end=round(at + seconds, 3), speaker=speaker))
        at += seconds + (pause if word[-1] in ".?!" else 0.02)
    return tuple(words)


def ass(words: tuple[Word, ...], style: str = "highlight_word") -> str:
    return write_ass(CaptionPlan(style=style, words=words), width=1080, height=1920, style=load_style(style))


def layout(words, style: str = "highlight_word", *, width: int = 1080, height: int = 1920, rate: Fraction = RATE):
    plan = CaptionPlan(style=style, words=words)
    return lay_out(plan, width=width, height=height, look=load_style(style), frame_rate=rate)


def lines_of(words, style: str = "highlight_word") -> list[list[str]]:
    return [[" ".join(w.word.text for w in line.words) for line in p.lines] for p in layout(words, style).phrases]


OUR_TAGS = re.compile(
    r"\{(?:\\(?:pos|move)\([\d.,-]+\)|\\fs[\d.]+|\\fsc[xy][\d.]+|\\[12]?c&H[0-9A-F]{6}&|\\1?a(?:lpha)?&H[0-9A-F]{2}&|\\an5|\\p1"
    r"|\\kf?\d+|\\t\(-?\d+,\d+,(?:\\fsc[xy][\d.]+|\\alpha&H00&)+\))+\}"
)
DRAWING = re.compile(r"m [\d. lbm-]+")

hostile = st.text(
    alphabet=st.one_of(st.sampled_from(list("{}\\Nnh()&;,:*!tpkbcr0123456789 \n\r\t")), st.characters(codec="utf-8")),
    max_size=20,
)


@settings(max_examples=120, deadline=None)
@given(texts=st.lists(hostile, max_size=6), style=st.sampled_from(STYLE_NAMES))
def test_no_user_text_ever_becomes_an_override_tag(texts, style):
    words = tuple(Word(text=t, start=0.3 * k, end=0.3 * k + 0.25) for k, t in enumerate(texts))
    header, _, events = ass(words, style).partition("[Events]")

    assert header == ass((), style).partition("[Events]")[0] or "Style: S0," in header
    for line in events.splitlines()[2:]:
        assert line.startswith("Dialogue: ")
        text = line.split(",", 9)[9]
        rest = OUR_TAGS.sub("", text)
        assert not set("{}\\") & set(rest), text


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(hostile, min_size=1, max_size=4))
def test_another_reader_finds_exactly_the_shown_text(texts):
    words = tuple(Word(text=t, start=0.5 * k, end=0.5 * k + 0.3) for k, t in enumerate(texts))
    shown = [escaped(w.word.text) for phrase in layout(words, "karaoke").phrases for w in phrase.words]

    document = pysubs2.SSAFile.from_string(ass(words, "karaoke"))

    read = [e.plaintext for e in document.events if e.style != "Plate"]
    assert sorted(read) == sorted(shown)


@settings(max_examples=80, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.floats(0, 1.5), st.floats(0.01, 1.0), st.integers(1, 30)), max_size=25),
    style=st.sampled_from(STYLE_NAMES),
    rate=st.sampled_from([Fraction(24), Fraction(30000, 1001), Fraction(60)]),
)
def test_phrases_follow_each_other_without_overlap_or_flicker(gaps, style, rate):
    words, at = [], 0.0
    for gap, length, letters in gaps:
        at += gap
        words.append(Word(text="n" * letters, start=at, end=at + length))
        at += length
    phrases = layout(tuple(words), style, rate=rate).phrases

    assert [w.word.text for p in phrases for w in p.words] or not words
    for phrase, following in pairwise(phrases):
        gap = (following.first_frame - phrase.end_frame) / rate
        assert gap == 0 or gap >= SHORTEST_GAP - 1 / rate
    for phrase in phrases:
        assert len(phrase.lines) <= 2
        assert phrase.first_frame <= phrase.words[0].first_frame <= phrase.end_frame


@pytest.mark.parametrize("style", STYLE_NAMES)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_captions_stay_inside_the_safe_area(style, aspect):
    width, height = ASPECTS[aspect]
    left, top, right, bottom = shape_of(width, height).safe_area(width, height)
    words = spoken(
        SENTENCES
        + " Donaudampfschifffahrtsgesellschaft WWWWWWWWWWWWWWWW https://example.com/a/very/long/address/that/goes/on"
    )
    placed = layout(words, style, width=width, height=height)
    look = load_style(style)

    for phrase in placed.phrases:
        for line in phrase.lines:
            pad = look.box.padding if look.box else (look.outline, look.outline)
            assert line.box[0] - pad[0] * placed.scale >= left - 1
            assert line.box[2] + pad[0] * placed.scale <= right + 1
            assert line.box[1] - pad[1] * placed.scale >= top
            assert line.box[3] + pad[1] * placed.scale <= bottom


def test_breaks_fall_where_a_speaker_breathes():
    assert lines_of(spoken(SENTENCES), "karaoke")[0] == ["So, here is the thing:"]
    last_words = [lines[-1].split()[-1] for lines in lines_of(spoken(SENTENCES), "highlight_word")]
    assert "OKAY!" in last_words
    assert "AFRAID?" in last_words
    assert not {"A", "THE", "OF"} & set(last_words)


def test_a_short_word_does_not_flash_alone():
    phrases = layout(spoken(SENTENCES), "highlight_word").phrases
    alone = [p for p in phrases if len(p.words) == 1]
    assert all((p.end_frame - p.first_frame) / RATE >= 0.9 for p in alone)


def test_two_lines_are_balanced():
    for lines in lines_of(spoken("one two three four five six seven eight nine ten eleven twelve"), "highlight_word"):
        if len(lines) == 2:
            assert abs(len(lines[0]) - len(lines[1])) <= 6


def test_another_speaker_starts_another_phrase():
    first = spoken("Do you agree", speaker="A")
    second = tuple(
        Word(text=w.text, start=w.start + first[-1].end, end=w.end + first[-1].end, speaker="B")
        for w in spoken("I do not")
    )
    phrases = layout(first + second).phrases
    assert all(len({w.word.speaker for w in phrase.words}) == 1 for phrase in phrases)


def test_a_phrase_stays_until_the_next_one_when_the_pause_is_short():
    words = (*spoken("this is one"), Word(text="next", start=1.6, end=2.4), Word(text="phrase", start=3.9, end=4.4))
    phrases = layout(words).phrases
    assert phrases[-1].first_frame == first_frame_at(3.9, RATE)
    assert phrases[-1].end_frame == first_frame_at(4.7, RATE)


def test_emoji_are_left_out_and_never_drawn_as_boxes():
    assert showable("fire 🔥🔥 ❤️ 1️⃣ 👩‍🚀 now\u202e\u0007") == "fire 1 now"
    shown = ass(
        (Word(text="Hot🔥", start=0, end=1), Word(text="🚀", start=1, end=2), Word(text="take", start=2, end=2.6))
    )
    assert "HOT" in shown
    assert not re.search("[\U0001f000-\U0001faff]", shown)


def test_a_script_that_ours_lack_gets_a_system_font_or_is_left_out():
    words = (
        Word(text="שלום", start=0, end=0.5),
        Word(text="world", start=0.6, end=1),
        Word(text="\U00013080", start=1, end=1.5),
    )
    document = compose(
        CaptionPlan(style="highlight_word", words=words), width=1080, height=1920, look=load_style("highlight_word")
    )
    hebrew = face_for("שלום", bundled_faces()[0])
    assert ("שלום" in document.omitted) == (hebrew is None)
    # Egyptian hieroglyphs are hardly anybody's system font; if they are, they are drawn.
    if face_for("\U00013080", bundled_faces()[0]) is None:
        assert document.omitted[-1] == "\U00013080"
        assert "\U00013080" not in document.text
    assert all(face.bundled or face is hebrew for face in document.faces)


@pytest.mark.skipif(face_for("שלום", bundled_faces()[0]) is None, reason="no font here has Hebrew letters")
def test_a_right_to_left_line_is_laid_out_from_the_right():
    words = tuple(Word(text=t, start=k * 0.3, end=k * 0.3 + 0.25) for k, t in enumerate(["שלום", "Open", "AI", "עולם"]))
    placed = {w.word.text: w.x for p in layout(words, "karaoke").phrases for w in p.words}
    assert placed["שלום"] > placed["AI"] > placed["Open"] > placed["עולם"]


def test_chinese_is_set_without_spaces_between_characters():
    from cliply_assets.renders.phrases import shown_words

    face = face_named("Manrope ExtraBold")
    everything = type(face)(**{**face.__dict__, "advances": {ord(c): 1000 for c in "你好世界a"}})
    words = tuple(Word(text=c, start=k, end=k + 0.5) for k, c in enumerate("你好a世"))
    shown, omitted = shown_words(words, load_style("karaoke"), everything)
    assert [w.glued for w in shown] == [False, True, False, False]
    assert omitted == ()


def test_every_style_is_data_with_a_bundled_font_and_its_own_look():
    looks = [load_style(name) for name in STYLE_NAMES]
    assert (*STYLE_NAMES, "none") == CAPTION_STYLES
    assert {look.animation for look in looks} == {"tint", "fill", "pop", "type", "bounce"}
    assert all(face_named(look.font).bundled for look in looks)
    assert len({style_digest(look) for look in looks}) == len(looks)
    with pytest.raises(StepFailed, match="no caption style 'comic'"):
        load_style("comic")


def test_a_font_folder_holds_exactly_the_named_fonts(tmp_path):
    wanted = fonts_by_file([face_named("Roboto Black")])
    assert [p.name for p in font_folder(wanted, tmp_path).iterdir()] == ["Roboto-Black.ttf"]
    with pytest.raises(StepFailed, match="not at all"):
        font_folder({"Nowhere-Bold.ttf": "0" * 64}, tmp_path)


def test_times_on_screen_are_whole_frames_at_odd_rates():
    rate = Fraction(30000, 1001)
    document = compose(
        CaptionPlan(style="pop_in", words=spoken(SENTENCES)),
        width=1080,
        height=1920,
        look=load_style("pop_in"),
        frame_rate=rate,
    )
    wanted = {w.first_frame for p in layout(spoken(SENTENCES), "pop_in", rate=rate).phrases for w in p.words}
    starts = {e.start for e in pysubs2.SSAFile.from_string(document.text).events}
    # The first frame whose time is at or after an event's start is the planned one.
    shown_from = {-(-start * rate.numerator // (1000 * rate.denominator)) for start in starts}
    assert wanted <= shown_from
