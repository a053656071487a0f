"""`cliply sweep`: what the schedules do by themselves, by hand, and what they would do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console

from cliply_assets.cli.session import open_database
from cliply_assets.housekeeping.across import every_workspace
from cliply_assets.housekeeping.orphans import Orphans, clean_up, find_orphans
from cliply_assets.housekeeping.partitions import retire_partitions
from cliply_assets.housekeeping.retention import sweep_deliveries, sweep_events, sweep_uploads
from cliply_assets.housekeeping.tally import tally_storage
from cliply_assets.housekeeping.tools import examine_tools
from cliply_assets.housekeeping.watchdog import end_stuck_steps, run_facts
from cliply_assets.runs import open_instance
from cliply_resources.database import Database
from cliply_resources.settings import Settings
from cliply_resources.storage import open_storage

__all__ = ["SWEEPS", "print_sweep"]

BATCH = 10_000


def _retention(database: Database, settings: Settings, dry_run: bool) -> tuple[str, Any]:
    now = datetime.now(UTC)
    swept = sweep_uploads(database, open_storage(settings), settings, now=now, most=BATCH, dry_run=dry_run)
    if not dry_run:
        events, deliveries = sweep_events(database, settings, now=now), sweep_deliveries(database, settings, now=now)
        swept = msgspec.structs.replace(swept, events=events, deliveries=deliveries)
    with open_instance(settings) as instance:
        retired = retire_partitions(instance, database, dry_run=dry_run)
    said = (
        f"{len(swept.expired)} uploads expire, {len(swept.forgotten)} are forgotten, {swept.objects} objects with "
        f"{swept.bytes / 1e6:.1f} MB and {len(retired)} partitions go."
    )
    return said, {**msgspec.to_builtins(swept), "partitions": retired}


def _orphans(database: Database, settings: Settings, dry_run: bool) -> tuple[str, Any]:
    storage, found = open_storage(settings), list[Orphans]()
    for workspace_id in every_workspace(database):
        of_workspace = find_orphans(database, storage, workspace_id, now=datetime.now(UTC))
        if of_workspace.objects or of_workspace.renders or of_workspace.steps:
            found.append(of_workspace)
        if not dry_run:
            clean_up(database, storage, of_workspace)
    lost = sum(len(each.objects) for each in found)
    size = sum(each.bytes for each in found)
    said = (
        f"{lost} objects without rows go ({size / 1e6:.1f} MB); {sum(len(each.renders) for each in found)} renders and "
        f"{sum(len(each.steps) for each in found)} steps have lost their files."
    )
    return said, msgspec.to_builtins(found)


def _tally(database: Database, settings: Settings, dry_run: bool) -> tuple[str, Any]:
    if dry_run:
        return "Counting changes nothing but today's numbers; leave --dry-run away.", {}
    found = tally_storage(database, open_storage(settings), day=datetime.now(UTC).date())
    size = sum(tally.bytes for tally in found.values())
    said = (
        f"{len(found)} workspaces store {sum(tally.objects for tally in found.values())} objects, {size / 1e6:.1f} MB."
    )
    return said, {str(workspace): msgspec.to_builtins(tally) for workspace, tally in found.items()}


def _stuck(database: Database, settings: Settings, dry_run: bool) -> tuple[str, Any]:
    with open_instance(settings) as instance:
        found = end_stuck_steps(
            database,
            lambda run_id: run_facts(instance, run_id),
            now=datetime.now(UTC),
            most=BATCH,
            dry_run=dry_run,
        )
    return f"{len(found)} stuck steps are ended.", [stuck._asdict() for stuck in found]


def _tools(_database: Database, settings: Settings, _dry_run: bool) -> tuple[str, Any]:
    found = list(examine_tools(settings))
    lines = [f"{'✓' if finding.ok else '✗'} {finding.name}: {finding.says}" for finding in found]
    return "\n".join(lines), msgspec.to_builtins(found)


SWEEPS: dict[str, Callable[[Database, Settings, bool], tuple[str, Any]]] = {
    "retention": _retention,
    "orphans": _orphans,
    "tally": _tally,
    "stuck": _stuck,
    "tools": _tools,
}
"""Each returns a sentence and a document; with `dry_run` it changes nothing."""


def print_sweep(settings: Settings, which: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """Does these sweeps, one after the other, and says what came of each."""
    documents: dict[str, Any] = {}
    console = Console()
    with open_database(settings) as database:
        for name in which:
            said, documents[name] = SWEEPS[name](database, settings, dry_run)
            if not as_json:
                console.print(f"[bold]{name}[/]  {said}", highlight=False)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(documents), indent=2).decode())
    elif dry_run:
        console.print("Nothing was changed.")
