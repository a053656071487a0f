"""Emoji come rarely, above the words they belong to, and every one of them can be drawn."""

import itertools
from fractions import Fraction

import pytest

from cliply_assets.renders.caption_layout import lay_out
from cliply_assets.renders.captions import compose
from cliply_assets.renders.emoji import (
    APART,
    LANGUAGES,
    _dictionary,
    _drawings,
    drawings_digest,
    place_emoji,
    plan_emoji,
)
from cliply_assets.renders.emoji.convert import UNITS, drawing_of
from cliply_assets.renders.styles import STYLE_NAMES, load_style, shape_of
from cliply_resources.documents import CaptionPlan, Word
from cliply_resources.documents.clips import ASPECTS, EmojiMark


def words(text, *, every=0.4, confidence=None):
    return tuple(
        Word(text=part, start=round(k * every, 3), end=round(k * every + 0.9 * every, 3), confidence=confidence)
        for k, part in enumerate(text.split())
    )


def test_a_word_gets_its_emoji_in_every_known_language():
    said = {"en": "The rocket!", "de": "Die Rakete!", "es": "¡El cohete!", "fr": "La fusée!"}

    assert set(said) == set(LANGUAGES)
    assert {plan_emoji(words(text), language)[0].emoji for language, text in said.items()} == {"🚀"}


def test_words_of_another_language_mean_nothing():
    assert plan_emoji(words("so much pain"), "en") == ()
    assert plan_emoji(words("du pain"), "fr")[0].emoji == "🍞"
    assert plan_emoji(words("rocket money fire"), "fi") == ()
    assert plan_emoji(words("a rocket"), None)[0].emoji == "🚀"


def test_words_in_a_row_are_read_together_and_case_marks_and_endings_do_not_matter():
    assert [mark.emoji for mark in plan_emoji(words("It was MIND BLOWN, really"), "en")] == ["🤯"]
    assert plan_emoji(words("der Fußball"), "de")[0].emoji == "⚽"
    assert plan_emoji(words("the rocket’s engine"), "en")[0].emoji == "🚀"


def test_emoji_are_rare_and_do_not_come_again_soon():
    talk = words("money fire brain trophy pizza coffee money house car robot " * 6)
    marks = plan_emoji(talk, "en")

    assert len(marks) > 2
    assert all(later.at - mark.at >= APART for mark, later in itertools.pairwise(marks))
    times = {}
    for mark in marks:
        assert mark.at - times.get(mark.emoji, -99) >= 20
        times[mark.emoji] = mark.at


def test_a_word_that_was_hardly_understood_gets_none():
    assert plan_emoji(words("a rocket", confidence=0.2), "en") == ()


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("style", STYLE_NAMES)
def test_every_emoji_lies_inside_the_safe_area_and_clear_of_the_words(style, aspect):
    width, height = ASPECTS[aspect]
    look = load_style(style)
    plan = CaptionPlan(style=style, words=words("we saw the fire tonight and then there was one small rocket up there"))
    rate = Fraction(30)
    layout = lay_out(plan, width=width, height=height, look=look, frame_rate=rate)
    marks = (EmojiMark(at=1.2, emoji="🔥"), EmojiMark(at=4.4, emoji="🚀"))

    placed = place_emoji(marks, layout, look, width=width, height=height, frame_rate=rate)

    assert [one.emoji for one in placed] == ["🔥", "🚀"]
    left, top, right, bottom = shape_of(width, height).safe_area(width, height)
    for one in placed:
        assert left <= one.box[0]
        assert top <= one.box[1]
        assert one.box[2] <= right
        assert one.box[3] <= bottom
        phrase = next(p for p in layout.phrases if p.first_frame <= one.first_frame < p.end_frame)
        assert one.end_frame == phrase.end_frame
        assert one.end_frame - one.first_frame >= min(18, phrase.end_frame - phrase.first_frame)
        assert one.box[3] < min(line.box[1] for line in phrase.lines)


def test_where_captions_stand_too_high_there_is_no_emoji_over_the_edge():
    plan = CaptionPlan(style="pop_in", words=words("a rocket"), centre=0.17)
    look, rate = load_style("pop_in"), Fraction(30)
    layout = lay_out(plan, width=1080, height=1920, look=look, frame_rate=rate)

    assert place_emoji(plan_emoji(plan.words, "en"), layout, look, width=1080, height=1920, frame_rate=rate) == ()


def test_on_the_seam_of_panels_it_stands_beside_a_line_and_not_over_the_face_above():
    look, rate = load_style("bounce"), Fraction(30)
    for text in ("a rocket for everybody", "everybody understands rocket science everywhere"):
        plan = CaptionPlan(style="bounce", words=words(text, every=0.25), centre=2 / 3)
        layout = lay_out(plan, width=1080, height=1920, look=look, frame_rate=rate)
        marks = plan_emoji(plan.words, "en")
        placed = place_emoji(marks, layout, look, width=1080, height=1920, frame_rate=rate, beside=True)

        assert len(placed) == 1
        for one in placed:
            assert one.box[2] <= 960
            boxes = [line.box for line in layout.phrases[0].lines]
            assert one.box[1] > min(box[1] for box in boxes) - 60
            assert all(one.box[0] > box[2] or one.box[1] > box[3] or one.box[3] < box[1] for box in boxes)


def test_what_is_drawn_counts_as_occupied():
    plain = CaptionPlan(style="karaoke", words=words("we saw the rocket"))
    marked = CaptionPlan(style="karaoke", words=plain.words, emoji=plan_emoji(plain.words, "en"))

    def occupied(plan):
        return compose(plan, width=1080, height=1920, look=load_style("karaoke")).occupied

    assert occupied(marked)[1] < occupied(plain)[1] - 100
    assert occupied(marked)[3] == occupied(plain)[3]


def test_every_emoji_of_the_dictionary_can_be_drawn_and_is_asked_for_in_every_language():
    assert set(_dictionary()) == set(_drawings())
    for emoji, entry in _dictionary().items():
        assert set(entry.words) == set(LANGUAGES), emoji
        assert all(entry.words.values()), emoji
    assert drawings_digest([EmojiMark(at=0, emoji="🔥")]) != drawings_digest([EmojiMark(at=0, emoji="🚀")])


def test_no_word_asks_for_two_emoji():
    for language in LANGUAGES:
        said = [word for entry in _dictionary().values() for word in entry.words[language]]
        assert len(said) == len(set(said))


def test_drawings_are_flat_and_stay_inside_their_square():
    for emoji, shapes in _drawings().items():
        for colour, commands in shapes:
            parts = commands.split()
            assert colour.startswith("#")
            assert len(colour) == 7
            assert {part for part in parts if part.isalpha()} <= {"m", "l", "b"}, emoji
            numbers = [int(part) for part in parts if not part.isalpha()]
            assert min(numbers) >= -UNITS / 20, emoji
            assert max(numbers) <= UNITS * 1.05, emoji


def test_a_picture_becomes_shapes_and_one_with_more_than_shapes_is_refused():
    body = '<g fill="none"><path fill="#f00" d="M0 0h16v16z"/><circle cx="8" cy="8" r="4" fill="#00FF00"/></g>'
    (red, square), (green, _) = drawing_of(body, 16)

    assert (red, green) == ("#FF0000", "#00FF00")
    assert square == "m 0 0 l 512 0 l 512 512 l 0 0"
    with pytest.raises(ValueError, match="plain shapes"):
        drawing_of('<path fill="#f00" opacity=".5" d="M0 0h1z"/>', 16)
