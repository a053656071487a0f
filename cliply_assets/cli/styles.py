"""`cliply styles`: what captions can look like."""

from pathlib import Path

from rich.console import Console

from cliply_assets.renders.style_sheet import SHEET_TEXT, write_style_sheet
from cliply_assets.renders.styles import STYLE_NAMES, load_style, read_style

__all__ = ["show_styles"]


def show_styles(folder: Path, files: tuple[Path, ...], text: str | None) -> None:
    """Writes the preview and says where it lies.

    Raises:
        StepFailed: a style file is faulty, or a font is not there.
    """
    looks = [*map(load_style, STYLE_NAMES), *map(read_style, files)]
    console = Console()
    for made in write_style_sheet(looks, folder, text=text or SHEET_TEXT):
        console.print(str(made), highlight=False, soft_wrap=True, markup=False)
    for look in looks:
        console.print(f"{look.name}: {look.description}", highlight=False, soft_wrap=True, markup=False)
