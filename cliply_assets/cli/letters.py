"""What `cliply dead-letters` does: finds failures over all workspaces, and decides about them."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.orm import Session

from cliply_assets.cli.session import open_database
from cliply_resources.database import Database
from cliply_resources.dead_letters import discard_letters, letters_of, retry_uploads, uploads_with_dead_letters
from cliply_resources.errors import CallerError, NotFound
from cliply_resources.settings import get_settings
from cliply_resources.steps import LABELS

__all__ = ["Letter", "Wanted", "chosen_uploads", "discard", "print_letters", "print_one", "retry", "since_of"]

MOST = 10_000
AGE = re.compile(r"^(\d{1,6})([mhd])$")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which failures are meant."""

    uploads: tuple[str, ...] = ()
    step: str | None = None
    since: str | None = None
    words: str | None = None
    everything: bool = False


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One failed step, with what operators need."""

    workspace_id: str
    upload_id: str
    title: str
    step: str
    part: str
    attempt: int
    max_attempts: int
    ended_at: datetime | None
    reason: str | None
    run_id: str | None
    raw_error: str | None


def since_of(age: str | None, *, now: datetime) -> datetime | None:
    """The moment so long ago.

    Raises:
        CallerError: it is no number of minutes, hours or days.
    """
    if age is None:
        return None
    found = AGE.match(age)
    if found is None:
        raise CallerError(f"“{age}” is no age; give minutes, hours or days, such as 30m, 12h or 7d.")
    return now - timedelta(**{UNITS[found[2]]: int(found[1])})


def chosen_uploads(letters: Sequence[Letter], beginnings: Sequence[str], *, everything: bool) -> dict[UUID, list[UUID]]:
    """Uploads by workspace: those named, or all.

    Raises:
        CallerError: neither ids nor `everything`, or both.
        NotFound: an id that no dead letter has.
    """
    if bool(beginnings) == everything:
        raise CallerError("Name uploads, or say --all; with --step, --since and --reason it takes fewer.")
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for beginning in beginnings or [""]:
        matching = {(one.workspace_id, one.upload_id) for one in letters if one.upload_id.startswith(beginning)}
        if not matching and not everything:
            raise NotFound(f"No failed upload that waits for somebody has an id that begins with “{beginning}”.")
        for workspace_id, upload_id in sorted(matching):
            found[UUID(workspace_id)].append(UUID(upload_id))
    return {workspace: list(dict.fromkeys(uploads)) for workspace, uploads in found.items()}


def print_letters(wanted: Wanted, *, as_json: bool) -> None:
    """The newest first."""
    with open_database(get_settings()) as database:
        letters = _letters(database, wanted)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(letters), indent=2).decode())
        return
    table = Table(header_style="bold")
    for column in ("Upload", "Title", "Step", "Attempt", "Since", "Reason"):
        table.add_column(column, overflow="fold")
    for one in letters:
        table.add_row(
            one.upload_id,
            escape(one.title),
            LABELS.get(one.step, one.step),
            f"{one.attempt} of {one.max_attempts}",
            f"{one.ended_at:%Y-%m-%d %H:%M}" if one.ended_at else "",
            escape(one.reason or ""),
        )
    Console().print(table if letters else "Nothing waits for anybody.")


def print_one(beginning: str, *, as_json: bool) -> None:
    """An upload's failures with the raw errors.

    Raises:
        NotFound: no dead letter has such an id.
    """
    with open_database(get_settings()) as database:
        letters = [one for one in _letters(database, Wanted()) if one.upload_id.startswith(beginning)]
    if not letters:
        raise NotFound(f"No failed upload that waits for somebody has an id that begins with “{beginning}”.")
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(letters), indent=2).decode())
        return
    for one in letters:
        print(f"{one.upload_id}  {one.title}\nworkspace {one.workspace_id}, run {one.run_id or 'unknown'}")
        print(f"{LABELS.get(one.step, one.step)}, attempt {one.attempt} of {one.max_attempts}: {one.reason}\n")
        print(one.raw_error or "")


def retry(wanted: Wanted) -> None:
    """Has them tried again."""
    _decide(retry_uploads, "tried again", wanted)


def discard(wanted: Wanted) -> None:
    """Puts them away."""
    _decide(discard_letters, "put away", wanted)


def _decide(do: Callable[[Session, UUID, Sequence[UUID]], Sequence[UUID]], said: str, wanted: Wanted) -> None:
    done = 0
    with open_database(get_settings()) as database:
        letters = _letters(database, wanted)
        chosen = chosen_uploads(letters, wanted.uploads, everything=wanted.everything)
        for workspace_id, of_one in chosen.items():
            with database.pipeline(workspace_id) as session:
                done += len(do(session, workspace_id, of_one))
    print(f"{done} uploads are {said}.")


def _letters(database: Database, wanted: Wanted) -> list[Letter]:
    after = since_of(wanted.since, now=datetime.now(UTC))
    by_workspace: dict[UUID, list[UUID]] = defaultdict(list)
    for workspace_id, upload_id in uploads_with_dead_letters(database, since=after, step=wanted.step, most=MOST):
        by_workspace[workspace_id].append(upload_id)
    found: list[Letter] = []
    for workspace_id, uploads in by_workspace.items():
        query = letters_of(workspace_id, uploads=uploads, step=wanted.step)
        with database.pipeline(workspace_id) as session:
            found += [_letter(row) for row in session.execute(query)]
    words = (wanted.words or "").lower()
    kept = [one for one in found if words in (one.reason or "").lower()]
    return sorted(kept, key=lambda one: (one.ended_at or datetime.min.replace(tzinfo=UTC), one.upload_id), reverse=True)


def _letter(row: sa.Row[*tuple[Any, ...]]) -> Letter:
    return msgspec.convert(
        {**row._mapping, "workspace_id": str(row.workspace_id), "upload_id": str(row.upload_id)}, Letter
    )
