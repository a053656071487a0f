"""When an operator should be told: pure rules over facts. Every rule's name is a heading in docs/operations.md."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from cliply_resources.notify import Alert

__all__ = ["ALERTS", "Facts", "alerts_for", "news"]

SENSOR_LAG_SECONDS = 120.0
HEARTBEAT_SECONDS = 180.0
"""Daemons note a heartbeat every 30 s."""
UPLOAD_WAIT_SECONDS = 1800.0
FAILED_SHARE = 0.25
"""Of the runs that ended within an hour."""
FEWEST_RUNS = 4
"""Two failures of two are an accident, not a rate."""
NEEDED_DAEMONS = frozenset({"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR", "MONITORING"})

ALERTS = (
    "CliplyDatabaseUnreachable",
    "CliplyStorageUnreachable",
    "CliplyDaemonSilent",
    "CliplySensorsLag",
    "CliplyUploadsWait",
    "CliplyRunsFail",
    "CliplyDeadLettersGrow",
    "CliplyStuckSteps",
    "CliplyDiskLow",
    "CliplyToolUnhealthy",
    "CliplyAccountsToReconnect",
)
"""All there are."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at one moment. Ages in seconds; what could not be asked is left at its default, and is no alert."""

    database: str = ""
    """What is wrong with it; empty where it answers."""
    storage: str = ""
    heartbeats: Mapping[str, float] = {}
    """Age of each daemon's last heartbeat; empty where no daemon has ever run here."""
    ticks: Mapping[str, float] = {}
    """Age of the last tick of each sensor that is switched on."""
    upload_wait: float = 0.0
    """Of the upload that waits longest for its run."""
    runs_ended: int = 0
    """Within the last hour."""
    runs_failed: int = 0
    dead_letters: int = 0
    """Uploads that failed, and that nobody has retried or discarded."""
    dead_letters_lately: int = 0
    """Of these, within the last hour."""
    stuck_steps: int = 0
    """Running past their deadline."""
    disk_free: int | None = None
    """Bytes."""
    disk_wanted: int = 0
    unhealthy_tools: tuple[str, ...] = ()
    accounts_to_reconnect: int = 0


def alerts_for(facts: Facts) -> list[Alert]:
    """What is wrong now."""
    return [*_reach(facts), *_automation(facts), *_outcomes(facts), *_machine(facts)]


def _reach(facts: Facts) -> Iterable[Alert]:
    if facts.database:
        yield Alert(
            name="CliplyDatabaseUnreachable",
            severity="page",
            summary=f"The database cannot be used: {facts.database}",
            remedy="Nothing can be worked on meanwhile. Run: cliply doctor",
        )
    if facts.storage:
        yield Alert(
            name="CliplyStorageUnreachable",
            severity="page",
            summary=f"Stored objects cannot be reached: {facts.storage}",
            remedy="Run: cliply doctor",
        )


def _automation(facts: Facts) -> Iterable[Alert]:
    for daemon in sorted(NEEDED_DAEMONS & facts.heartbeats.keys()):
        age = facts.heartbeats[daemon]
        if age > HEARTBEAT_SECONDS:
            yield Alert(
                name="CliplyDaemonSilent",
                about=daemon,
                severity="page",
                summary=f"The daemon {daemon} has not been heard of for {age:.0f} s; it speaks every 30 s.",
                remedy="Restart the stack (cliply up, or its systemd unit), then look at logs/daemon.log.",
            )
    late = {name: age for name, age in facts.ticks.items() if age > SENSOR_LAG_SECONDS}
    for name in sorted(late):
        yield Alert(
            name="CliplySensorsLag",
            about=name,
            summary=f"The sensor {name} last ticked {late[name]:.0f} s ago; it should tick every few seconds.",
            remedy="Look at the sensor's ticks in the Dagster UI, and at logs/daemon.log.",
        )
    if facts.upload_wait > UPLOAD_WAIT_SECONDS:
        yield Alert(
            name="CliplyUploadsWait",
            summary=f"An upload has been waiting for {facts.upload_wait / 60:.0f} minutes to be started.",
            remedy="Look at the run queue: cliply status",
        )


def _outcomes(facts: Facts) -> Iterable[Alert]:
    if facts.runs_ended >= FEWEST_RUNS and facts.runs_failed > FAILED_SHARE * facts.runs_ended:
        yield Alert(
            name="CliplyRunsFail",
            severity="page",
            summary=f"{facts.runs_failed} of the {facts.runs_ended} runs that ended within the last hour failed.",
            remedy="List the reasons: cliply runs",
        )
    if facts.dead_letters_lately:
        yield Alert(
            name="CliplyDeadLettersGrow",
            summary=f"{facts.dead_letters_lately} uploads failed for good within the last hour; {facts.dead_letters} wait for somebody.",
            remedy="List them with their reasons: cliply dead-letters list",
        )
    if facts.stuck_steps:
        yield Alert(
            name="CliplyStuckSteps",
            summary=f"{facts.stuck_steps} steps are past their deadline and still look running.",
            remedy="Run: cliply sweep stuck",
        )


def _machine(facts: Facts) -> Iterable[Alert]:
    if facts.disk_free is not None and facts.disk_free < facts.disk_wanted:
        yield Alert(
            name="CliplyDiskLow",
            severity="page",
            summary=f"Only {facts.disk_free / 1e9:.1f} GB are free; {facts.disk_wanted / 1e9:.1f} GB are wanted.",
            remedy="Run: cliply sweep retention orphans",
        )
    for tool in facts.unhealthy_tools:
        name, _, said = tool.partition(": ")
        yield Alert(name="CliplyToolUnhealthy", about=name, summary=f"{name}: {said}", remedy="Run: cliply sweep tools")
    if facts.accounts_to_reconnect:
        yield Alert(
            name="CliplyAccountsToReconnect",
            summary=f"{facts.accounts_to_reconnect} connected accounts no longer let Cliply publish.",
            remedy="Their owners have to connect them again, under Accounts.",
        )


def news(now: Collection[Alert], told: Collection[str], facts: Facts) -> list[Alert]:
    """What to tell: all that is wrong, and of what was told, what is no longer. `told` holds keys.

    While the database is away nothing can be found out about the rest, so that nothing else counts as over.
    """
    wrong = {alert.key for alert in now}
    over = [] if facts.database else sorted(set(told) - wrong)
    ended = [
        Alert(
            name=key.partition(":")[0],
            about=key.partition(":")[2],
            severity="page",  # Whoever was got up for it is told that it is over; others were not told of it.
            summary="It is over.",
            over=True,
        )
        for key in over
    ]
    return [*now, *ended]
