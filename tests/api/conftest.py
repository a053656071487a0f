"""A running application over a real database, and two people who use it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from litestar.testing import TestClient

sys.path.insert(0, str(Path(__file__).parent))

from api_people import Person, relaxed, running, sign_up

from cliply_resources.settings import Settings


@pytest.fixture(scope="module")
def api_settings(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of the module's application."""
    return relaxed(shared_url, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def client(api_settings: Settings) -> Iterator[TestClient]:
    """The module's application; it has no sign-in of its own."""
    with running(api_settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def second_client(api_settings: Settings) -> Iterator[TestClient]:
    """Another application over the same database, as a second process would be."""
    with running(api_settings) as opened:
        yield opened


@pytest.fixture
def start(shared_url: str, api_settings: Settings) -> Iterator[Callable[..., TestClient]]:
    """Starts further applications with other settings, in the same home: mails that they send are found there, too."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(running(relaxed(shared_url, api_settings.home, **changes)))


@pytest.fixture(scope="module")
def ask(shared_url: str) -> Iterator[Callable[..., list[Any]]]:
    """Looks into the database from a connection of its own, past row level security."""
    with psycopg.connect(shared_url, autocommit=True) as connection:

        def asking(query: str, *values: Any) -> list[Any]:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

        yield asking


@pytest.fixture(scope="module")
def ada(client: TestClient) -> Person:
    """Somebody with an account, and the owner of a workspace."""
    return sign_up(client, "ada")


@pytest.fixture(scope="module")
def stranger(client: TestClient) -> Person:
    """Somebody else, with a workspace of their own."""
    return sign_up(client, "stranger")
