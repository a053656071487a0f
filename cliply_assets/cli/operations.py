"""The commands for operators; each imports what it needs when it is called, so that `cliply --help` stays quick."""

from typing import Annotated

import typer

from cliply_assets.cli import backfill, keys, platforms
from cliply_resources.errors import CallerError
from cliply_resources.settings import get_settings

__all__ = ["add_commands"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]


def add_commands(app: typer.Typer) -> None:
    """Adds them to the `cliply` command."""
    app.command()(sweep)
    app.command()(worker)
    app.command()(alerts)
    app.command()(plan)
    app.add_typer(backfill.app, name="backfill")
    app.add_typer(keys.app, name="keys")
    app.add_typer(platforms.app, name="platforms")
    app.add_typer(platforms.sandbox, name="sandbox")


def sweep(
    which: Annotated[
        list[str] | None, typer.Argument(help="retention, orphans, tally, stuck or tools; all of them when left away.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Does now what the schedules do by themselves: retention, orphans, storage tally, stuck steps, a look at the tools."""
    from cliply_assets.cli.sweep import SWEEPS, print_sweep

    unknown = [name for name in which or () if name not in SWEEPS]
    if unknown:
        raise CallerError(f"There is no sweep {unknown[0]}; choose from {', '.join(SWEEPS)}.")
    print_sweep(get_settings(), tuple(which or SWEEPS), dry_run=dry_run, as_json=as_json)


def worker(
    queues: Annotated[
        list[str] | None, typer.Argument(help="analyze, render, publish, default; all of them when left away.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Runs worked on at once; as many as this machine has processors when left away.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Must differ between the workers of one machine.")] = None,
) -> None:
    """Makes this machine work for a cluster: takes runs from queues of the broker until it is told to stop."""
    from cliply_assets.cli.worker import run_worker

    raise typer.Exit(run_worker(get_settings(), queues or (), processes=processes, name=name))


def plan(
    workspace: Annotated[str, typer.Argument(help="Its id, the beginning of it, or its name.")],
    new: Annotated[str | None, typer.Argument(metavar="[free|standard|business]", help="Gives it this plan.")] = None,
) -> None:
    """Says, or changes, how many uploads of a workspace are worked on at once and how many may wait."""
    from cliply_assets.cli.plan import print_plan

    print_plan(workspace, new)


def alerts(
    send: Annotated[bool, typer.Option("--send", help="Tell those who are to know, by Slack, mail or SMS.")] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Send one alert by every channel, to see that it arrives.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Says what is wrong with this installation now. Ends with 5 where something is, so that cron and systemd notice."""
    from cliply_assets.cli.alerts import print_alerts, send_test

    if test:
        raise typer.Exit(send_test(get_settings()))
    raise typer.Exit(print_alerts(get_settings(), send=send, as_json=as_json))
