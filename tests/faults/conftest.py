"""The same command, films and installations as the pipeline tests have."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

from cliply_command import Cliply, Films, make_films, tidy


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """Small films with known content."""
    return make_films(tmp_path_factory)


@pytest.fixture(scope="module")
def cliply(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cliply]:
    """One installation for all tests of a file."""
    installation = Cliply(tmp_path_factory.mktemp("cliply"), shared_url)
    yield installation
    installation.nobody_is_left()
    tidy(installation.home)
