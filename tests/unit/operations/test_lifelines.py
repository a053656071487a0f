"""Processes that end with whoever wanted them, also when that one died before they could ask the kernel to be told."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]

CHILD = """
import os, sys, time
parent = int(sys.argv[1])
while os.getppid() == parent:
    time.sleep(0.01)
from cliply_assets.instance.lifeline import end_with_parent
end_with_parent()
print("still here", flush=True)
time.sleep(60)
"""

PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=open(sys.argv[2], "w"))
print(child.pid, flush=True)
"""


def test_a_process_whose_parent_died_while_it_was_starting_ends_by_itself(tmp_path: Path) -> None:
    said = tmp_path / "said"
    done = subprocess.run(
        [sys.executable, "-c", PARENT, CHILD, str(said)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    child = int(done.stdout)
    until = time.monotonic() + 30
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(child)
    assert said.read_text() == ""


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
