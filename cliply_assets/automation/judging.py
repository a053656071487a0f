"""What Dagster's records say of a run that was asked for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

__all__ = ["RunFact", "Verdict", "judge"]

APPEARS = timedelta(seconds=90)
"""A tick that was killed after its claim asked for nothing; one that is merely slow has long done so by then."""
RETRIED = timedelta(seconds=120)
"""Dagster starts the retry of a run whose process died within seconds; where it could not, nobody will. The same holds of the run that
goes on where another has succeeded."""

UNFINISHED = frozenset({"QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING"})
BEGUN = frozenset({"STARTED", "CANCELING"})


@dataclass(frozen=True, kw_only=True)
class RunFact:
    """One run of Dagster's."""

    run_id: str
    status: str
    created_at: datetime
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    will_retry: bool = False
    """Dagster means to start it again by itself, or has not said yet that it does not."""
    died: bool = False
    """It failed, and not because a step did."""
    goes_on: bool = False
    """Another run goes on with the upload when this one has succeeded."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How far a run that was asked for is."""

    state: Literal["asked", "running", "succeeded", "failed", "stopped", "lost"]
    """`stopped`: somebody cancelled the run; `lost`: nobody works on it, and nobody said why."""
    run: RunFact | None = None


def judge(runs: Sequence[RunFact], *, asked_at: datetime, now: datetime) -> Verdict:
    """What has become of it; `runs` are the run and its retries in any order.

    The newest one counts. A run that is to be retried or followed is not over before that run has appeared, or can no longer be
    expected.
    """
    newest = max(runs, key=lambda run: run.created_at, default=None)
    if newest is None:
        return Verdict(state="lost" if now - asked_at > APPEARS else "asked")
    if newest.status in UNFINISHED:
        begun = newest.status in BEGUN or len(runs) > 1
        return Verdict(state="running" if begun else "asked", run=newest)
    if newest.status == "SUCCESS" and not newest.goes_on:
        return Verdict(state="succeeded", run=newest)
    if newest.status == "CANCELED":
        return Verdict(state="stopped", run=newest)
    if newest.will_retry or newest.status == "SUCCESS":
        waits = now - (newest.ended_at or newest.created_at) <= RETRIED
        return Verdict(state="running" if waits else "lost", run=newest)
    return Verdict(state="failed", run=newest)
