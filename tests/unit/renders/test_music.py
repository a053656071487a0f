"""Music under a clip: there where nobody speaks, behind where somebody does, faded at both ends, and the whole at its loudness."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_assets.renders.brought_music import read_music
from cliply_assets.renders.music import ducking, plan_music, said_spans
from cliply_assets.renders.quality import inspect_clip, problems
from cliply_assets.renders.render import render_clip
from cliply_resources.documents import Span, Word
from cliply_resources.documents.sound import MusicFile
from cliply_resources.errors import CallerError, MediaError
from cliply_resources.progress import silent

MUSIC = MusicFile(key="w/brands/brought/a.wav", sha256="a" * 64, name="song.wav", integrated_lufs=-18.0)
SPOKEN = (
    Word(text="one", start=2.0, end=2.5),
    Word(text="two", start=3.0, end=4.0),
    Word(text="far", start=7.0, end=8),
)


def gains(plan, moments) -> list[float]:
    """dB at each moment: the expression as ffmpeg reads it."""
    names = {"clip": lambda x, low, high: min(max(x, low), high), "min": min, "pow": pow}
    expression = compile(ducking(plan), "ducking", "eval")
    return [20 * np.log10(eval(expression, {"__builtins__": {}}, {**names, "t": moment})) for moment in moments]


def test_a_breath_belongs_to_what_is_said_and_a_long_pause_does_not() -> None:
    assert said_spans(SPOKEN) == (Span(2.0, 4.0), Span(7.0, 8.0))


def test_music_makes_room_before_the_first_word_and_comes_back_after_the_last() -> None:
    plan = plan_music(MUSIC, SPOKEN, is_alone=False)

    assert plan.gain_db == -4.0
    assert [round(gain, 1) for gain in gains(plan, (0.0, 1.7, 2.0, 2.75, 4.0, 4.7, 6.0, 7.5, 9.0))] == [
        0.0, 0.0, -12.0, -12.0, -12.0, 0.0, 0.0, -12.0, 0.0,
    ]  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.05, 1)), max_size=12))
def test_music_is_never_louder_than_its_level_nor_softer_than_under_speech(parts) -> None:
    words, at = [], 0.0
    for pause, length in parts:
        words.append(Word(text="w", start=at + pause, end=at + pause + length))
        at += pause + length
    plan = plan_music(MUSIC, words, is_alone=False)

    found = gains(plan, np.arange(0, at + 2, 0.1))

    assert max(found) <= 1e-6
    assert min(found) >= -12.01
    assert all(gain < -11.9 for gain in gains(plan, [(word.start + word.end) / 2 for word in words]))


def test_music_alone_is_as_loud_as_a_clip() -> None:
    plan = plan_music(MUSIC, SPOKEN, is_alone=True)

    assert (plan.gain_db, plan.said) == (4.0, ())


def level(sound: np.ndarray, start: float, end: float, hertz: float) -> float:
    """dB of one tone in a stretch."""
    piece = sound[round(start * 48000) : round(end * 48000)]
    t = np.arange(len(piece)) / 48000
    return 20 * np.log10(2 * np.abs(np.mean(piece * np.exp(-2j * np.pi * hertz * t))) + 1e-9)


@pytest.mark.slow
def test_speech_stands_above_the_music_and_the_clip_is_as_loud_as_any(films, tmp_path):
    # Speech is bursts of noise, music a tone of 500 Hz that is shorter than the clip.
    spoken = "between(t\\,2\\,4)+between(t\\,7\\,8)"
    talk = f"aevalsrc='({spoken})*0.2*(random(0)-0.5)':s=48000"
    source = films.write(
        tmp_path / "talk.mp4", [films.frame(k % 50) for k in range(300)], sound=("-f", "lavfi", "-i", talk)
    )
    song = tmp_path / "song.wav"
    films.ffmpeg("-f", "lavfi", "-i", "sine=frequency=500:sample_rate=44100:duration=4", str(song))
    brought = read_music(song)
    music = MusicFile(key="k", sha256=brought.sha256, name="song.wav", integrated_lufs=brought.integrated_lufs)
    spec = films.spec(films.media(seconds=10.0), start=0.0, end=10.0, camera=(films.rest(300),))
    spec = msgspec.structs.replace(spec, music=plan_music(music, SPOKEN, is_alone=False))
    files = {brought.sha256: song}

    def render(into):
        return render_clip(spec, source, into, progress=silent, deadline_seconds=120, brand_files=files)

    rendered = render(tmp_path / "out")

    heard = films.listen(rendered.path)
    free, under = level(heard, 5.2, 6.4, 500), level(heard, 2.2, 3.8, 500)
    assert free - under == pytest.approx(12.0, abs=0.7)
    assert level(heard, 0.0, 0.1, 500) < free - 10
    assert level(heard, 9.9, 10.0, 500) < free - 10
    assert rendered.integrated_lufs == pytest.approx(-14.0, abs=0.5)
    assert rendered.true_peak_dbtp <= -1.5
    assert problems(inspect_clip(rendered.path, spec=spec), spec) == []
    assert render(tmp_path / "again").sha256 == rendered.sha256


@pytest.mark.slow
def test_a_film_without_sound_is_as_loud_as_its_music_should_be(films, tmp_path):
    source = films.write(tmp_path / "mute.mp4", [films.frame(k % 50) for k in range(120)], sound=())
    song = tmp_path / "song.wav"
    films.ffmpeg("-f", "lavfi", "-i", "anoisesrc=r=48000:c=pink:a=0.3:seed=2:duration=3", str(song))
    brought = read_music(song)
    music = MusicFile(key="k", sha256=brought.sha256, name="s", integrated_lufs=brought.integrated_lufs)
    media = films.media(seconds=4.0, sound=False)
    spec = films.spec(media, start=0.0, end=4.0, camera=(films.rest(120),), music=music)

    rendered = render_clip(
        spec, source, tmp_path / "out", progress=silent, deadline_seconds=60, brand_files={brought.sha256: song}
    )

    assert rendered.integrated_lufs == pytest.approx(-14.0, abs=0.5)
    assert problems(inspect_clip(rendered.path, spec=spec), spec) == []


def test_what_is_no_music_is_refused_with_a_sentence(films, tmp_path):
    text, mute = tmp_path / "song.txt", tmp_path / "mute.wav"
    text.write_text("la la la")
    films.ffmpeg("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono", "-t", "2", str(mute))

    with pytest.raises(CallerError, match=r"song\.txt is not music that Cliply reads"):
        read_music(text)
    with pytest.raises(CallerError, match="cannot be read"):
        read_music(tmp_path / "gone.mp3")
    with pytest.raises(MediaError, match=r"Nothing can be heard in mute\.wav"):
        read_music(mute)
