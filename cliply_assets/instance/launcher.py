"""Starts runs in the code server, and can tell a live run from one whose process is gone."""

from typing import Any

from dagster import DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

from cliply_assets.instance.owner import OWNER_TAG, is_alive

__all__ = ["HealthCheckedRunLauncher", "health_of_owner"]


def health_of_owner(owner: str) -> CheckRunHealthResult:
    """Whether a run that lives in a command's own process still does."""
    if is_alive(owner):
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"the process that ran it ({owner}) is gone")


class HealthCheckedRunLauncher(DefaultRunLauncher):
    """The stock launcher, able to answer run monitoring.

    A run counts as gone only when its code server answers and does not know it. An unreachable server proves nothing:
    it may be restarting, and the run's own process outlives it.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Asks the code server that started the run whether it still has it."""
        owner = run.tags.get(OWNER_TAG)
        if owner is not None:
            return health_of_owner(owner)
        launcher: Any = self
        client = launcher._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "not started through a code server")
        try:
            answer = deserialize_value(
                client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=5),
                CanCancelExecutionResult,
            )
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not answer")
        if answer.can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its code server runs, and no longer has this run")
