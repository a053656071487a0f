"""What goes when a clip is tightened, and what never does."""

from fractions import Fraction
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.renders.spec import ClipGrid
from cliply_assets.renders.tighten import LEVELS, kept_pieces, lively_spans
from cliply_resources.documents import Span, Word
from cliply_resources.documents.clips import KeptPiece

RATE = Fraction(30)
GENTLE, TIGHT = LEVELS["gentle"], LEVELS["tight"]
SENTENCE = ["We", "had", "no", "money", "and", "no", "plan", "so", "we", "built", "it", "anyway"]


def speech(*parts: str | float, start: float = 0.2) -> tuple[list[Word], list[Span]]:
    """Words of 0.3 s with 0.02 s between them; a number is that much silence, and a word of its own stands between silences."""
    words, silences, at = [], [], start
    for part in parts:
        if isinstance(part, float):
            silences.append(Span(round(at, 3), round(at + part, 3)))
            at += part
            continue
        words.append(Word(text=part, start=round(at, 3), end=round(at + 0.3, 3)))
        at += 0.32
    return words, silences


def tightened(parts: list[str | float], rules=TIGHT, *, language="en", keep=(), seconds=20.0, **how):
    words, silences = speech(*parts)
    grid = ClipGrid(RATE, 0, round(seconds * RATE))
    pieces = kept_pieces(grid, words, silences, rules, language=language, keep=keep, **how)
    return words, silences, pieces


def cuts(pieces: tuple[KeptPiece, ...]) -> list[Span]:
    """What goes from the sound, in seconds."""
    return [
        Span(
            float(one.end_frame / RATE) + after.sound_shift / 48000,
            float(after.first_frame / RATE) + after.sound_shift / 48000,
        )
        for one, after in pairwise(pieces)
    ]


def test_a_long_pause_becomes_a_natural_rest_and_not_none() -> None:
    for rules, rest in ((GENTLE, GENTLE.rest), (TIGHT, TIGHT.rest)):
        words, _, pieces = tightened(["We", "waited", 2.0, "and", "waited"], rules)

        (gone,) = cuts(pieces)
        left = (words[2].start - words[1].end) - gone.duration
        assert rest <= left <= rest + 1 / 30 + 0.001
        assert words[1].end < gone.start < gone.end < words[2].start


def test_more_time_stays_between_sentences_than_in_one() -> None:
    _, _, inside = tightened(["We", "waited", 2.0, "and", "waited"])
    _, _, between = tightened(["We", "waited.", 2.0, "And", "waited"])

    assert cuts(inside)[0].duration > cuts(between)[0].duration


def test_a_pause_that_anybody_makes_stays() -> None:
    assert len(tightened(["We", 0.5, "waited", 0.4, "and"])[2]) == 1
    assert len(tightened(["We", 0.85, "waited"], GENTLE)[2]) == 1


def test_a_filler_goes_with_the_pause_around_it() -> None:
    words, _, pieces = tightened(["We", "built", 0.15, "um,", 0.2, "it"])

    (gone,) = cuts(pieces)
    assert words[1].end < gone.start <= words[2].start
    assert words[2].end <= gone.end < words[3].start
    assert 0.1 <= (words[3].start - words[1].end) - gone.duration <= TIGHT.rest + 1 / 30


def test_two_fillers_in_a_row_go_in_one_cut() -> None:
    words, _, pieces = tightened(["We", "built", 0.15, "um,", 0.1, "uh,", 0.2, "it"])

    (gone,) = cuts(pieces)
    assert gone.start <= words[2].start
    assert gone.end >= words[3].end


def test_a_filler_that_runs_into_its_neighbours_stays() -> None:
    assert len(tightened(["We", "built", "um,", 0.2, "it"])[2]) == 1
    assert len(tightened(["We", "built", 0.2, "um", "it"])[2]) == 1


def test_a_word_that_is_a_filler_elsewhere_stays() -> None:
    for language, word in (("de", "er"), ("pt", "um"), ("es", "eh"), ("en", "like"), ("xx", "um"), (None, "um")):
        assert len(tightened(["so", 0.2, word, 0.2, "so"], language=language)[2]) == 1, (language, word)


def test_fillers_of_other_languages_go() -> None:
    for language, word in (("de", "Ähm,"), ("fr", "euh"), ("sv", "öh,"), ("ru", "эээ"), ("de-AT", "äh")):
        assert len(tightened(["so", 0.2, word, 0.2, "so"], language=language)[2]) == 2, (language, word)


def test_a_saying_goes_only_where_it_is_tight_and_commas_set_it_off() -> None:
    said = ["We", "did,", 0.15, "you", "know,", 0.2, "all", "of", "it"]

    assert len(tightened(said, TIGHT)[2]) == 2
    assert len(tightened(said, GENTLE)[2]) == 1
    assert len(tightened(["That", "is", 0.15, "you", "know,", 0.2, "all"], TIGHT)[2]) == 1
    assert len(tightened(["Well,", 0.15, "you", "know", 0.2, "him"], TIGHT)[2]) == 1


def test_words_that_are_not_known_well_stay_and_pauses_still_go() -> None:
    parts: list[str | float] = ["We", 0.2, "um", 0.2, "waited", 2.0, "long"]

    words, _, pieces = tightened(parts, fillers=False)

    assert all(not (gone.start < words[1].end and gone.end > words[1].start) for gone in cuts(pieces))
    assert len(pieces) == 2


