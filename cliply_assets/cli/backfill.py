"""`cliply backfill`: makes assets of many uploads again, says how far that is, and stops it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from cliply_resources.errors import CallerError
from cliply_resources.settings import get_settings

if TYPE_CHECKING:
    import dagster as dg

__all__ = ["app"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Backfill = Annotated[str, typer.Argument(help="Its id, as `cliply backfill status` shows it.")]

app = typer.Typer(help="Makes assets of many uploads again, after a new version of how they are made.")


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(help="Uploads since this day (2026-11-01) or moment (ISO 8601).")] = None,
    assets: Annotated[
        str | None, typer.Option(help="What to make again: clip_candidates+ is that and all that is made from it.")
    ] = None,
    workspace: Annotated[str | None, typer.Option(help="Of this workspace only; of all when left away.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which uploads it would be, and start nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Asks the Dagster daemon to make assets of many uploads again; what has not changed is found done."""
    if context.invoked_subcommand is not None:
        return
    if since is None or assets is None:
        raise CallerError("Name what and since when: cliply backfill --since 2026-11-01 --assets clip_candidates+")
    from cliply_assets.cli.session import open_database
    from cliply_assets.housekeeping.backfills import chosen_assets, due_uploads, start_backfill
    from cliply_assets.runs import open_instance

    graph, settings = _graph(), get_settings()
    chosen, begin, home = chosen_assets(graph, assets), _moment(since), _workspace(workspace)
    with open_database(settings) as database, open_instance(settings) as instance:
        due = [str(upload) for upload in due_uploads(database, chosen, since=begin, workspace_id=home)]
        title = f"{assets} since {since}"
        started = start_backfill(instance, graph, chosen, due, title=title) if due and not dry_run else None
    if as_json:
        _print_json({"backfill": started, "assets": chosen, "uploads": due})
        return
    console = Console()
    console.print(f"{', '.join(chosen)} of {len(due)} uploads.", highlight=False)
    if started is not None:
        console.print(f"Backfill [bold]{started}[/] is asked for; `cliply up` carries it out.", highlight=False)
    else:
        console.print("Nothing was started." if dry_run else "Nothing is to be made.", highlight=False)


@app.command()
def status(
    backfill: Annotated[str | None, typer.Argument(help="Its id; the newest ones when left away.")] = None,
    as_json: Json = False,
) -> None:
    """How far backfills are, also those that were started in the Dagster UI."""
    from cliply_assets.housekeeping.backfills import list_backfills, view_backfill

    with _instance() as instance:
        graph = _graph()
        found = [view_backfill(instance, graph, backfill)] if backfill else list_backfills(instance, graph)
    if as_json:
        _print_json(found)
        return
    table = Table(header_style="bold")
    for column in ("Backfill", "State", "Done", "Failed", "Working", "Uploads", "What", "Since"):
        table.add_column(column, overflow="fold")
    for view in found:
        what = view.title or ", ".join(view.assets)
        numbers = (f"{view.done} ({view.percent:.0f} %)", str(view.failed), str(view.working), str(view.uploads))
        table.add_row(view.id, view.state, *numbers, what, f"{view.started_at:%Y-%m-%d %H:%M}")
    Console().print(table if found else "No backfills yet.")


@app.command()
def cancel(backfill: Backfill) -> None:
    """Starts nothing more of it and stops what runs; what is finished stays, and `resume` goes on from there."""
    from cliply_assets.housekeeping.backfills import cancel_backfill

    with _instance() as instance:
        cancel_backfill(instance, backfill)
    Console().print("It is being cancelled.")


@app.command()
def resume(backfill: Backfill) -> None:
    """Goes on with one that was cancelled or has failed, as a new one of what is left."""
    from cliply_assets.housekeeping.backfills import resume_backfill

    with _instance() as instance:
        started = resume_backfill(instance, _graph(), backfill)
    Console().print(f"Backfill [bold]{started}[/] is asked for.", highlight=False)


@contextmanager
def _instance() -> Iterator["dg.DagsterInstance"]:
    from cliply_assets.cli.session import open_database
    from cliply_assets.runs import open_instance

    settings = get_settings()
    with open_database(settings), open_instance(settings) as instance:
        yield instance


def _graph() -> object:
    from cliply_assets.definitions import defs

    return defs.resolve_asset_graph()


def _moment(text: str) -> datetime:
    try:
        if len(text) == len("2026-11-01"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CallerError(f"{text!r} is no day or moment; write 2026-11-01 or 2026-11-01T12:00:00Z.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _workspace(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise CallerError(f"{text!r} is not the id of a workspace; it must be a UUID.") from error


def _print_json(document: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
