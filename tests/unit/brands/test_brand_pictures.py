"""Logos and watermarks that strangers give us: only pixels are kept, and bombs are not opened."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from cliply_resources.brands.pictures import rewrite_picture
from cliply_resources.errors import MediaError


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "given"
    path.write_bytes(data)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


RED = Image.new("RGBA", (120, 60), (200, 30, 60, 255))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_each_of_three_kinds_becomes_a_png(tmp_path, kind):
    given = encoded(RED.convert("RGB") if kind == "JPEG" else RED, kind)
    facts = rewrite_picture(write(tmp_path, given), tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as kept:
        assert (kept.format, kept.mode, kept.size) == ("PNG", "RGBA", (120, 60))
        assert (facts.width, facts.height) == kept.size
        assert all(abs(a - b) < 12 for a, b in zip(kept.getpixel((60, 30)), (200, 30, 60, 255), strict=True))


def test_nothing_but_pixels_survives(tmp_path):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "SECRET-NOTE")
    given = encoded(RED, "PNG", pnginfo=notes, exif=b"Exif\x00\x00SECRET-EXIF") + b"PK\x03\x04SECRET-ZIP"
    rewrite_picture(write(tmp_path, given), tmp_path / "out.png")
    assert b"SECRET" in given
    assert b"SECRET" not in (tmp_path / "out.png").read_bytes()


def test_see_through_borders_go_and_see_through_pixels_take_the_shapes_colour(tmp_path):
    picture = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    picture.paste((250, 250, 250, 255), (50, 20, 150, 80))
    picture.paste((0, 0, 0, 0), (90, 40, 110, 60))
    facts = rewrite_picture(write(tmp_path, encoded(picture, "PNG")), tmp_path / "out.png")
    assert (facts.width, facts.height) == (100, 60)
    with Image.open(tmp_path / "out.png") as kept:
        assert kept.getpixel((50, 30)) == (250, 250, 250, 0)


def test_a_large_picture_is_made_smaller(tmp_path):
    given = encoded(Image.new("RGB", (4000, 1000), (9, 9, 9)), "PNG")
    facts = rewrite_picture(write(tmp_path, given), tmp_path / "out.png")
    assert (facts.width, facts.height) == (2048, 512)


@pytest.mark.parametrize(
    "given",
    [png_of(60000, 60000, b"\0" * 60001), png_of(9000, 9000, b"\0" * 9001 * 9000)],
    ids=["claims too much", "is too much"],
)
def test_a_bomb_is_refused_by_its_header(tmp_path, given):
    assert len(given) < 100_000
    with pytest.raises(MediaError, match="pixels"):
        rewrite_picture(write(tmp_path, given), tmp_path / "out.png")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
        (encoded(RED, "GIF"), "not a PNG"),
        (encoded(RED, "TIFF"), "not a PNG"),
        (encoded(RED, "PNG")[:60], "damaged"),
        (encoded(RED.convert("RGB"), "JPEG")[:200], "damaged|not a PNG"),
        (encoded(RED, "WEBP", lossless=True)[:40], "damaged|not a PNG"),
        (png_of(64, 64, b"\0" * 100), "damaged"),
        (encoded(Image.new("RGBA", (64, 64), (9, 9, 9, 0)), "PNG"), "transparent everywhere"),
        (encoded(Image.new("RGB", (400, 3), (9, 9, 9)), "PNG"), "at least 16"),
    ],
)
def test_what_is_no_usable_picture_is_refused_in_a_sentence(tmp_path, given, said):
    with pytest.raises(MediaError, match=said):
        rewrite_picture(write(tmp_path, given), tmp_path / "out.png")
