"""Brings a database to the state that the numbered files in `sql/` describe.

Each file runs once, in its own transaction, in order of its number; its checksum is kept in `schema_migrations`. A file that
was applied is history: to change something, add a file.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psycopg

from cliply_resources.errors import Conflict, StepFailed, ToolMissing

__all__ = ["Migration", "libpq_url", "migrate", "migrations", "pending"]

NAME = re.compile(r"^\d{3}_[a-z0-9_]+\.sql$")
LOCK = 0x636C69706C79  # "cliply"; one migration at a time in a database
OLDEST_SERVER = 180000  # uuidv7() came with Postgres 18

MAKE_RECORD = """
    CREATE TABLE IF NOT EXISTS public.schema_migrations (
        name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""


@dataclass(frozen=True)
class Migration:
    """One file of `sql/`."""

    name: str
    checksum: str
    body: bytes


def migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """All migrations in order; from the checkout's `sql/`, or from the copy inside the installed package."""
    return _read(folder or _folder())


@lru_cache(maxsize=8)
def _read(folder: Path) -> tuple[Migration, ...]:
    found = sorted(path for path in folder.iterdir() if path.suffix == ".sql")
    misnamed = [path.name for path in found if not NAME.match(path.name)]
    numbers = [path.name[:3] for path in found]
    if misnamed or len(set(numbers)) < len(numbers):
        raise Conflict(
            f"Migrations in {folder} must be named 001_words.sql, each number once; see {misnamed or numbers}."
        )
    bodies = [(path.name, path.read_bytes()) for path in found]
    return tuple(Migration(name, hashlib.sha256(body).hexdigest(), body) for name, body in bodies)


def _folder() -> Path:
    here = Path(__file__).resolve().parent
    for folder in (here.parents[1] / "sql", here / "sql"):
        if (folder / "001_roles.sql").is_file():
            return folder
    raise ToolMissing(
        "This installation of Cliply lacks its SQL files.", remedy="Reinstall it: pip install --force-reinstall cliply"
    )


def libpq_url(url: str) -> str:
    """The same address without SQLAlchemy's driver name, as libpq wants it."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)


def pending(connection: psycopg.Connection, files: tuple[Migration, ...]) -> list[Migration]:
    """The files that this database has not seen. Two queries, no lock.

    Raises `Conflict` when an applied file was changed since, or when a newer Cliply has been here.
    """
    if connection.execute("SELECT to_regclass('public.schema_migrations')").fetchone() == (None,):
        return list(files)
    applied: dict[str, str] = dict(connection.execute("SELECT name, checksum FROM public.schema_migrations").fetchall())
    for file in files:
        if applied.get(file.name, file.checksum) != file.checksum:
            raise Conflict(
                f"sql/{file.name} was changed after this database applied it. "
                "Restore the file, and put the change into a new file with the next number."
            )
    unknown = sorted(set(applied) - {file.name for file in files})
    if unknown:
        raise Conflict(
            f"This database was migrated by a newer Cliply ({', '.join(unknown)}). Update this installation to use it."
        )
    return [file for file in files if file.name not in applied]


def migrate(url: str, *, folder: Path | None = None) -> list[str]:
    """Applies what is missing and returns the names of those files; an empty list when nothing was.

    Any number of processes may call it at once: they queue, and the first does the work. A file that fails leaves no trace
    and keeps the later ones from running.

    Raises `Conflict` (see `pending`), `ToolMissing` for a server older than Postgres 18, `StepFailed` naming the file.
    """
    files = migrations(folder)
    with psycopg.connect(libpq_url(url), autocommit=True, application_name="cliply migrate") as connection:
        if connection.info.server_version < OLDEST_SERVER:
            raise ToolMissing(
                f"The database server is version {connection.info.server_version // 10000}, but Cliply needs Postgres 18.",
                remedy="Upgrade the server, or unset CLIPLY_DATABASE_URL to use the embedded one.",
            )
        if not pending(connection, files):
            return []
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])  # released with the connection
        connection.execute(MAKE_RECORD)
        missing = pending(connection, files)
        for file in missing:
            _apply(connection, file)
        return [file.name for file in missing]


def _apply(connection: psycopg.Connection, file: Migration) -> None:
    try:
        with connection.transaction():
            # Our own file, not anybody's input; without parameters it may hold many statements.
            connection.execute(file.body)
            connection.execute("RESET ROLE")
            connection.execute(
                "INSERT INTO public.schema_migrations (name, checksum) VALUES (%s, %s)", [file.name, file.checksum]
            )
    except psycopg.Error as failure:
        raise StepFailed(
            f"The database migration {file.name} failed and was undone: {failure}", detail=repr(failure)
        ) from failure
