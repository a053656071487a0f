"""A stranger's picture, decoded within limits and written anew as a plain PNG.

Only pixels survive: no metadata, profiles, animations, thumbnails or anything appended.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cliply_resources.errors import MediaError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["LARGEST_SIDE", "MOST_PIXELS", "PictureFacts", "rewrite_picture"]

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 40_000_000
"""Of the picture that is given; a header that claims more is refused before a pixel is decoded."""
LARGEST_SIDE = 2048
"""Pixels of the picture that is kept; a mark over a clip is never drawn larger than 768."""
SMALLEST_SIDE = 16


class PictureFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    width: int
    height: int


def rewrite_picture(source: Path, target: Path) -> PictureFacts:
    """Writes the picture at `source` to `target` as an RGBA PNG, upright, at most 2048 pixels a side.

    Raises:
        MediaError: it is no PNG, JPEG or WebP, is damaged, too large or too small, or shows nothing.
    """
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=FORMATS) as opened:
                _check_size(opened.width, opened.height)
                opened.load()
                upright = _upright(opened).convert("RGBA")
    except UnidentifiedImageError as error:
        raise MediaError("The picture is not a PNG, JPEG or WebP file; save it as one of these.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(
            f"The picture claims to have more than {MOST_PIXELS} pixels; give a smaller one, 2048 pixels a side will do."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, ZeroDivisionError, KeyError) as error:
        # What Pillow's readers raise on damaged files of these three kinds.
        raise MediaError("The picture is damaged or breaks off; export it again.") from error
    upright.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    visible = upright.getchannel("A").getbbox()
    if visible is None:
        raise MediaError("The picture is transparent everywhere, so nothing of it would be seen.")
    trimmed = upright.crop(visible)
    if min(trimmed.size) < 2:
        raise MediaError("What is visible of the picture is a line; give one with a shape.")
    _bleed(trimmed).save(target, format="PNG", optimize=False, compress_level=6)
    return PictureFacts(width=trimmed.width, height=trimmed.height)


def _upright(picture: "Image") -> "Image":
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except (SyntaxError, ValueError, KeyError, TypeError, OSError):
        # The note that says which way is up is damaged, and the pixels are not.
        return picture


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise MediaError(
            f"The picture is {width} × {height} pixels, and at most {MOST_PIXELS} in all are taken; "
            "give a smaller one, 2048 pixels a side will do."
        )
    if min(width, height) < SMALLEST_SIDE:
        raise MediaError(
            f"The picture is {width} × {height} pixels, and at least {SMALLEST_SIDE} a side are needed; give a larger one."
        )


def _bleed(picture: "Image") -> "Image":
    """Gives see-through pixels the mean colour of the visible ones, so that scaling draws no dark edge around the shape."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(picture).copy()
    alpha = pixels[..., 3:].astype(np.float64)
    mean = (pixels[..., :3] * alpha).sum(axis=(0, 1)) / alpha.sum()
    pixels[pixels[..., 3] == 0, :3] = np.rint(mean).astype(np.uint8)
    return Image.fromarray(pixels, "RGBA")
