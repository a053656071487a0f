"""A short run of the campaign that kills publishers; `make faults-publishing KILLS=500` is the long one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))

import pytest
from kill_campaign import campaign


@pytest.mark.slow
def test_a_killed_publisher_never_publishes_twice_and_loses_nothing(settings, database, tmp_path):
    said = campaign(settings, database, tmp_path, kills=4, seed=3, only={"example", "example_tail"})
    assert said["kills"] >= 4
    assert (said["doubles"], said["lost"], said["unresolved"], said["bad"]) == (0, 0, 0, [])
