"""`cliply models`: which weights there are, what of them is here, and how to get them."""

import shutil
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cliply_assets.cli.exits import Exit
from cliply_resources.errors import CallerError
from cliply_resources.models import (
    BUNDLED,
    CATALOGUE,
    Model,
    check_model,
    fetch_model,
    fetched,
    find_model,
    folder_of,
    remove_model,
)
from cliply_resources.settings import Settings, get_settings

__all__ = ["app"]

app = typer.Typer(
    invoke_without_command=True, help="Lists weights that make Cliply better, and fetches them on request."
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Name = Annotated[str, typer.Argument(help="As `cliply models` calls it.")]

SPARE_BYTES = 1024**3
"""Left free on the disk, so that work can go on."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list."""

    name: str
    use: str
    licence: str
    state: str
    source: str
    megabytes: float
    commit: str = ""
    sha256: dict[str, str] = {}
    setting: str = ""


@app.callback()
def models(context: typer.Context, as_json: Json = False) -> None:
    """Lists weights with their licences, where they come from, and whether they are here."""
    if context.invoked_subcommand is not None:
        return
    listed = _list(get_settings())
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(listed), indent=2).decode() + "\n")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("Name", "For", "Licence", "MB", "Here", "From"):
        table.add_column(title, justify="right" if title == "MB" else "left", overflow="fold")
    for each in listed:
        size = f"{each.megabytes:.0f}" if each.megabytes else ""
        table.add_row(each.name, each.use, each.licence, size, each.state, each.source)
        for path, sha256 in each.sha256.items():
            table.add_row("", "", "", "", "", f"[dim]{path} sha256:{sha256[:16]}…[/]")
    console = Console()
    console.print(table)
    console.print("\nFetch one with [bold]cliply models fetch NAME[/]. docs/models.md says what each is good for.")


@app.command()
def fetch(
    name: Name,
    accept: Annotated[bool, typer.Option("--accept-terms", help="Agree to the licence's conditions unasked.")] = False,
    as_json: Json = False,
) -> None:
    """Fetches weights with progress, goes on where an earlier try stopped, and checks every byte."""
    settings, model = get_settings(), find_model(name)
    console = Console(stderr=True)
    _agree(model, accepted=accept, console=console)
    _room_for(settings, model)
    with Progress(*Progress.get_default_columns(), console=console, disable=as_json, transient=True) as bar:
        line = bar.add_task(model.name, total=1.0)
        arrived = fetch_model(
            settings, model, progress=lambda done, doing: bar.update(line, completed=done, description=doing)
        )
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(arrived), indent=2).decode() + "\n")
        return
    stated = sum(each.stated for each in arrived.files)
    console.print(
        f"[green]✓[/] {model.name}: {arrived.bytes / 1e6:.0f} MB in {len(arrived.files)} files, "
        f"commit {arrived.commit[:12]}; {stated} checksums are as the hub states them.",
        highlight=False,
    )
    if arrived.licence and arrived.licence.lower() != model.licence.lower():
        console.print(
            f"[yellow]The hub now states the licence {arrived.licence}; Cliply knew {model.licence}.[/]",
            highlight=False,
        )
    if model.setting:
        target = folder_of(settings, model) / model.weights
        console.print(f"To use it: [bold]export {model.setting}={target}[/]", highlight=False, soft_wrap=True)


@app.command()
def check(name: Annotated[str | None, typer.Argument(help="All that were fetched when left away.")] = None) -> None:
    """Reads fetched weights again and compares them with what arrived."""
    settings, console = get_settings(), Console()
    chosen = (find_model(name),) if name else tuple(each for each in CATALOGUE if _was_fetched(settings, each))
    problems = [problem for model in chosen for problem in check_model(settings, model)]
    for problem in problems:
        console.print(f"[red]✗[/] {problem}", highlight=False)
    if not problems:
        console.print(f"[green]✓[/] {len(chosen)} checked.", highlight=False)
    raise typer.Exit(Exit.STEP_FAILED if problems else Exit.DONE)


@app.command()
def remove(name: Name) -> None:
    """Removes fetched weights from this machine."""
    freed = remove_model(get_settings(), find_model(name))
    Console(stderr=True).print(f"[green]✓[/] {name} is gone; {freed / 1e6:.0f} MB are free again.", highlight=False)


def _was_fetched(settings: Settings, model: Model) -> bool:
    return folder_of(settings, model).is_dir()


def _list(settings: Settings) -> list[Listed]:
    bundled = [
        Listed(name=each.name, use=each.use, licence=each.licence, state="bundled", source=each.package, megabytes=0)
        for each in BUNDLED
    ]
    return bundled + [_listed(settings, model) for model in CATALOGUE]


def _listed(settings: Settings, model: Model) -> Listed:
    here = fetched(settings, model)
    absent = "in part" if _was_fetched(settings, model) else "no"
    return Listed(
        name=model.name,
        use=model.use,
        licence=model.licence,
        state=absent if here is None else "yes",
        source=model.repository,
        megabytes=here.bytes / 1e6 if here else model.megabytes,
        commit=here.commit if here else "",
        sha256={each.path: each.sha256 for each in here.files} if here else {},
        setting=model.setting,
    )


def _agree(model: Model, *, accepted: bool, console: Console) -> None:
    if not model.terms or accepted:
        return
    console.print(f"[bold]{model.name}[/] is under {model.licence}. {model.terms}", highlight=False)
    if not sys.stdin.isatty() or not typer.confirm("Fetch it?"):
        raise CallerError(f"{model.name} was not fetched. To agree to its terms, add --accept-terms.")


def _room_for(settings: Settings, model: Model) -> None:
    place = settings.home
    place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free
    if free < model.megabytes * 1_000_000 + SPARE_BYTES:
        raise CallerError(
            f"{model.name} takes about {model.megabytes} MB and {place} has {free / 1e6:.0f} MB free. "
            "Make room, or set CLIPLY_HOME to a larger disk."
        )
