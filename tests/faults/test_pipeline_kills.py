"""A short run of the campaign that kills a whole stack's processes; `make faults KILLS=100` is the long one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import tempfile

import pytest
from kill_pipeline import campaign


@pytest.mark.slow
def test_whatever_process_is_killed_every_upload_ends_and_nothing_is_left_behind() -> None:
    victims = ("run", "step", "daemon", "code", "warm", "postgres")
    # A short path: the database's socket lies below it.
    said = campaign(Path(tempfile.mkdtemp(prefix="faults-")), kills=len(victims), seed=5, victims=victims, ahead=2)
    counted = {name: said[name] for name in ("kills", "lost", "stuck", "orphans", "duplicates")}
    assert counted == {"kills": len(victims), "lost": 0, "stuck": 0, "orphans": 0, "duplicates": 0}, said
    assert said["completed"] + said["failed"] == said["uploads"], said
