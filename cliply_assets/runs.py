"""Runs an upload here and now, in this process, recorded in the same Dagster instance as everything else."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from cliply_assets.automation.pools import free_lost_slots
from cliply_assets.instance.home import prepare_dagster_home
from cliply_assets.instance.owner import OWNER_TAG, is_alive, this_process
from cliply_assets.instance.storage import close_pools
from cliply_assets.partitions import UPLOAD_TAG, WORKSPACE_TAG, uploads
from cliply_assets.pipeline import FAILURE_CODE
from cliply_assets.steps.rules import STEPS
from cliply_resources.settings import Settings

__all__ = ["RunOutcome", "open_instance", "run_upload"]

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The event log keeps everything; the terminal belongs to the progress display."""


def make_clips_job() -> dg.JobDefinition:
    """The job that a run here executes; a function, so that forked steps can find it again."""
    from cliply_assets.definitions import defs

    return defs.resolve_job_def("make_clips")


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Cliply's Dagster instance."""
    prepare_dagster_home(settings)
    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    finally:
        close_pools()


class RunOutcome(NamedTuple):
    """How a run ended."""

    run_id: str
    success: bool
    failures: tuple[str, ...]
    """What stopped each failed step, as far as Dagster saw it; the steps' own rows say it better where they got so far."""
    failure_code: str = ""
    """The stable code of the first error that a step failed with on purpose."""


def run_upload(instance: dg.DagsterInstance, workspace_id: UUID, upload_id: UUID) -> RunOutcome:
    """Materializes everything of one upload up to its renders.

    Raises:
        KeyboardInterrupt: the user stopped it; what is finished stays, and the next run goes on from there.
    """
    with _interruptions() as interruptions:
        try:
            outcome: RunOutcome | None = _execute(instance, workspace_id, upload_id)
        except DagsterExecutionInterruptedError:
            outcome = None
    # Stopping looks like a failure to Dagster where a step was just starting, or has a retry policy; it may even look like
    # the failure of an unneeded step alone, since a step that was stopped in its work need not be told as failed.
    if outcome is None or (interruptions.any and (outcome.failures or not outcome.success)):
        _call_it_canceled(instance, upload_id)
        raise KeyboardInterrupt
    return outcome


def _call_it_canceled(instance: dg.DagsterInstance, upload_id: UUID) -> None:
    mine = dg.RunsFilter(tags={UPLOAD_TAG: str(upload_id), OWNER_TAG: this_process()})
    for run in instance.get_runs(filters=mine, limit=1):
        if run.status != dg.DagsterRunStatus.CANCELED:
            instance.report_run_canceled(run, message="The user stopped the command.")


def _execute(instance: dg.DagsterInstance, workspace_id: UUID, upload_id: UUID) -> RunOutcome:
    _end_dead_runs(instance, upload_id)
    free_lost_slots(instance)
    instance.add_dynamic_partitions(str(uploads.name), [str(upload_id)])
    tags = {
        "dagster/partition": str(upload_id),
        UPLOAD_TAG: str(upload_id),
        WORKSPACE_TAG: str(workspace_id),
        OWNER_TAG: this_process(),
    }
    with dg.execute_job(dg.reconstructable(make_clips_job), instance=instance, run_config=QUIET, tags=tags) as result:
        code = next(_failure_codes(result.all_events), "")
        return RunOutcome(
            result.run_id, result.success or _only_unneeded_failed(result), tuple(_failures(result)), code
        )


def _only_unneeded_failed(result: dg.JobExecutionResult) -> bool:
    """Clips are whole without a search index; its own row says what is wrong with it."""
    failed = {event.step_key for event in result.all_events if event.is_step_failure}
    return bool(failed) and failed <= {name for name, rules in STEPS.items() if not rules.needed}


def _failure_codes(events: Sequence[dg.DagsterEvent]) -> Iterator[str]:
    for event in events:
        said = event.step_failure_data.user_failure_data if event.is_step_failure else None
        if said is not None and FAILURE_CODE in said.metadata:
            yield str(said.metadata[FAILURE_CODE].value)


@dataclass
class _Interruptions:
    numbers: set[int] = field(default_factory=set)

    @property
    def any(self) -> bool:
        return bool(self.numbers & {signal.SIGINT, signal.SIGTERM})


@contextmanager
def _interruptions() -> Iterator[_Interruptions]:
    """Notes the signals that come while the block runs, whoever handles them; Dagster replaces the handlers."""
    found = _Interruptions()
    heard, wake = os.pipe()
    os.set_blocking(heard, False)
    os.set_blocking(wake, False)
    previous = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        yield found
    finally:
        signal.set_wakeup_fd(previous)
        os.close(wake)
        with os.fdopen(heard, "rb") as numbers:
            found.numbers.update(numbers.read() or b"")


def _failures(result: dg.JobExecutionResult) -> Iterator[str]:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            yield f"{event.step_key}: {error.message.strip() if error is not None else 'unknown'}"


def _end_dead_runs(instance: dg.DagsterInstance, upload_id: UUID) -> None:
    """A command that was killed could not say so; its run would look alive for ever."""
    unfinished = dg.RunsFilter(
        tags={UPLOAD_TAG: str(upload_id)},
        statuses=[
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ],
    )
    for run in instance.get_runs(filters=unfinished):
        owner = run.tags.get(OWNER_TAG)
        if owner is not None and not is_alive(owner):
            instance.report_run_failed(
                run, message=f"The process that ran it ({owner}, seen by {os.getpid()}) is gone."
            )
