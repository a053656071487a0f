"""Times as people plan them: on a clock on the wall, in a zone whose clocks are put back and forth. Pure."""

from datetime import UTC, datetime
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from cliply_resources.errors import CallerError

__all__ = ["moment_of", "zone_named"]

Twice = Literal["earlier", "later"]


def zone_named(name: str) -> ZoneInfo:
    """The zone of this IANA name.

    Raises:
        CallerError: there is none.
    """
    if name not in _names():
        raise CallerError(f"There is no time zone {name[:64]!r}; write it like Europe/Berlin or America/New_York.")
    return ZoneInfo(name)


def moment_of(local: datetime, zone: ZoneInfo, if_twice: Twice | None = None) -> datetime:
    """The moment (aware UTC) at which clocks in the zone show `local`, which has no zone of its own.

    Raises:
        CallerError: they never show it, or they show it twice and nobody has said which one is meant; with the moments to choose from.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first.astimezone(UTC)
    # Of a gap, both readings come back as something else.
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        after = first.astimezone(UTC).astimezone(zone)
        raise CallerError(
            f"Clocks in {zone.key} are put forward then and never show {local:%Y-%m-%d %H:%M}; "
            f"the same moment is {after:%H:%M} there. Choose another time."
        )
    if if_twice is None:
        raise CallerError(
            f"Clocks in {zone.key} are put back then and show {local:%Y-%m-%d %H:%M} twice: at {first.astimezone(UTC):%H:%M} and at "
            f"{second.astimezone(UTC):%H:%M} UTC. Say which one with if_twice: earlier or later."
        )
    return (first if if_twice == "earlier" else second).astimezone(UTC)


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())
