"""What an operator copies: every command of the runbook exists with its options, and every file of `deploy/` says what is."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cliply_assets.cli.main import app
from cliply_resources.settings import Settings

ROOT = Path(__file__).parents[3]
RUNBOOK = (ROOT / "docs/operations.md").read_text()
UNITS = sorted((ROOT / "deploy/systemd").glob("cliply*"))


def commands() -> set[str]:
    """Every `cliply …` in the runbook: in indented blocks, in backquotes, and in what alerts tell to do."""
    blocks = re.findall(r"^    (cliply .*?)(?:\s+#.*)?$", RUNBOOK, re.MULTILINE)
    quoted = re.findall(r"`(cliply [^`]+)`", RUNBOOK)
    told = re.findall(
        r"(?:Run|reasons|queue): (cliply [a-z][a-z -]*)", (ROOT / "cliply_assets/housekeeping/alerts.py").read_text()
    )
    return {command.strip() for command in (*blocks, *quoted, *told)}


def test_there_are_commands_to_try() -> None:
    assert len(commands()) > 15


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_of_the_runbook_exists_with_its_options(command: str) -> None:
    words = shlex.split(command)[1:]
    options = [word for word in words if word.startswith("--")]
    grouped = words[0] in {"backfill", "dead-letters"}
    path = words[:1] + [word for word in words[1:2] if grouped and not word.startswith("-")]
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})
    assert shown.exit_code == 0, shown.output
    for option in options:
        assert re.search(rf"{option}\b", shown.output), f"{command} has no {option}"
    if words[0] == "sweep":
        from cliply_assets.cli.sweep import SWEEPS

        assert {word for word in words[1:] if not word.startswith("-")} <= set(SWEEPS)


def names_of_settings(text: str) -> set[str]:
    return {name for name in re.findall(r"\bCLIPLY_([A-Z0-9_]+)", text)}


@pytest.mark.parametrize(
    "name", ["docs/operations.md", "deploy/cliply.env.example", "deploy/compose.yaml", "deploy/Dockerfile"]
)
def test_every_setting_that_is_named_exists(name: str) -> None:
    found = names_of_settings((ROOT / name).read_text())
    assert {each.lower() for each in found} <= set(Settings.model_fields)


def test_the_example_of_the_environment_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (ROOT / "deploy/cliply.env.example").read_text().splitlines()
    for line in lines:
        given = re.fullmatch(r"(?:# )?(CLIPLY_\w+)=(.+)", line)
        if given is not None:
            monkeypatch.setenv(given[1], given[2])
    loaded = Settings()
    assert loaded.alert_mail_to == ("ops@example.com",)
    assert loaded.sms_to == ("+491701234567",)


def test_the_compose_file_gives_nothing_away() -> None:
    document = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    (service,) = document["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "ports" not in service, "it shares the host's loopback, and publishes nothing"
    build = (ROOT / "deploy" / service["build"]["context"]).resolve()
    assert (build / service["build"]["dockerfile"]).is_file()
    volumes = {volume.split(":")[0] for volume in service["volumes"]}
    assert volumes == set(document["volumes"])


def test_the_image_copies_what_is_there_and_does_not_run_as_root() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for word in line.split()]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = yaml.safe_load("[" + re.search(r"packages = \[(.+)\]", (ROOT / "pyproject.toml").read_text())[1] + "]")
    assert set(packages) <= set(copied)
    assert re.findall(r"^USER (\w+)$", text, re.MULTILINE)[-1] == "cliply"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        # Nothing is installed where the units say.
        text = unit.read_text().replace("/opt/cliply/.venv/bin/cliply", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_unit_runs_a_command_that_exists_and_not_as_root() -> None:
    services = [unit for unit in UNITS if unit.suffix == ".service"]
    assert len(services) == 2
    for unit in services:
        text = unit.read_text()
        assert "\nUser=cliply\n" in text
        assert "\nProtectSystem=strict\n" in text
        command = re.search(r"^ExecStart=\S+/cliply (\w+)", text, re.MULTILINE)[1]
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
