"""Stops and starts publishing to a platform in the whole installation, at once and without a deploy."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from cliply_resources.database import Database, PlatformSwitch
from cliply_resources.errors import CallerError, NotFound
from cliply_resources.platforms.registry import PLATFORM_NAMES

__all__ = ["start_platform", "stop_platform", "stopped_platforms"]

MAX_REASON = 500


def stopped_platforms(database: Database) -> dict[str, PlatformSwitch]:
    """Those that are stopped, and why."""
    with database.across() as session:
        return {row.platform: row for row in session.scalars(sa.select(PlatformSwitch))}


def stop_platform(database: Database, name: str, reason: str) -> None:
    """Posts of the platform wait from now on and show `reason`; stopping it again changes the reason.

    Raises:
        NotFound: there is no such platform.
        CallerError: the reason is empty or longer than 500 characters.
    """
    _check(name)
    said = reason.strip()
    if not 0 < len(said) <= MAX_REASON:
        raise CallerError(f"Say in 1 to {MAX_REASON} characters why {name} is stopped; people read it in their posts.")
    with database.identity() as session:
        # Anew rather than changed: the role has no right to update.
        session.execute(sa.delete(PlatformSwitch).where(PlatformSwitch.platform == name))
        session.execute(insert(PlatformSwitch).values(platform=name, reason=said))


def start_platform(database: Database, name: str) -> bool:
    """Its posts go on within half a minute; whether it had been stopped.

    Raises:
        NotFound: there is no such platform.
    """
    _check(name)
    with database.identity() as session:
        gone = session.execute(
            sa.delete(PlatformSwitch).where(PlatformSwitch.platform == name).returning(PlatformSwitch.platform)
        )
        return gone.one_or_none() is not None


def _check(name: str) -> None:
    if name not in PLATFORM_NAMES:
        raise NotFound(f"There is no platform {name[:40]!r}; there are {', '.join(PLATFORM_NAMES)}.")
