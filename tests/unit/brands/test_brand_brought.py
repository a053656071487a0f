"""`--brand` and outros: what is read from a folder, and what is refused before any work."""

import json
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from cliply_assets.cli.brand import brand_brought
from cliply_resources.brands import prepare_file
from cliply_resources.errors import CallerError, MediaError
from cliply_resources.media_tools.ffmpeg import ffmpeg_path
from cliply_resources.settings import Settings
from cliply_resources.storage import LocalStorage

SOUND = ("-f", "lavfi", "-i", "sine=f=800:d=30", "-shortest")


def film(path: Path, *options: str, seconds: float = 1, picture: str = "color=c=red:s=64x48:r=10") -> Path:
    inputs = ["-f", "lavfi", "-i", picture, *options]
    arguments = [*inputs, "-t", str(seconds), "-c:v", "libx264", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run([str(ffmpeg_path()), "-nostdin", "-v", "error", *arguments], check=True, timeout=60)
    return path


def folder_of(tmp_path: Path, document: object) -> Path:
    Image.new("RGB", (64, 32), (200, 30, 60)).save(tmp_path / "logo.png")
    (tmp_path / "brand.json").write_text(json.dumps(document))
    return tmp_path


def test_a_folder_becomes_a_kit_whose_files_are_stored_once(tmp_path):
    logo = {"file": "logo.png", "corner": "top_right"}
    place = folder_of(tmp_path, {"logo": logo, "colours": {"text": "#ffeedd"}})
    storage, workspace = LocalStorage(tmp_path / "store"), uuid4()
    kits = []
    for named in (place, place / "brand.json"):
        with brand_brought(named, Settings()) as brand:
            kits.append(brand.store(storage, workspace))
    assert kits[0] == kits[1]
    assert (kits[0].id, kits[0].name) == (None, tmp_path.name)
    assert kits[0].colours.text == "#FFEEDD"
    assert (kits[0].logo.placement.corner, kits[0].logo.placement.width_percent) == ("top_right", 16)
    assert list(storage.list_prefix(f"{workspace}/brands")) == [kits[0].logo.file.key]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"font": "nowhere.ttf"}, "cannot be read"),
        ({"font": "brand.json"}, "is no font"),
        ({"colours": {"text": "red"}}, "#RRGGBB"),
        ({"logo": {"file": "brand.json"}}, "not a PNG, JPEG or WebP"),
        ({"logo": {"file": "logo.png", "opacity": 7}}, "cannot be placed"),
        ({"fnot": "a.ttf"}, "docs/brand-kits.md"),
        ([], "docs/brand-kits.md"),
        (
            {
                "logo": {"file": "logo.png", "corner": "top_left"},
                "watermark": {"file": "logo.png", "corner": "top_left"},
            },
            "same corner",
        ),
    ],
)
def test_a_brand_that_cannot_be_used_is_refused_by_name_and_reason(tmp_path, document, said):
    with pytest.raises((CallerError, MediaError), match=said), brand_brought(folder_of(tmp_path, document), Settings()):
        pass


def test_a_brand_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(CallerError, match="cannot be read"), brand_brought(tmp_path / "nowhere", Settings()):
        pass


def test_an_outro_is_measured_and_kept_as_it_is(tmp_path):
    source = film(tmp_path / "bye.mp4", *SOUND)
    found = prepare_file("outro", source, tmp_path, Settings())
    assert found.path.read_bytes() == source.read_bytes()
    assert found.facts["duration"] == pytest.approx(1, abs=0.1)
    assert (found.facts["width"], found.facts["height"], found.facts["audio_stream"]) == (64, 48, 1)
    assert -40 < found.facts["integrated_lufs"] < -5
    silent = prepare_file("outro", film(tmp_path / "silent.mp4"), tmp_path, Settings())
    assert (silent.facts["audio_stream"], silent.facts["integrated_lufs"]) == (None, None)


def test_outros_that_would_spoil_clips_are_refused(tmp_path):
    whole = film(tmp_path / "bye.mp4", *SOUND, seconds=2).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "list.mp4").write_text("#EXTM3U\nfile:///etc/passwd\n")
    Image.new("RGB", (64, 64)).save(tmp_path / "picture.png")
    for source, said in [
        (film(tmp_path / "long.mp4", seconds=10.6), "10 s"),
        (film(tmp_path / "short.mp4", seconds=0.2), "0.5 to 10"),
        (tmp_path / "cut.mp4", "breaks off|damaged|read|complete"),
        (tmp_path / "list.mp4", "playlist"),
        (tmp_path / "picture.png", "picture"),
    ]:
        with pytest.raises(MediaError, match=said):
            prepare_file("outro", source, tmp_path, Settings())
