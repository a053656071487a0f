"""A running application over a real database, and people who use it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from litestar.testing import TestClient
from pydantic import SecretStr

from cliply_api.app import create_app
from cliply_resources.settings import Settings

PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """Somebody who signed up; `api` sends their access token."""

    email: str
    user_id: str
    workspace_id: str
    access_token: str
    refresh_token: str
    api: httpx.Client
    headers: dict[str, str] = field(default_factory=dict)


def relaxed(url: str, home: Path, **changes: Any) -> Settings:
    """Settings whose limits and hashing do not slow tests down."""
    return Settings(
        home=home,
        database_url=SecretStr(url),
        **{
            "password_memory_kib": 8,
            "password_passes": 1,
            "login_per_minute": 10_000,
            "register_per_hour": 10_000,
            "mails_per_hour": 10_000,
            "user_requests_per_minute": 100_000,
            "workspace_requests_per_minute": 100_000,
            **changes,
        },
    )


@contextmanager
def running(settings: Settings) -> Iterator[TestClient]:
    """A client of an application with its lifespan; https, so that Secure cookies come back."""
    client = TestClient(create_app(settings), base_url="https://cliply.test", raise_server_exceptions=False)
    with client:
        yield client


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
def start(shared_url: str, tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Starts further applications with other settings."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(running(relaxed(shared_url, tmp_path / "home", **changes)))


@pytest.fixture(scope="module")
def ask(shared_url: str) -> Iterator[Callable[..., list[Any]]]:
    """Looks into the database from a connection of its own, past row level security."""
    with psycopg.connect(shared_url, autocommit=True) as connection:

        def asking(query: str, *values: Any) -> list[Any]:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

        yield asking
