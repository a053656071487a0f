"""The README promises nothing that no test keeps."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KEPT_BY = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", README)


def test_every_promise_names_its_test() -> None:
    table = README.split("## Promises")[1].split("##")[0]
    promises = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert promises
    assert len(promises) == len(KEPT_BY)


@pytest.mark.parametrize(("file", "test"), KEPT_BY)
def test_the_test_that_keeps_a_promise_exists(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, flags=re.MULTILINE))
def test_every_make_target_that_is_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("place", re.findall(r"^\| `(\w+)/`", README, flags=re.MULTILINE))
def test_every_folder_in_the_map_exists(place: str) -> None:
    assert (ROOT / place).is_dir()
