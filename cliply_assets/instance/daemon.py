"""`python -m cliply_assets.instance.daemon run …`: Dagster's daemon, which looks every second which sensors are due.

The stock one looks every five, so that an upload that comes just after another waits that long before anybody asks for its run. The
interval is a number in a module that is not documented; `look_often` says at once when it is gone.
"""

import sys

from cliply_assets.instance.lifeline import end_with_parent

__all__ = ["LOOK_SECONDS", "look_often", "main"]

LOOK_SECONDS = 1
"""Half of that costs a twentieth of a processor for nothing."""


def look_often() -> None:
    """From now on, the sensor loop of this process turns every `LOOK_SECONDS`.

    Raises:
        RuntimeError: this version of Dagster has no such interval.
    """
    from dagster._daemon import sensor

    if sensor.MIN_INTERVAL_LOOP_TIME not in {5, LOOK_SECONDS}:
        raise RuntimeError(
            f"dagster._daemon.sensor.MIN_INTERVAL_LOOP_TIME is {sensor.MIN_INTERVAL_LOOP_TIME} and was 5: it may mean something else."
        )
    sensor.MIN_INTERVAL_LOOP_TIME = LOOK_SECONDS


def main() -> None:
    """`dagster-daemon` with these arguments."""
    from dagster._daemon.cli import cli

    end_with_parent()
    look_often()
    sys.argv[0] = "dagster-daemon"
    cli(obj={})


if __name__ == "__main__":
    main()
