"""Rooms to publish from, on two kinds of platform."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))

from publishing_room import open_room


@pytest.fixture(params=[False, True], ids=["call", "last byte"])
def room(request, settings, database):
    yield from open_room(settings, database, tail=request.param)


@pytest.fixture
def plain_room(settings, database):
    yield from open_room(settings, database, tail=False)
