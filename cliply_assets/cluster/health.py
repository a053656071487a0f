"""Whether a worker still has a run, from what Celery's record and the workers themselves say. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Answers", "Sighting", "Silence", "judge_started"]

ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED"})
"""Celery's states of a task that nobody works on any more."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What Celery's record says of a run's task."""

    state: str
    """`PENDING` also means that there is no record."""
    worker: str | None = None
    """The name of the worker that took it up."""
    detail: str = ""


Answers = Mapping[str, Mapping[str, Any]]
"""For every worker that answered: those of the tasks asked after that it has."""


@dataclass(frozen=True, kw_only=True)
class Silence:
    """How long nobody who could have the run has answered, and how long that may be."""

    seconds: float
    limit: float


def judge_started(task_id: str, seen: Sighting, answers: Answers, silence: Silence) -> tuple[bool, str]:
    """Whether a run that has begun is still worked on, and why.

    * a worker has it: yes
    * the task ended, but the run did not say so: no
    * the worker that took it answers and does not have it: no; it was started anew since
    * that worker is silent: yes for `limit` seconds, since it may be slow or cut off, then no
    """
    holder = next((worker for worker, tasks in answers.items() if task_id in tasks), None)
    if holder is not None:
        return True, f"{holder} works on it"
    if seen.state in ENDED:
        return False, f"its task ended ({seen.state}) and the run did not{f': {seen.detail}' if seen.detail else ''}"
    if seen.worker is not None and seen.worker in answers:
        return False, f"{seen.worker} runs, and no longer has it"
    who = seen.worker or "every worker"
    if silence.seconds < silence.limit:
        return True, f"{who} has been silent for {silence.seconds:.0f} s; it may be slow"
    return False, f"{who} has not answered for {silence.seconds:.0f} s"
