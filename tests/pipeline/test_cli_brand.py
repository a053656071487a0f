"""`cliply clip --brand`: a folder with a JSON file, a font, pictures and an outro, all of which are seen and heard in the clip."""

import hashlib
import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cliply_command import RENDERING, Cliply, Done, Films
from PIL import Image, ImageDraw

from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from cliply_resources.media_tools.loudness import measure_loudness

pytestmark = pytest.mark.slow

RED = (230, 30, 60)
OUTRO_SECONDS = 1.5


def package_font(package: str, name: str) -> bytes:
    (folder,) = find_spec(package).submodule_search_locations
    return (Path(folder) / "files" / name).read_bytes()


def draw_brand(folder: Path) -> Path:
    folder.mkdir()
    logo = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    ImageDraw.Draw(logo).rectangle((0, 0, 399, 199), fill=(*RED, 255))
    logo.save(folder / "logo.png")
    (folder / "letters.otf").write_bytes(package_font("font_source_sans_pro", "SourceSansPro-BlackIt.otf"))
    subprocess.run(
        [
            *(str(ffmpeg_path()), "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=c=0x20C040:s=320x240:r=25"),
            *("-f", "lavfi", "-i", "sine=f=800:r=44100", "-t", str(OUTRO_SECONDS), "-af", "volume=-20dB"),
            *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", str(folder / "bye.mp4")),
        ],
        check=True,
        timeout=60,
    )
    document = {
        "name": "Acme",
        "style": "karaoke",
        "colours": {"text": "#fff4d6", "plate": "#40105A", "background": "#102040"},
        "font": "letters.otf",
        "logo": {"file": "logo.png", "corner": "top_right", "width_percent": 20},
        "outro": "bye.mp4",
    }
    (folder / "brand.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def film(films: Films) -> Path:
    return films.twin("branded.mp4")


@pytest.fixture(scope="module")
def brand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_brand(tmp_path_factory.mktemp("brands") / "acme")


@pytest.fixture(scope="module")
def done(cliply: Cliply, film: Path, brand: Path) -> Done:
    done = cliply.clip(film, "--brand", brand, "--aspect", "9:16", "--aspect", "16:9")
    assert done.code == 0, done.said
    return done


def account(done: Done, aspect: str) -> dict[str, Any]:
    return json.loads(Path(done.clip()["aspects"][aspect]["provenance"]).read_text())


def pictures(path: str) -> list[np.ndarray]:
    with av.open(path) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


@pytest.mark.parametrize(
    ("aspect", "spot", "beside"), [("9:16", (320, 850), (960, 40)), ("16:9", (130, 1650), (540, 100))]
)
def test_the_logo_is_over_every_frame_of_the_clip_and_the_outro_follows_it_whole(done, aspect, spot, beside):
    spec = account(done, aspect)["spec"]
    frames = pictures(done.clip()["aspects"][aspect]["video"])
    ours, after = frames[: spec["frames"]], frames[spec["frames"] :]
    assert len(after) == spec["brand"]["outro"]["frames"] > 30
    assert all(np.abs(picture[spot].astype(int) - RED).max() < 25 for picture in ours)
    assert all(
        np.abs(picture[540 if aspect == "16:9" else 960, picture.shape[1] // 2] - [32, 192, 64]).max() < 25
        for picture in after
    )
    edge = (20, 20) if aspect == "9:16" else (540, 20)
    assert all(np.abs(picture[edge].astype(int) - [16, 32, 64]).max() < 12 for picture in after)


def test_picture_and_sound_end_together_and_both_parts_are_equally_loud(done):
    path = Path(done.clip()["aspects"]["9:16"]["video"])
    told = account(done, "9:16")
    seconds = told["spec"]["span"]["end"] - told["spec"]["span"]["start"]
    with av.open(str(path)) as film:
        ends = [float(stream.duration * stream.time_base) for stream in film.streams]
    assert abs(ends[0] - ends[1]) < 0.03
    assert ends[0] == pytest.approx(seconds + OUTRO_SECONDS, abs=0.06)
    for start, length in ((0.0, seconds), (seconds, OUTRO_SECONDS)):
        lufs, peak = measure_loudness(path, start=start, duration=length, deadline_seconds=60)
        assert lufs == pytest.approx(-14, abs=0.6)
        assert peak <= -1.4


def test_the_account_names_the_kit_and_everything_of_it_that_decides_the_bytes(done, brand):
    told = account(done, "9:16")
    assert told["brand_kit"] == {"id": None, "name": "Acme"}
    assert told["problems"] == []
    spec = told["spec"]
    assert spec["captions"]["style"] == "karaoke"
    changes = spec["brand"]["captions"]
    assert (changes["colour"], changes["plate_colour"]) == ("#FFF4D6", "#40105A")
    assert spec["fonts"] == {changes["font"]: changes["font"].removesuffix(".otf")}
    outro = hashlib.sha256((brand / "bye.mp4").read_bytes()).hexdigest()
    assert spec["brand"]["outro"]["sha256"] == outro


def test_the_same_brand_again_is_nothing_new_and_none_is_another_version(cliply, film, brand, done):
    before = cliply.calls(RENDERING)
    again = cliply.clip(film, "--brand", brand, "--aspect", "9:16", "--aspect", "16:9")
    assert again.code == 0, again.said
    assert cliply.calls(RENDERING) == before
    assert account(again, "9:16")["digest"] == account(done, "9:16")["digest"]

    plain = cliply.clip(film, "--style", "karaoke")
    told = account(plain, "9:16")
    assert "brand_kit" not in told
    assert "brand" not in told["spec"]
    assert told["spec"]["span"] == account(done, "9:16")["spec"]["span"]
    assert all(step["reused"] for step in plain.document["steps"] if step["step"] not in {"renders", "source_video"})


def test_a_brand_that_cannot_be_used_is_refused_before_any_work(cliply, film, tmp_path):
    (tmp_path / "brand.json").write_text(json.dumps({"font": "nowhere.ttf"}))
    ended = cliply.clip(film, "--brand", tmp_path)
    assert ended.code == 3
    assert "nowhere.ttf" in ended.said
