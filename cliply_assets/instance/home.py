"""Dagster's home folder under Cliply's own."""

import os
import shutil
from pathlib import Path

from cliply_resources.errors import ToolMissing
from cliply_resources.settings import Settings

__all__ = ["prepare_dagster_home", "project_file"]


def project_file(name: str) -> Path:
    """A file of the project's top level, in a checkout or where the wheel carries it."""
    beside_package = Path(__file__).parent / name
    for candidate in (beside_package, Path(__file__).parents[2] / name):
        if candidate.is_file():
            return candidate
    raise ToolMissing(f"This installation of Cliply lacks its own {name}.", remedy="Install Cliply again.")


def prepare_dagster_home(settings: Settings) -> Path:
    """The folder DAGSTER_HOME points at afterwards, with today's `dagster.yaml` and `workspace.yaml` in it.

    With a broker the instance is that of a cluster, see `deploy/scaled/dagster.yaml`.
    """
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    instance = "dagster.yaml" if settings.broker_url is None else "deploy/scaled/dagster.yaml"
    for name, source in (("dagster.yaml", instance), ("workspace.yaml", "workspace.yaml")):
        fresh = home / f".{name}.{os.getpid()}"
        shutil.copyfile(project_file(source), fresh)
        fresh.replace(home / name)
    os.environ["DAGSTER_HOME"] = str(home)
    return home
