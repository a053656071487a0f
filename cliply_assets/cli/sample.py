"""`cliply sample`: the sample film, with a bar."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from cliply_assets.cli.results import check_folder
from cliply_assets.sample import generate_sample

__all__ = ["make_sample"]


def make_sample(folder: Path, seconds: float | None) -> None:
    """Writes the film and says where."""
    check_folder(folder)
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as bars:
        bar = bars.add_task("Composing the sample film", total=1.0)

        def report(fraction: float, doing: str) -> None:
            bars.update(bar, completed=fraction, description=doing.capitalize())

        film = generate_sample(folder, progress=report, seconds=seconds)
    console.print(f"{film}\nNow: [bold]cliply clip {film}[/]", highlight=False, soft_wrap=True)
