"""Clips from which pieces were taken out, rendered for real: nothing drifts, nothing clicks, and every file agrees."""

from fractions import Fraction

import msgspec
import numpy as np
import pytest

from cliply_assets.renders.quality import inspect_clip, problems
from cliply_assets.renders.render import render_clip
from cliply_assets.renders.time_map import time_map
from cliply_resources.documents import Word
from cliply_resources.documents.clips import KeptPiece
from cliply_resources.progress import silent

FRAMES = 300
FLASHES = tuple(range(13, FRAMES, 25))
PIECES = (
    KeptPiece(first_frame=6, frames=24),
    KeptPiece(first_frame=37, frames=20, sound_shift=311),
    KeptPiece(first_frame=61, frames=30, sound_shift=-700),
    KeptPiece(first_frame=107, frames=11, sound_shift=799),
    KeptPiece(first_frame=130, frames=70),
    KeptPiece(first_frame=230, frames=50, sound_shift=-20),
)


def render(spec, source, into):
    return render_clip(spec, source, into, progress=silent, deadline_seconds=120)


def tightened(films, seconds: float, rate: str = "30/1", pieces=PIECES, words=(), **how):
    fps = Fraction(rate)
    first, last = pieces[0].first_frame, pieces[-1].end_frame
    return films.spec(
        films.media(seconds=seconds, rate=rate),
        start=float(first / fps),
        end=float(last / fps),
        camera=(films.rest(last - first),),
        words=words,
        pieces=pieces,
        **how,
    )


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["30/1", "30000/1001"])
def test_every_flash_keeps_its_click_through_five_cuts(films, tmp_path, rate):
    # A bright frame and a click begin together, every 25 frames.
    fps = Fraction(rate)
    clicks = "+".join(f"between(t\\,{float(k / fps):.6f}\\,{float((k + Fraction(1, 2)) / fps):.6f})" for k in FLASHES)
    sound = f"aevalsrc='0.3*({clicks})*sin(2*PI*2000*t)+0.003*sin(2*PI*200*t)':s=48000"
    pictures = [films.frame(90 if k in FLASHES else k % 40) for k in range(FRAMES)]
    source = films.write(tmp_path / "clap.mp4", pictures, rate=rate, sound=("-f", "lavfi", "-i", sound))
    spec = tightened(films, float(FRAMES / fps), rate)

    rendered = render(spec, source, tmp_path / "out")

    shown = films.read(rendered.path).mean(axis=(1, 2, 3))
    bright = np.flatnonzero(shown > 150)
    heard = films.listen(rendered.path)
    loud = np.flatnonzero(np.abs(heard) > 0.4 * np.abs(heard).max()) / 48000
    begins = loud[np.concatenate([[True], np.diff(loud) > 0.1])]
    kept = [k for k in FLASHES if any(one.first_frame <= k < one.end_frame for one in spec.pieces)]
    there = time_map(spec)
    assert list(bright) == [round(there.to_clip(float(k / fps)) * fps) for k in kept]
    assert len(begins) == len(bright)
    assert np.abs(begins - bright / float(fps)).max() < 0.005
    assert len(heard) / 48000 == pytest.approx(float(spec.frames / fps), abs=1024 / 48000)


@pytest.mark.slow
def test_the_picture_is_exactly_the_frames_that_stay_and_the_same_spec_the_same_bytes(films, tmp_path):
    source = films.write(tmp_path / "numbers.mp4", [films.frame(k) for k in range(100)])
    pieces = (
        KeptPiece(first_frame=3, frames=20),
        KeptPiece(first_frame=30, frames=9, sound_shift=500),
        KeptPiece(first_frame=70, frames=25),
    )
    spec = tightened(films, 100 / 30, pieces=pieces)

    one, other = render(spec, source, tmp_path / "one"), render(spec, source, tmp_path / "other")

    gray = films.read(one.path).mean(axis=3)
    expected = [*range(3, 23), *range(30, 39), *range(70, 95)]
    assert [films.number_of(picture) for picture in gray] == expected
    assert one.sha256 == other.sha256
    assert problems(inspect_clip(one.path, spec=spec, source=source), spec) == []
    assert one.integrated_lufs == pytest.approx(-14.0, abs=0.5)


@pytest.mark.slow
def test_a_join_does_not_click(films, tmp_path):
    # A tone that is cut anywhere in its wave would step by up to its whole height.
    tone = ("-f", "lavfi", "-i", "sine=frequency=180:sample_rate=48000")
    source = films.write(tmp_path / "tone.mp4", [films.frame(k % 40) for k in range(FRAMES)], sound=tone)
    spec = tightened(films, FRAMES / 30)

    heard = films.listen(render(spec, source, tmp_path / "out").path)[2400:-2400]

    steepest = np.abs(heard).max() * 2 * np.pi * 180 / 48000
    assert np.abs(np.diff(heard)).max() < 1.6 * steepest


@pytest.mark.slow
def test_a_caption_stands_where_its_word_is_now(films, tmp_path):
    source = films.write(tmp_path / "dark.mp4", [films.frame(0) for k in range(FRAMES)])
    words = (
        Word(text="Before", start=0.3, end=0.9),
        Word(text="um,", start=1.05, end=1.2),
        Word(text="after", start=7.9, end=8.6),
    )
    pieces = (KeptPiece(first_frame=6, frames=24), KeptPiece(first_frame=230, frames=50))
    spec = tightened(films, FRAMES / 30, pieces=pieces, words=words, style="highlight_word")

    film = films.read(render(spec, source, tmp_path / "out").path)

    assert [(word.text, word.start, word.end) for word in spec.captions.words] == [
        ("Before", 0.1, 0.7),
        ("after", 1.033, 1.733),
    ]
    yellow = (film[..., 0].astype(int) - film[..., 2] > 90).sum(axis=(1, 2)) > 20
    assert yellow[10]
    assert yellow[40]
    assert not yellow[65:].any()


def test_a_spec_whose_pieces_leave_its_span_is_refused(films):
    spec = tightened(films, 10.0)

    for pieces in (
        (*spec.pieces[:-1], KeptPiece(first_frame=230, frames=51)),
        (spec.pieces[1], spec.pieces[0], *spec.pieces[2:]),
        spec.pieces[:-1],
    ):
        with pytest.raises(Exception, match=r"pieces of this clip|Piece \d of this clip"):
            render(msgspec.structs.replace(spec, pieces=pieces), None, None)
