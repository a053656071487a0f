"""`cliply dead-letters`: work that failed and waits for somebody to decide, over all workspaces."""

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Work that failed and that nobody tries again by itself.")

Ids = Annotated[list[str] | None, typer.Argument(help="Upload ids or their beginnings.")]
Step = Annotated[str | None, typer.Option(help="Only failures of this step, for example transcript.")]
Since = Annotated[str | None, typer.Option(help="Only failures of the last 30m, 12h or 7d.")]
Words = Annotated[str | None, typer.Option("--reason", help="Only failures whose reason has these words.")]
Everything = Annotated[bool, typer.Option("--all", help="All that the other options leave, without naming any.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


@app.command("list")
def list_letters(step: Step = None, since: Since = None, reason: Words = None, as_json: Json = False) -> None:
    """Lists them, the newest first."""
    from cliply_assets.cli.letters import Wanted, print_letters

    print_letters(Wanted(step=step, since=since, words=reason), as_json=as_json)


@app.command()
def show(upload: Annotated[str, typer.Argument(help="An upload id or its beginning.")], as_json: Json = False) -> None:
    """Shows an upload's failures with the raw errors."""
    from cliply_assets.cli.letters import print_one

    print_one(upload, as_json=as_json)


@app.command()
def retry(
    uploads: Ids = None, step: Step = None, since: Since = None, reason: Words = None, everything: Everything = False
) -> None:
    """Has them tried again; each goes on from what is finished."""
    from cliply_assets.cli import letters

    letters.retry(
        letters.Wanted(uploads=tuple(uploads or ()), step=step, since=since, words=reason, everything=everything)
    )


@app.command()
def discard(
    uploads: Ids = None, step: Step = None, since: Since = None, reason: Words = None, everything: Everything = False
) -> None:
    """Puts them away; the uploads stay failed and can still be tried again."""
    from cliply_assets.cli import letters

    letters.discard(
        letters.Wanted(uploads=tuple(uploads or ()), step=step, since=since, words=reason, everything=everything)
    )
