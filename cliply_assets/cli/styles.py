"""`cliply styles`: what captions can look like."""

from pathlib import Path

from rich.console import Console

from cliply_assets.renders.own_styles import read_own_style, style_warnings
from cliply_assets.renders.style_sheet import SHEET_TEXT, write_style_sheet
from cliply_assets.renders.styles import STYLE_NAMES, load_style

__all__ = ["show_styles"]


def show_styles(folder: Path, files: tuple[Path, ...], text: str | None) -> None:
    """Writes the preview and says where it lies.

    Raises:
        CallerError: a style of one's own cannot be used.
        StepFailed: a font is not there.
    """
    looks = [*map(load_style, STYLE_NAMES), *map(read_own_style, files)]
    console = Console()
    for made in write_style_sheet(looks, folder, text=text or SHEET_TEXT):
        console.print(str(made), highlight=False, soft_wrap=True, markup=False)
    for warning in (each for look in looks[len(STYLE_NAMES) :] for each in style_warnings(look)):
        console.print(warning, style="yellow", highlight=False, soft_wrap=True, markup=False)
    for look in looks:
        console.print(f"{look.name}: {look.description}", highlight=False, soft_wrap=True, markup=False)
