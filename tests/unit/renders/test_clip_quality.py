"""What inspection finds in clips that are wrong on purpose, the account beside a clip, and its thumbnail."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cliply_assets.renders.frame_choice import FrameFacts, best_frame, look_at_frames
from cliply_assets.renders.line_breaks import title_lines
from cliply_assets.renders.preview import preview_style
from cliply_assets.renders.provenance import describe, encode_provenance
from cliply_assets.renders.quality import has_faststart, inspect_clip, problems, spans_in_log
from cliply_assets.renders.render import render_clip
from cliply_assets.renders.spec import spec_digest
from cliply_assets.renders.styles import load_style
from cliply_assets.renders.thumbnail import draw_title, write_thumbnail
from cliply_resources.documents import CameraMove, Candidate, SourceVideo, Span, Transcript, Word
from cliply_resources.errors import StepFailed
from cliply_resources.progress import silent


@pytest.fixture(scope="module")
def busy_film(films, tmp_path_factory) -> Path:
    """Moving noise that turns black for 1.5 s and stands still for 1 s."""
    random = np.random.default_rng(4)
    noise = [random.integers(40, 220, (180, 320), dtype=np.uint8) for _ in range(120)]
    pictures = [*noise[:30], *[np.zeros((180, 320), np.uint8)] * 45, *noise[75:90], *[noise[90]] * 30]
    return films.write(tmp_path_factory.mktemp("busy") / "busy.mp4", pictures)


def test_black_frozen_and_quiet_clips_are_found_out(films, busy_film):
    spec = films.spec(films.media(seconds=4.0), start=0.0, end=4.0, camera=(films.rest(120),), size=(320, 180))

    quality = inspect_clip(busy_film, spec=spec)

    black, frozen = quality.black[0], quality.frozen[-1]
    assert (black.start, black.end) == (pytest.approx(1.0, abs=0.05), pytest.approx(2.5, abs=0.05))
    assert (frozen.start, frozen.end) == (pytest.approx(3.0, abs=0.05), pytest.approx(4.0, abs=0.05))
    said = " ".join(problems(quality, spec))
    assert "black from 1.0 s to 2.5 s" in said
    assert "stands still from 3.0 s to 4.0 s" in said
    assert "LUFS instead of -14" in said
    assert "aac" in said  # the film's own sound is mono
    assert not quality.faststart
    assert "index is at the end" in said


def test_a_stretch_that_is_still_in_the_source_is_not_blamed_on_the_clip(films, busy_film):
    spec = films.spec(films.media(seconds=4.0), start=0.0, end=4.0, camera=(films.rest(120),), size=(320, 180))
    assert inspect_clip(busy_film, spec=spec, source=busy_film).frozen == ()


def test_spans_are_read_from_what_ffmpeg_says():
    log = "black_start:0 black_end:1.5 black_duration:1.5\nsilence_start: -0.01\nsilence_end: 2.1 | silence_duration: 2.1\n"
    log += "lavfi.freezedetect.freeze_start: 3.2"
    assert spans_in_log(log, "black", 5.0) == (Span(0.0, 1.5),)
    assert spans_in_log(log, "silence", 5.0) == (Span(0.0, 2.1),)
    assert spans_in_log(log, "freeze", 5.0) == (Span(3.2, 5.0),)


def test_what_is_no_mp4_is_said(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"hello")
    with pytest.raises(StepFailed, match="not an MP4"):
        has_faststart(tmp_path / "x.mp4")


def facts(frame: int, **given: object) -> FrameFacts:
    plain = {"sharpness": 100.0, "brightness": 120.0, "contrast": 50.0, "face": None, "eyes": 0, "from_cut": 1.0}
    return FrameFacts(frame=frame, **{**plain, **given})


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"face": (0.3, 0.2, 0.7, 0.5)}, {}),
        ({"face": (0.3, 0.2, 0.7, 0.5), "eyes": 2}, {"face": (0.3, 0.2, 0.7, 0.5)}),
        ({}, {"sharpness": 5.0}),
        ({}, {"brightness": 8.0, "contrast": 4.0}),
        ({}, {"from_cut": 0.05}),
    ],
)
def test_the_better_frame_is_chosen(better, worse):
    assert best_frame([facts(1, **worse), facts(2, **better), facts(3, **worse)]).frame == 2


@pytest.fixture(scope="module")
def portrait_film(films, tmp_path_factory) -> Path:
    """A portrait that is blurred at first and then clear."""
    import cv2
    import skimage.data

    face = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)[0:320, 96:352]
    picture = np.full((320, 512), 90, dtype=np.uint8)
    picture[:, 128:384] = face
    blurred = cv2.GaussianBlur(picture, (0, 0), 9)
    return films.write(tmp_path_factory.mktemp("portrait") / "portrait.mp4", [*[blurred] * 24, *[picture] * 24])


def test_the_thumbnail_is_the_clear_face_with_the_title_and_without_captions(films, portrait_film, tmp_path):
    from PIL import Image

    words = (Word(text="spoken", start=0.0, end=1.5),)
    spec = films.spec(
        films.media(seconds=1.6, width=512, height=320),
        start=0.0,
        end=1.6,
        camera=(CameraMove(layout="crop", first_frame=0, frames=48, width=180, height=320, x=(166,), y=(0,)),),
        words=words,
        style="highlight_word",
        size=(540, 960),
        title="Nobody tells you 3 things 🚀",
    )
    clip = render_clip(spec, portrait_film, tmp_path, progress=silent, deadline_seconds=60).path

    thumbnail = write_thumbnail(clip, spec, tmp_path / "thumbnail.jpg", source=portrait_film)

    assert thumbnail.frame >= 24
    seen = look_at_frames(clip, spec)
    assert any(fact.face is not None and fact.eyes for fact in seen if fact.frame >= 24)
    with Image.open(thumbnail.path) as picture:
        assert (picture.format, picture.size) == ("JPEG", (540, 960))
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    yellow = (pixels[..., 0] > 200) & (pixels[..., 1] > 170) & (pixels[..., 2] < 140)
    down, across = np.nonzero(yellow)
    assert down.min() > 0.14 * 960
    assert down.max() < 0.765 * 960
    assert across.min() >= 0.11 * 540
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "thumbnail.jpg"]


def test_title_lines_are_few_and_even():
    lines = title_lines(["one", "two", "three", "four", "five", "six"], lambda line: float(len(line)), 14)
    assert lines == ("one two three", "four five six")
    assert title_lines(["incomprehensibilities"], len, 5) == ("incomprehensibilities",)


@pytest.mark.parametrize("title", ["", "🚀🚀", "\U00013080", "W" * 300, "word " * 60, "{\\b1}bold\n\u202eright"])
def test_no_title_breaks_the_thumbnail(title):
    from PIL import Image

    picture = Image.new("RGB", (270, 480), "#336699")
    assert draw_title(picture, title, look=load_style("karaoke"), face=None).size == (270, 480)


def test_the_account_holds_the_spec_its_digest_and_honest_notes(films, walking_film, tmp_path):
    media = films.media(seconds=3.0)
    words = (Word(text="Hello", start=0.1, end=0.5), Word(text="\U00013080", start=0.5, end=0.9))
    spec = films.spec(media, start=0.0, end=1.0, camera=(films.rest(30),), words=words, style="karaoke")
    rendered = render_clip(spec, walking_film, tmp_path, progress=silent, deadline_seconds=60)
    quality = inspect_clip(rendered.path, spec=spec)
    candidate = Candidate(
        start=0.0,
        end=1.0,
        score=71.5,
        subscores={"hook": 80.0},
        title="T",
        description="",
        hashtags=(),
        reasons=("Why.",),
    )
    transcript = Transcript(
        engine="pocketsphinx", engine_detail="5.1", language="en", quality="low", word_times="measured", segments=()
    )

    account = describe(
        spec,
        msgspec.structs.replace(rendered, omitted_words=("\U00013080",)),
        source=SourceVideo(sha256="0" * 64, title="My film", media=media),
        candidate=candidate,
        transcript=transcript,
        quality=quality,
        cliply_version="0.1.0",
    )
    told = json.loads(encode_provenance(account))

    assert told["digest"] == spec_digest(spec)
    assert told["sha256"] == rendered.sha256
    assert told["candidate"]["reasons"] == ["Why."]
    assert told["source"]["title"] == "My film"
    assert told["versions"]["ffmpeg"] == spec.ffmpeg_version
    assert told["quality"]["integrated_lufs"] == pytest.approx(-14, abs=0.5)
    assert "\U00013080" in told["notes"][0]
    assert "read them before posting" in told["notes"][1]
    assert told["problems"] == []


@pytest.mark.slow
def test_every_style_can_be_previewed(tmp_path):
    for style in ("highlight_word", "karaoke", "pop_in", "typewriter", "bounce"):
        film, still = preview_style(style, tmp_path, aspect="1:1")
        assert film.stat().st_size > 10_000
        assert still.stat().st_size > 10_000
    assert len(list(tmp_path.iterdir())) == 10
