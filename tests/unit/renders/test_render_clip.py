"""Real renders of small films whose every frame is known."""

import hashlib
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cliply_assets.renders import render as render_module
from cliply_assets.renders.caption_layout import lay_out
from cliply_assets.renders.fonts import face_named, font_folder, fonts_by_file
from cliply_assets.renders.quality import inspect_clip, problems
from cliply_assets.renders.render import render_clip
from cliply_assets.renders.styles import load_style
from cliply_resources.documents import CameraMove, Word
from cliply_resources.errors import DeadlineExceeded, StepFailed
from cliply_resources.media_tools.process import ProcessLimits
from cliply_resources.progress import silent


def render(spec, source: Path, into: Path):
    return render_clip(spec, source, into, progress=silent, deadline_seconds=120)


def gray(film: np.ndarray) -> np.ndarray:
    return film.astype(np.float32).mean(axis=3)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def bar_left(picture: np.ndarray) -> float | None:
    """Left edge of the white bar in output pixels, to a fraction, or `None`."""
    row = picture[picture.shape[0] // 2]
    background, white = np.median(row), row.max()
    if white - background < 25:
        return None
    bright = np.flatnonzero(row > (background + white) / 2)
    return float(bright[0])


def test_the_camera_follows_a_walking_marker_exactly_frame_by_frame(films, walking_film, tmp_path):
    # The window keeps the bar 20 source pixels from its left edge, which is 60 output pixels at three times the size.
    path = tuple(40 + 2 * (30 + k) - 20 for k in range(45))
    move = CameraMove(layout="crop", first_frame=0, frames=45, width=90, height=160, x=path, y=(10,))
    spec = films.spec(films.media(seconds=3.0), start=1.0, end=2.5, camera=(move,))

    rendered = render(spec, walking_film, tmp_path)

    pictures = gray(films.read(rendered.path))
    assert pictures.shape == (45, 480, 270)
    assert [films.number_of(picture[:, 150:]) for picture in pictures] == list(range(30, 75))
    assert all(abs(bar_left(picture) - 60) <= 1 for picture in pictures)
    assert leftovers(tmp_path) == ["clip.mp4"]


def test_layouts_change_on_exactly_the_planned_frame(films, walking_film, tmp_path):
    camera = (
        films.rest(17, x=0, first=0),
        CameraMove(layout="fit", first_frame=17, frames=1),
        films.rest(5, x=100, first=18),
        films.rest(9, x=0, width=72, height=128, first=23),
        CameraMove(layout="fit", first_frame=32, frames=13),
    )
    spec = films.spec(films.media(seconds=3.0), start=1.0, end=2.5, camera=camera)

    pictures = gray(films.read(render(spec, walking_film, tmp_path).path))

    def layout(picture: np.ndarray) -> str:
        # Above a fitted picture lies its dimmed copy; in a crop, the top is as bright as the middle.
        return "fit" if picture[20].mean() < 0.8 * np.median(picture[240]) else "crop"

    assert [layout(picture) for picture in pictures] == ["crop"] * 17 + ["fit"] + ["crop"] * 14 + ["fit"] * 13
    assert [films.number_of(picture[235:245]) for picture in pictures] == list(range(30, 75))
    # The fitted frame shows the bar too; the third stretch's window (from 100 on) holds it, the others do not.
    assert [bar_left(picture) is not None for picture in pictures[:32]] == [False] * 17 + [True] * 6 + [False] * 9
    assert abs(bar_left(pictures[18]) - 3 * (136 - 100)) <= 1


def test_the_same_spec_gives_the_same_bytes(films, walking_film, tmp_path):
    words = tuple(
        Word(text=text, start=1.1 + 0.3 * k, end=1.35 + 0.3 * k) for k, text in enumerate(["one", "two", "three"])
    )
    camera = (films.rest(20), CameraMove(layout="fit", first_frame=20, frames=25))
    spec = films.spec(
        films.media(seconds=3.0), start=1.0, end=2.5, camera=camera, words=words, style="bounce", size=(1080, 1920)
    )
    quick = msgspec.structs.replace(spec, settings={**spec.settings, "preset": "veryfast", "crf": "21"})

    first, second = (render(quick, walking_film, tmp_path / name) for name in ("a", "b"))

    assert first.sha256 == second.sha256
    assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert first.size_bytes == first.path.stat().st_size


def test_a_word_turns_yellow_on_its_frame_and_captions_leave_on_theirs(films, tmp_path):
    source = films.write(tmp_path / "dark.mp4", [films.frame(0) for _ in range(54)])
    words = (
        Word(text="Alpha", start=0.40, end=0.70),
        Word(text="beta", start=0.75, end=0.98),
        Word(text="gamma", start=1.02, end=1.30),
    )
    spec = films.spec(
        films.media(seconds=1.8),
        start=0.0,
        end=1.8,
        camera=(films.rest(54),),
        words=words,
        style="highlight_word",
        size=(360, 640),
    )
    layout = lay_out(spec.captions, width=360, height=640, look=load_style("highlight_word"), frame_rate=Fraction(30))

    film = films.read(render(spec, source, tmp_path / "out").path)

    yellow = (film[..., 0] > 190) & (film[..., 1] > 170) & (film[..., 2] < 130)
    white = film.min(axis=3) > 200
    (phrase,) = layout.phrases
    for number, picture in enumerate(yellow):
        spoken = [w for w in phrase.words if w.first_frame <= number < w.following_frame]
        assert picture.any() == bool(spoken), number
        assert white[number].any() == bool(spoken), number
        if spoken:
            across, down = np.flatnonzero(picture.any(axis=0)), np.flatnonzero(picture.any(axis=1))
            assert abs(across.mean() - spoken[0].x) < 0.1 * spoken[0].width + 4
            assert down.min() > 0.14 * 640
            assert down.max() < (1 - 0.235) * 640
    assert phrase.first_frame == 12
    # A caption is never more than half a frame early.
    assert all(w.first_frame / 30 >= w.word.start - 1 / 60 - 1e-9 for w in phrase.words)


def test_measured_letters_are_as_wide_as_drawn_ones(films, tmp_path):
    source = films.write(tmp_path / "dark.mp4", [films.frame(0) for _ in range(20)])
    word = (Word(text="HAMBURG", start=0.0, end=0.6),)
    spec = films.spec(
        films.media(seconds=20 / 30),
        start=0,
        end=20 / 30,
        camera=(films.rest(20),),
        words=word,
        style="highlight_word",
        size=(1080, 1920),
    )
    layout = lay_out(spec.captions, width=1080, height=1920, look=load_style("highlight_word"), frame_rate=Fraction(30))

    film = films.read(render(spec, source, tmp_path / "out").path).astype(int)[10]

    letters = np.flatnonzero(((film[..., 0] > 190) & (film[..., 2] < 130)).any(axis=0))
    placed = layout.phrases[0].words[0]
    grown = placed.width * load_style("highlight_word").active_scale
    # Side bearings of the first and last letter are part of the advance, not of the ink.
    assert abs((letters[-1] - letters[0]) - grown) < 0.04 * grown
    assert abs((letters[-1] + letters[0]) / 2 - placed.x) < 6


def test_loudness_is_corrected_until_it_is_right(films, walking_film, tmp_path):
    # The spec's gain is 14 dB too small; the film's noise is far quieter than it says.
    spec = films.spec(films.media(seconds=3.0), start=0.0, end=3.0, camera=(films.rest(90),))

    rendered = render(spec, walking_film, tmp_path)

    assert rendered.integrated_lufs == pytest.approx(-14.0, abs=0.5)
    assert rendered.true_peak_dbtp <= -1.5
    assert rendered.sound_passes > 1
    quality = inspect_clip(rendered.path, spec=spec, source=walking_film)
    assert problems(quality, spec) == []
    assert (quality.width, quality.height, quality.frames) == (270, 480, 90)
    assert quality.faststart
    assert quality.audio_rate == 48000


def test_peaky_sound_stays_below_the_highest_peak(films, tmp_path):
    clicks = "aevalsrc=0.05*random(0)*sin(2*PI*180*t)+0.9*lt(mod(t\\,0.5)\\,0.002)*sin(2*PI*9000*t):s=48000"
    source = films.write(
        tmp_path / "clicks.mp4", [films.frame(k) for k in range(60)], sound=("-f", "lavfi", "-i", clicks)
    )
    spec = films.spec(films.media(seconds=2.0), start=0.0, end=2.0, camera=(films.rest(60),))

    rendered = render(spec, source, tmp_path / "out")

    assert rendered.true_peak_dbtp <= -1.5
    assert rendered.integrated_lufs == pytest.approx(-14.0, abs=0.5)


def test_a_film_without_sound_gets_a_silent_track(films, tmp_path):
    source = films.write(tmp_path / "mute.mp4", [films.frame(k) for k in range(45)], sound=())
    spec = films.spec(films.media(seconds=1.5, sound=False), start=0.5, end=1.5, camera=(films.rest(30),))

    rendered = render(spec, source, tmp_path / "out")

    quality = inspect_clip(rendered.path, spec=spec)
    assert rendered.integrated_lufs is None
    assert (quality.audio_codec, quality.audio_channels) == ("aac", 2)
    assert quality.audio_seconds == pytest.approx(1.0, abs=0.03)
    assert problems(quality, spec) == []


def test_surround_sound_becomes_stereo_at_the_same_loudness(films, tmp_path):
    surround = "anoisesrc=r=48000:c=pink:a=0.1:seed=3,pan=5.1|FL=0.2*c0|FR=0.2*c0|FC=c0|LFE=0.1*c0|BL=0*c0|BR=0*c0"
    source = films.write(
        tmp_path / "surround.mp4", [films.frame(k) for k in range(60)], sound=("-f", "lavfi", "-i", surround)
    )
    spec = films.spec(films.media(seconds=2.0), start=0.0, end=2.0, camera=(films.rest(60),))

    rendered = render(spec, source, tmp_path / "out")

    quality = inspect_clip(rendered.path, spec=spec)
    assert quality.audio_channels == 2
    assert problems(quality, spec) == []


def test_a_rotated_phone_film_is_cut_as_it_is_seen(films, tmp_path):
    stored = films.write(tmp_path / "stored.mp4", [films.frame(k, bar=0) for k in range(30)])
    source = tmp_path / "rotated.mp4"
    films.ffmpeg("-display_rotation", "90", "-i", str(stored), "-c", "copy", str(source))
    media = films.media(seconds=1.0, width=180, height=320, rotation=270)
    # Turned counter-clockwise, the bar at the stored left edge lies along the bottom.
    spec = films.spec(media, start=0.0, end=1.0, camera=(films.rest(30, width=180, height=320),))

    pictures = gray(films.read(render(spec, source, tmp_path / "out").path))

    assert pictures[5][-6:].mean() > 200
    assert pictures[5][:400].mean() < 60


def test_odd_sizes_are_cut_and_fitted(films, tmp_path):
    source = films.write(
        tmp_path / "odd.mkv",
        [films.frame(k, width=321, height=181, bar=101) for k in range(30)],
        output=("-c:v", "ffv1", "-c:a", "aac"),
    )
    camera = (films.rest(15, width=101, height=181, x=99), CameraMove(layout="fit", first_frame=15, frames=15))
    media = films.media(seconds=1.0, width=321, height=181)
    spec = films.spec(media, start=0.0, end=1.0, camera=camera)

    pictures = gray(films.read(render(spec, source, tmp_path / "out").path))

    assert pictures.shape == (30, 480, 270)
    assert abs(bar_left(pictures[5]) - 2 * 270 / 101) <= 2
    assert [films.number_of(picture[235:245]) for picture in pictures] == list(range(30))


def test_a_variable_rate_film_shows_what_a_player_shows(films, tmp_path):
    steady = films.write(tmp_path / "steady.mp4", [films.frame(k) for k in range(60)])
    source = tmp_path / "variable.mkv"
    # Frames 20 to 31 and every third later one are missing: the picture before them stays on screen.
    films.ffmpeg(
        *("-i", str(steady), "-vf", "select='not(between(n,20,31))*not(gt(n,40)*eq(mod(n,3),0))'"),
        *(
            "-fps_mode",
            "passthrough",
            "-c:v",
            "libx264",
            "-qp",
            "4",
            "-preset",
            "ultrafast",
            "-c:a",
            "copy",
            str(source),
        ),
    )
    media = films.media(seconds=2.0, variable_frame_rate=True)
    spec = films.spec(media, start=26 / 30, end=56 / 30, camera=(films.rest(30),))

    pictures = gray(films.read(render(spec, source, tmp_path / "out").path))

    missing = {*range(20, 32), *(n for n in range(41, 60) if n % 3 == 0)}
    shown = [max(m for m in range(n + 1) if m not in missing) for n in range(26, 56)]
    assert [films.number_of(picture) for picture in pictures] == shown


def test_sound_and_picture_stay_together(films, tmp_path):
    # The picture turns bright on frame 40, and a tone begins with it.
    tone = "aevalsrc=0.3*gte(t\\,40/30)*sin(2*PI*1000*t)+0.001*sin(2*PI*200*t):s=48000"
    pictures = [films.frame(0 if k < 40 else 90) for k in range(75)]
    source = films.write(tmp_path / "clap.mp4", pictures, sound=("-f", "lavfi", "-i", tone))
    spec = films.spec(films.media(seconds=2.5), start=26 / 30, end=2.4, camera=(films.rest(46),))

    rendered = render(spec, source, tmp_path / "out")

    bright = np.flatnonzero(gray(films.read(rendered.path)).mean(axis=(1, 2)) > 100)
    sound = films.listen(rendered.path)
    loud = np.flatnonzero(np.abs(sound) > 0.3 * np.abs(sound).max())
    assert bright[0] == 14
    assert loud[0] / 48000 == pytest.approx(14 / 30, abs=0.004)
    assert len(sound) / 48000 == pytest.approx(46 / 30, abs=1024 / 48000)


def test_a_recording_that_changes_its_picture_size_midway_keeps_its_frames(films, tmp_path):
    streams = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-bf", "0", "-f", "mpegts")
    small = films.write(tmp_path / "a.ts", [films.frame(k) for k in range(30)], sound=(), output=streams)
    large = films.write(
        tmp_path / "b.ts",
        [films.frame(k, width=640, height=360) for k in range(30, 60)],
        sound=(),
        output=(*streams, "-output_ts_offset", "1"),
    )
    source = tmp_path / "both.ts"
    source.write_bytes(small.read_bytes() + large.read_bytes())
    move = CameraMove(layout="crop", first_frame=0, frames=40, width=90, height=160, x=tuple(range(40)), y=(0,))
    spec = films.spec(films.media(seconds=2.0, sound=False), start=10 / 30, end=50 / 30, camera=(move,))

    film = gray(films.read(render(spec, source, tmp_path / "out").path))

    assert [films.number_of(picture) for picture in film] == list(range(10, 50))


@pytest.mark.parametrize("rate", ["30000/1001", "25", "60"])
def test_every_rate_starts_on_its_frame(films, tmp_path, rate):
    source = films.write(tmp_path / "film.mp4", [films.frame(k) for k in range(70)], rate=rate)
    fps = Fraction(rate)
    spec = films.spec(
        films.media(seconds=float(70 / fps), rate=rate),
        start=float(31 / fps),
        end=float(51 / fps),
        camera=(films.rest(20),),
    )

    film = films.read(render(spec, source, tmp_path / "out").path)

    assert [films.number_of(picture) for picture in gray(film)] == list(range(31, 51))


def test_the_last_picture_stands_where_the_sound_outlasts_it(films, tmp_path):
    source = films.write(tmp_path / "short.mp4", [films.frame(k) for k in range(40)])
    spec = films.spec(films.media(seconds=1.5), start=1.2, end=1.5, camera=(films.rest(9),))

    film = films.read(render(spec, source, tmp_path / "out").path)

    assert [films.number_of(picture) for picture in gray(film)] == [36, 37, 38, *[39] * 6]


def test_a_picture_that_ends_long_before_the_clip_is_an_error_and_leaves_nothing(films, tmp_path):
    source = films.write(tmp_path / "short.mp4", [films.frame(k) for k in range(30)])
    out = tmp_path / "out"
    spec = films.spec(films.media(seconds=4.0), start=0.5, end=4.0, camera=(films.rest(105),))

    with pytest.raises(StepFailed, match="picture ends 60 frames before the end"):
        render(spec, source, out)

    assert leftovers(out) == []


def test_a_full_disk_is_said_and_leaves_nothing_that_looks_finished(films, walking_film, tmp_path, monkeypatch):
    monkeypatch.setattr(render_module, "_LIMITS", ProcessLimits(file_bytes=6000))
    spec = films.spec(films.media(seconds=3.0), start=0.0, end=3.0, camera=(films.rest(90),))

    with pytest.raises(StepFailed, match="rendering a clip"):
        render(spec, walking_film, tmp_path)

    assert leftovers(tmp_path) == []


def test_a_deadline_ends_the_render(films, walking_film, tmp_path):
    spec = films.spec(films.media(seconds=3.0), start=0.0, end=3.0, camera=(films.rest(90),), size=(1080, 1920))

    with pytest.raises(DeadlineExceeded):
        render_clip(spec, walking_film, tmp_path, progress=silent, deadline_seconds=0.15)

    assert leftovers(tmp_path) == []


def test_another_ffmpeg_than_the_specs_is_refused(films, walking_film, tmp_path):
    spec = films.spec(films.media(seconds=3.0), start=0.0, end=1.0, camera=(films.rest(30),))
    other = msgspec.structs.replace(spec, ffmpeg_version="5.1.9")

    with pytest.raises(StepFailed, match=r"planned for ffmpeg 5\.1\.9"):
        render(other, walking_film, tmp_path)


def test_another_version_of_a_font_is_refused(films, walking_film, tmp_path):
    words = (Word(text="Hello", start=0.1, end=0.9),)
    spec = films.spec(
        films.media(seconds=3.0), start=0.0, end=1.0, camera=(films.rest(30),), words=words, style="karaoke"
    )
    other = msgspec.structs.replace(spec, fonts=dict.fromkeys(spec.fonts, "f" * 64))

    with pytest.raises(StepFailed, match="in another version"):
        render(other, walking_film, tmp_path)

    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("", "no font was used"),
        ("fontselect: (Manrope ExtraBold, 400, 0) -> DejaVuSans, 0, DejaVuSans", "but DejaVuSans was used"),
        (
            "fontselect: (Manrope ExtraBold, 400, 0) -> Manrope-ExtraBold, 0, Manrope-ExtraBold\nGlyph 0x1F600 not found",
            r"U\+1F600",
        ),
    ],
)
def test_captions_in_the_wrong_letters_are_never_delivered(tmp_path, log, sentence):
    face = face_named("Manrope ExtraBold")
    folder = font_folder(fonts_by_file([face]), tmp_path / "fonts")

    with pytest.raises(StepFailed, match=sentence):
        render_module._right_fonts(log, folder)
