"""`cliply keys`: the keys that seal the secrets of connected accounts and webhooks."""

import json
from typing import Annotated

import typer

from cliply_resources.settings import get_settings

__all__ = ["app"]

app = typer.Typer(help="Keys that seal secrets of accounts and webhooks: list, rotate, retire.", no_args_is_help=True)


@app.command("list")
def list_keys(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Names of the keys, newest first, and how many secrets are sealed under each; never the keys themselves."""
    from cliply_assets.cli.session import open_database
    from cliply_resources.rewrap import keys_in_use
    from cliply_resources.vault import Vault

    settings = get_settings()
    with open_database(settings) as database:
        used, names = keys_in_use(database), Vault(settings).ring.names
    known = [{"key": name, "secrets": used[name], "seals": name == names[0]} for name in names]
    lost = [
        {"key": name, "secrets": count, "seals": False, "lost": True}
        for name, count in used.items()
        if name not in names
    ]
    if as_json:
        typer.echo(json.dumps(known + lost))
        return
    for row in known + lost:
        note = "  seals" if row["seals"] else "  not in the ring: these secrets do not open" if row.get("lost") else ""
        typer.echo(f"{row['key']}  {row['secrets']} secrets{note}")


@app.command("rotate")
def rotate() -> None:
    """Makes a new key and wraps every secret anew under it, while everything goes on running."""
    from cliply_assets.cli.session import open_database
    from cliply_resources.rewrap import rotate_keys
    from cliply_resources.vault import Vault

    settings = get_settings()
    with open_database(settings) as database:
        name, count = rotate_keys(database, Vault(settings))
    typer.echo(f"{name} seals now; {count} secrets were wrapped anew. Older keys stay until you retire them.")


@app.command("retire")
def retire(name: Annotated[str, typer.Argument(help="A key that nothing is sealed under any more.")]) -> None:
    """Takes an old key off the ring for good; refused while a secret is sealed under it."""
    from cliply_assets.cli.session import open_database
    from cliply_resources.rewrap import retire_key
    from cliply_resources.vault import Vault

    settings = get_settings()
    with open_database(settings) as database:
        retire_key(database, Vault(settings), name)
    typer.echo(f"{name} is gone.")
