"""`cliply platforms` and `cliply sandbox`: where this installation publishes to."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from cliply_resources.settings import get_settings

__all__ = ["app", "sandbox"]

app = typer.Typer(help="Where posts go: list the platforms, stop one, start it again.", no_args_is_help=True)
sandbox = typer.Typer(help="A platform on this machine, to try publishing on.", no_args_is_help=True)


@app.command("list")
def list_platforms(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Every platform: whether accounts can be connected, and whether it is stopped and why."""
    from cliply_assets.cli.session import open_database
    from cliply_resources.platform_switches import stopped_platforms
    from cliply_resources.platforms.registry import PLATFORM_NAMES, open_platform

    settings = get_settings()
    with open_database(settings) as database:
        stopped = stopped_platforms(database)
    rows = []
    for name in PLATFORM_NAMES:
        platform = open_platform(name, settings)
        off = stopped.get(name)
        rows.append(
            {
                "platform": name,
                "title": platform.title,
                "missing": platform.configured(),
                "stopped": off.reason if off else None,
                "stopped_since": off.off_since.isoformat() if off else None,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        state = f"stopped: {row['stopped']}" if row["stopped"] else row["missing"] or "ready"
        typer.echo(f"{row['platform']:<10} {state}")


@app.command("stop")
def stop(
    name: Annotated[str, typer.Argument(help="Such as tiktok.")],
    because: Annotated[str, typer.Option(help="A sentence that people read in their posts.")],
) -> None:
    """Nothing is published there any more, in the whole installation and at once; posts wait, and say why."""
    from cliply_assets.cli.session import open_database
    from cliply_resources.platform_switches import stop_platform

    with open_database(get_settings()) as database:
        stop_platform(database, name, because)
    typer.echo(f"{name} is stopped. Start it with: cliply platforms start {name}")


@app.command("start")
def start(name: Annotated[str, typer.Argument(help="Such as tiktok.")]) -> None:
    """Posts that wait go on within half a minute; those that have waited longer than their tolerance are missed."""
    from cliply_assets.cli.session import open_database
    from cliply_resources.platform_switches import start_platform

    with open_database(get_settings()) as database:
        was = start_platform(database, name)
    typer.echo(f"{name} goes on." if was else f"{name} was not stopped.")


@sandbox.callback()
def _sandbox() -> None:
    pass


@sandbox.command("connect")
def connect() -> None:
    """Connects a sandbox account to the local workspace; what is posted to it shows on the page /sandbox of the API."""
    from cliply_assets.cli.session import open_database
    from cliply_resources.sandbox_account import connect_sandbox

    settings = get_settings()
    with open_database(settings) as database:
        account, new = connect_sandbox(database, settings, database.local_workspace(), now=datetime.now(UTC))
    typer.echo(f"The sandbox {'is connected' if new else 'was connected already'}, as account {account}.")
    typer.echo(f"Its page: {settings.public_url}/sandbox")
