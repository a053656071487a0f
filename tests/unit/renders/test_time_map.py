"""What a clip shows of its source: both ways of the map agree, and captions, camera and edit lists follow it."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.renders.time_map import TimeMap
from cliply_resources.documents import CameraMove, Segment, Span, Transcript, Word
from cliply_resources.documents.clips import KeptPiece

RATE = Fraction(30)


def shown(*pieces: tuple[int, int], rate: Fraction = RATE) -> TimeMap:
    return TimeMap(rate, tuple(KeptPiece(first_frame=first, frames=frames) for first, frames in pieces))


def said(*words: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text=text, start=start, end=end) for text, start, end in words)


@st.composite
def maps(draw: st.DrawFn) -> TimeMap:
    rate = draw(st.sampled_from([Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(60)]))
    at, pieces = draw(st.integers(0, 5000)), []
    for _ in range(draw(st.integers(1, 8))):
        frames = draw(st.integers(1, 200))
        pieces.append((at, frames))
        at += frames + draw(st.integers(1, 90))
    return shown(*pieces, rate=rate)


@settings(deadline=None)
@given(maps(), st.lists(st.floats(0, 400), min_size=2, max_size=20))
def test_neither_way_ever_goes_backwards(there: TimeMap, moments: list[float]) -> None:
    ordered = sorted(moments)

    assert (clip := [there.to_clip(moment) for moment in ordered]) == sorted(clip)
    assert (source := [there.to_source(moment) for moment in ordered]) == sorted(source)
    assert all(0 <= moment <= round(float(there.frames / there.frame_rate), 3) for moment in clip)


@settings(deadline=None)
@given(maps())
def test_what_the_clip_shows_is_where_the_map_says(there: TimeMap) -> None:
    for frame in {0, there.frames // 3, there.frames - 1}:
        middle = float((frame + Fraction(1, 2)) / there.frame_rate)
        source = there.to_source(middle)

        assert int(Fraction(source) * there.frame_rate) == there.source_frame(frame)
        assert abs(there.to_clip(source) - middle) < 0.001
        assert there.keeps(source)


@settings(deadline=None)
@given(maps())
def test_a_camera_keeps_one_place_for_every_frame_that_is_shown(there: TimeMap) -> None:
    cut = there.source_frames // 2
    moves = [
        CameraMove(layout="crop", first_frame=0, frames=cut, width=10, height=10, x=tuple(range(cut)), y=(0,)),
        CameraMove(
            layout="crop",
            first_frame=cut,
            frames=there.source_frames - cut,
            width=10,
            height=10,
            x=tuple(range(cut, there.source_frames)),
            y=(0,),
        ),
    ]

    kept = there.camera([move for move in moves if move.frames])

    assert [x for move in kept for x in (move.x if len(move.x) > 1 else move.x * move.frames)] == [
        there.source_frame(frame) - there.first_frame for frame in range(there.frames)
    ]
    assert [move.first_frame for move in kept] == [
        sum(move.frames for move in kept[:number]) for number in range(len(kept))
    ]


def test_words_move_up_and_fillers_go_from_the_captions() -> None:
    there = shown((0, 30), (60, 30))
    words = said(("So", 0.1, 0.4), ("um,", 1.2, 1.6), ("here", 2.1, 2.4), ("later", 5.0, 5.5))

    assert there.words(words) == said(("So", 0.1, 0.4), ("here", 1.1, 1.4))


def test_a_sentence_that_a_filler_opened_or_ended_is_still_one() -> None:
    there = shown((0, 30), (60, 30), (120, 30))
    words = said(("done,", 0.1, 0.9), ("um.", 1.2, 1.6), ("Uh,", 1.7, 1.9), ("well", 2.1, 2.9), ("go.", 4.1, 4.5))

    assert [word.text for word in there.words(words)] == ["done.", "Well", "go."]


def test_a_transcript_keeps_its_segments_without_those_that_went() -> None:
    there = shown((0, 30), (60, 30))
    first, second, third = said(("One.", 0.1, 0.6)), said(("Um.", 1.1, 1.5)), said(("Two.", 2.0, 2.5))
    segments = tuple(
        Segment(start=words[0].start, end=words[-1].end, text=words[0].text, words=words)
        for words in (first, second, third)
    )
    film = Transcript(
        engine="t", engine_detail="t", language="en", quality="high", word_times="measured", segments=segments
    )

    assert [(one.text, one.start, one.end) for one in there.transcript(film).segments] == [
        ("One.", 0.1, 0.6),
        ("Two.", 1.0, 1.5),
    ]


def test_what_was_taken_out_falls_together_at_its_join() -> None:
    there = shown((30, 30), (90, 30))

    assert there.spans([Span(0.0, 1.5), Span(2.1, 2.9), Span(2.5, 3.5)]) == (Span(0.0, 0.5), Span(1.0, 1.5))
    assert (there.seconds_removed, there.frames, there.source_frames) == (1.0, 60, 90)