def test_a_word_that_the_engine_is_unsure_of_stays() -> None:
    words, silences = speech("We", 0.2, "um", 0.2, "waited")
    unsure = [words[0], Word(text="um", start=words[1].start, end=words[1].end, confidence=0.1), words[2]]

    assert len(kept_pieces(ClipGrid(RATE, 0, 90), unsure, silences, TIGHT, language="en")) == 1


def test_laughter_and_applause_stay_whatever_was_said_before() -> None:
    words, _ = speech("funny.", 3.0, "Thanks")
    middle = Span(words[0].end + 0.1, words[1].start - 0.1)

    _, _, pieces = tightened(["funny.", 3.0, "Thanks"], keep=[middle])

    assert len(pieces) == 1


def test_a_sound_in_a_pause_that_nobody_knows_stays() -> None:
    # Two seconds without words, of which only the first holds silence.
    words = [Word(text="So", start=0.2, end=0.5), Word(text="yes", start=2.5, end=2.8)]
    quiet = [Span(0.5, 1.5)]

    (gone,) = cuts(kept_pieces(ClipGrid(RATE, 0, 120), words, quiet, TIGHT))

    assert 0.5 < gone.start < gone.end < 1.5


def test_silence_that_an_engine_counted_as_a_word_is_a_pause() -> None:
    words = [Word(text="So", start=0.2, end=0.9), Word(text="yes", start=2.1, end=2.8)]
    quiet = [Span(0.55, 2.4)]

    (gone,) = cuts(kept_pieces(ClipGrid(RATE, 0, 120), words, quiet, TIGHT))

    assert 0.55 < gone.start < gone.end < 2.4
    assert gone.duration > 1.4


def test_silence_before_the_first_word_and_after_the_last_stays() -> None:
    words, silences = speech(3.0, "We", "built", "it", 3.0)

    assert len(kept_pieces(ClipGrid(RATE, 0, 240), words, silences, TIGHT)) == 1


def test_without_words_nothing_goes() -> None:
    assert kept_pieces(ClipGrid(RATE, 7, 240), [], [Span(0, 8)], TIGHT) == (KeptPiece(first_frame=7, frames=240),)


@st.composite
def talks(draw: st.DrawFn) -> tuple[list[str | float], str]:
    parts: list[str | float] = []
    for _ in range(draw(st.integers(1, 25))):
        parts.append(draw(st.sampled_from([*SENTENCE, "um,", "uh", "you", "know,", "end."])))
        if draw(st.booleans()):
            parts.append(draw(st.floats(0.04, 3.0)))
    return parts, draw(st.sampled_from(["gentle", "tight"]))


@settings(deadline=None)
@given(talks(), st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(60)]), st.integers(0, 100))
def test_no_cut_ever_touches_a_word_that_stays(talk: tuple[list[str | float], str], rate: Fraction, first: int) -> None:
    words, silences = speech(*talk[0], start=float(first / rate) + 0.1)
    grid = ClipGrid(rate, first, round((words[-1].end + 0.5 - float(first / rate)) * rate))

    pieces = kept_pieces(grid, words, silences, LEVELS[talk[1]], language="en", shots=[word.end for word in words[::3]])

    assert (pieces[0].first_frame, pieces[-1].end_frame) == (first, first + grid.frames)
    assert all(piece.frames >= 1 and abs(piece.sound_shift) <= 9600 + 24000 / rate + 1 for piece in pieces)
    plain = [word.text.strip(",.") for word in words]
    for one, after in pairwise(pieces):
        assert one.end_frame < after.first_frame
        shift = after.sound_shift / 48000
        gone = Span(float(one.end_frame / rate) + shift, float(after.first_frame / rate) + shift)
        touched = [
            name for name, word in zip(plain, words, strict=True) if gone.overlap(Span(word.start, word.end)) > 1e-4
        ]
        assert set(touched) <= {"um", "uh", "you", "know"}, (gone, touched)
        if "you" in touched or "know" in touched:
            assert talk[1] == "tight"


def test_a_join_beside_a_cut_of_the_film_moves_onto_it_so_that_nothing_flashes_by() -> None:
    parts: list[str | float] = ["We", "waited", 2.0, "and", "waited"]
    words, _, plain = tightened(parts)
    start, end = plain[0].end_frame, plain[1].first_frame

    for shot in (start - 3, end + 1, end + 3):
        _, _, moved = tightened(parts, shots=[shot / 30])

        assert shot in {moved[0].end_frame, moved[1].first_frame}
        assert cuts(moved)[0].duration == pytest.approx(cuts(plain)[0].duration)
        # The sound is cut where it was.
        assert cuts(moved)[0].start == pytest.approx(cuts(plain)[0].start, abs=1e-4)
        assert words[1].end <= moved[0].end_frame / 30 < moved[1].first_frame / 30 <= words[2].start
    for shot in (start - 9, start + 20, end + 9):
        assert tightened(parts, shots=[shot / 30])[2] == plain


def test_the_rooms_reactions_are_read_from_the_measured_table() -> None:
    rows = 50
    table = pl.DataFrame(
        {
            "time": [row / 10 for row in range(rows)],
            "laughter": [0.9 if 10 <= row < 15 else 0.0 for row in range(rows)],
            "applause": [0.0] * rows,
            "beat": [row == 40 for row in range(rows)],
        }
    )

    assert [(round(one.start, 3), round(one.end, 3)) for one in lively_spans(table)] == [(0.5, 2.0), (3.5, 4.6)]
