"""Platform simulators for tests of the application, and a browser that goes there and comes back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))

from simulator_base import RealClock

__all__ = ["OUR_URL", "come_back", "settings_of", "simulated"]

OUR_URL = "https://cliply.test"


@contextmanager
def simulated(name: str) -> Iterator[Any]:
    """A simulator of that platform whose time is the real one; `settings_of` points the application at it."""
    simulator = __import__(f"{name}_simulator").HARNESS.simulator()
    simulator.clock = simulator.ledger.clock = RealClock()
    try:
        yield simulator
    finally:
        simulator.close()


def settings_of(name: str, simulator: Any) -> dict[str, Any]:
    """Fields of the settings."""
    found: dict[str, Any] = __import__(f"{name}_simulator").HARNESS.settings(simulator)
    return found


def come_back(authorize_url: str) -> str:
    """Goes to the platform's page and agrees; the path and query that the platform sends the browser back to."""
    seen = httpx.get(authorize_url, follow_redirects=False)
    assert seen.status_code in {302, 303}, seen.text
    address = seen.headers["location"]
    assert address.startswith(OUR_URL + "/api/accounts/callback/"), address
    return str(address.removeprefix(OUR_URL))
