"""The database for the length of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from cliply_resources.database import Database, EmbeddedPostgres
from cliply_resources.settings import Settings

__all__ = ["open_database"]


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database, its own server started if need be, and stopped afterwards unless somebody else uses it."""
    try:
        with Database.open(settings) as database:
            yield database
    finally:
        if settings.database_url is None:
            EmbeddedPostgres(settings.home).stop(only_if_unused=True)
