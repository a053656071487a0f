"""`cliply search`: the part where…, as a table or JSON."""

from uuid import UUID

import msgspec
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cliply_assets.cli.results import clock
from cliply_assets.cli.session import open_database
from cliply_assets.search.find import Found, find_moments
from cliply_assets.search.upkeep import rebuild
from cliply_resources.database import Database
from cliply_resources.database.models import Upload
from cliply_resources.errors import CallerError, Conflict, NotFound
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

__all__ = ["print_moments", "print_rebuilt"]

MOST = 200
"""Results nobody reads beyond."""


def print_moments(settings: Settings, words: str, *, upload: str | None, limit: int, as_json: bool) -> None:
    """Passages that say or show `words`, best first, of one upload or of all.

    Raises:
        CallerError: there are no words, or `limit` is out of range.
        NotFound: no upload's id begins so.
        Conflict: several do.
    """
    if not words.strip():
        raise CallerError("Name at least one word to search for.")
    if not 1 <= limit <= MOST:
        raise CallerError(f"{limit} results cannot be listed; --limit must be 1 to {MOST}.")
    with open_database(settings) as database:
        workspace_id = database.local_workspace()
        only = _upload(database, workspace_id, upload) if upload is not None else None
        storage = open_storage(settings)
        found = find_moments(database, storage, settings, workspace_id, words, upload_id=only, limit=limit)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    if found.note:
        Console(stderr=True).print(found.note, highlight=False, markup=False, soft_wrap=True)
    if found.moments:
        Console().print(_table(found))
    elif not found.note:
        Console().print(f"Nothing says “{words}”.", highlight=False, markup=False, soft_wrap=True)


def print_rebuilt(settings: Settings) -> None:
    """Derives the index of the workspace anew, and says of how many uploads."""
    with open_database(settings) as database:
        done = rebuild(database, open_storage(settings), settings, database.local_workspace())
    lost = f" {len(done.missing)} are no longer stored; `cliply clip` makes them anew." if done.missing else ""
    Console(stderr=True).print(f"Indexed {done.indexed} uploads.{lost}", highlight=False, soft_wrap=True)


def _upload(database: Database, workspace_id: UUID, beginning: str) -> UUID:
    mine = sa.select(Upload.id).where(Upload.workspace_id == workspace_id, Upload.deleted_at.is_(None))
    with database.pipeline(workspace_id) as session:
        found = [each for each in session.scalars(mine) if str(each).startswith(beginning.lower())]
    if not found:
        raise NotFound(f"There is no upload whose id begins with {beginning}; `cliply runs` lists them.")
    if len(found) > 1:
        raise Conflict(f"The ids of {len(found)} uploads begin with {beginning}; write more of it.")
    return found[0]


def _table(found: Found) -> Table:
    table = Table(header_style="bold", show_lines=True)
    for column in ("Upload", "Time", "Score", "What is said"):
        table.add_column(column, overflow="fold")
    for moment in found.moments:
        said = f"{moment.speaker}: {moment.text}" if moment.speaker and moment.text else moment.text
        table.add_row(
            Text(moment.title),
            f"{clock(moment.start)}–{clock(moment.end)}",
            f"{moment.score:.3g}",
            Text(said or "(a picture without speech)"),
        )
    return table
