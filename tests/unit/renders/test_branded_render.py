"""Real renders in a brand's look: the same bytes from the same spec, and a spec that changes when and only when the clip does."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from cliply_assets.renders.quality import inspect_clip, problems
from cliply_assets.renders.render import render_clip
from cliply_assets.renders.spec import make_render_spec, plan_loudness, spec_digest
from cliply_resources.brands import part_of_kit, prepare_file
from cliply_resources.documents import BrandKit, CameraMove, Candidate, ClipSettings, SourceVideo, Word
from cliply_resources.documents.brands import BrandColours, BrandFile, Placement
from cliply_resources.errors import StepFailed
from cliply_resources.media_tools.ffmpeg import ffmpeg_path, ffmpeg_version
from cliply_resources.media_tools.loudness import measure_loudness
from cliply_resources.progress import silent
from cliply_resources.settings import Settings

WORDS = (Word(text="Our", start=0.1, end=0.4), Word(text="look", start=0.45, end=0.9))


@pytest.fixture(scope="module")
def branded(tmp_path_factory):
    """A kit with one file of each kind, and where its files lie."""
    folder = tmp_path_factory.mktemp("brand")
    Image.new("RGB", (200, 100), (230, 30, 60)).save(folder / "logo.png")
    Image.new("RGB", (100, 100), (255, 255, 255)).save(folder / "mark.png")
    (wheel,) = find_spec("font_roboto").submodule_search_locations
    arguments = ["-f", "lavfi", "-i", "color=c=0x20C040:s=320x240:r=24", "-f", "lavfi", "-i", "sine=f=500:r=22050"]
    outro = [*arguments, "-t", "1", "-af", "volume=-12dB", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    subprocess.run(
        [str(ffmpeg_path()), "-nostdin", "-v", "error", *outro, str(folder / "bye.mp4")], check=True, timeout=60
    )
    sources = {
        "logo": folder / "logo.png",
        "watermark": folder / "mark.png",
        "font": Path(wheel) / "files" / "Roboto-Black.ttf",
        "outro": folder / "bye.mp4",
    }
    parts, files = {}, {}
    for kind, source in sources.items():
        found = prepare_file(kind, source, folder, Settings())
        files[found.sha256] = found.path.rename(folder / f"{found.sha256}{found.path.suffix}")
        parts[kind] = part_of_kit(kind, BrandFile(key="k", sha256=found.sha256), found.facts)
    return BrandKit(name="Acme", colours=BrandColours(text="#FFEEDD", background="#102040"), **parts), files


@pytest.fixture
def plan(films, branded):
    def planned(kit=branded[0], *, style="highlight_word", words=WORDS, sound=True):
        media = films.media(seconds=3.0, sound=sound)
        camera = (CameraMove(layout="crop", first_frame=0, frames=36, width=90, height=160, x=(0,), y=(0,)),)
        candidate = Candidate(
            start=1.0, end=2.2, score=50, subscores={}, title="T", description="", hashtags=(), reasons=("r",)
        )
        spec = make_render_spec(
            SourceVideo(sha256="0" * 64, title="film", media=media),
            candidate,
            settings=ClipSettings(style=style, brand=kit) if kit else ClipSettings(style=style),
            camera=camera,
            words=tuple(msgspec.structs.replace(word, start=word.start + 1, end=word.end + 1) for word in words),
            loudness=plan_loudness(-30.0, -15.0) if sound else None,
            ffmpeg_version=ffmpeg_version(),
            models={},
            brand_files=branded[1],
        )
        return msgspec.structs.replace(spec, settings={**spec.settings, "preset": "ultrafast"})

    return planned


def render(spec, source, into, files):
    return render_clip(spec, source, into, progress=silent, deadline_seconds=120, brand_files=files)


def test_the_same_branded_spec_gives_the_same_bytes_and_a_clip_that_can_be_posted(
    films, walking_film, branded, plan, tmp_path
):
    spec = plan()
    first, second = (render(spec, walking_film, tmp_path / name, branded[1]) for name in ("a", "b"))
    assert first.sha256 == second.sha256
    assert (first.frames, round(first.duration, 3)) == (66, 2.2)
    assert problems(inspect_clip(first.path, spec=spec, source=walking_film), spec) == []

    frames = films.read(first.path).astype(int)
    logo, watermark = spec.brand.marks
    inside = frames[:36, logo.y + 4 : logo.y + logo.height - 4, logo.x + 4 : logo.x + logo.width - 4]
    assert np.abs(np.median(inside, axis=(1, 2)) - [230, 30, 60]).max() < 20
    # Half of the white mark, half of the gray picture below it.
    through = np.median(frames[0, watermark.y + 4 : watermark.y + watermark.height - 4, watermark.x + 4])
    below = np.median(frames[0, 900:1000, 40])
    assert through == pytest.approx((255 + below) / 2, abs=12)
    assert np.abs(frames[36:, 960, 540] - [32, 192, 64]).max() < 20
    assert np.abs(frames[36:, 100, 540] - [16, 32, 64]).max() < 12


def test_a_silent_film_keeps_its_silence_and_the_outro_its_sound(walking_film, films, branded, plan, tmp_path):
    source = films.write(tmp_path / "mute.mp4", (films.frame(k) for k in range(90)), sound=())
    rendered = render(plan(sound=False), source, tmp_path / "out", branded[1])
    assert measure_loudness(rendered.path, start=0, duration=1.1, deadline_seconds=60) is None
    lufs, _peak = measure_loudness(rendered.path, start=1.2, duration=1.0, deadline_seconds=60)
    assert lufs == pytest.approx(-14, abs=0.6)


def test_the_digest_changes_when_the_clip_does_and_only_then(branded, plan):
    kit = branded[0]
    whole, plain = spec_digest(plan()), spec_digest(plan(None))
    assert len({whole, plain}) == 2
    replace = msgspec.structs.replace
    assert spec_digest(plan(replace(kit, name="Another name"))) == whole
    assert spec_digest(plan(BrandKit(name="Empty"))) == plain
    assert b"brand" not in msgspec.json.encode(plan(None))
    lower = replace(kit.watermark, placement=Placement(corner="bottom_right", opacity=0.4, width_percent=12))
    other_pad = replace(kit.colours, background="#000001")
    unseen = replace(kit.colours, plate="#123456")
    changed = {
        "opacity": replace(kit, watermark=lower),
        "no font": replace(kit, font=None),
        "no outro": replace(kit, outro=None),
        "no logo": replace(kit, logo=None),
        "padding": replace(kit, colours=other_pad),
    }
    digests = {name: spec_digest(plan(each)) for name, each in changed.items()}
    assert len({whole, *digests.values()}) == len(changed) + 1
    # This style has no plate, and without captions no letters are drawn.
    assert spec_digest(plan(replace(kit, colours=unseen))) == whole
    bare = plan(kit, style="none")
    assert spec_digest(bare) == spec_digest(plan(changed["no font"], style="none"))
    assert bare.fonts == {}


def test_words_that_the_brands_font_lacks_are_drawn_in_another(plan, branded):
    spec = plan(words=(Word(text="日本", start=0.2, end=0.8),))
    assert spec.brand.captions is None or spec.brand.captions.font is None
    assert branded[0].font.file.sha256 not in spec.fonts.values()


def test_a_file_that_was_not_brought_along_is_missed(walking_film, plan, tmp_path):
    with pytest.raises(StepFailed, match="brand kit"):
        render(plan(), walking_film, tmp_path, {})
