"""Hands whole runs to Celery's workers, and asks those workers whether they still have them."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import celery.exceptions
import kombu.exceptions
import redis.exceptions
from celery import Celery
from dagster import DagsterRun, Field, StringSource
from dagster._config import UserConfigSchema
from dagster._core.events import EngineEventData
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import RETRY_STRATEGY_TAG
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from cliply_assets.cluster.health import Answers, Sighting, Silence, judge_started
from cliply_assets.cluster.rules import CELERY, DEFAULT_QUEUE, QUEUES, queue_of
from cliply_assets.instance.launcher import health_of_owner
from cliply_assets.instance.owner import OWNER_TAG

__all__ = ["BROKER_FAILURES", "ClusterRunLauncher"]

BROKER_FAILURES = (
    celery.exceptions.BackendError,
    kombu.exceptions.OperationalError,
    redis.exceptions.RedisError,
    ConnectionError,
    TimeoutError,
)
"""The broker or its records cannot be asked; that proves nothing about a run."""

ANSWER_SECONDS = 2.0
"""A worker answers within milliseconds, whatever its processes do; the wait is for those that are gone."""

PATIENCE = {"max_retries": 600, "interval_start": 0, "interval_step": 0.5, "interval_max": 2.0}
"""A broker that is away for twenty minutes costs no run: whoever launches waits, and nothing could be launched meanwhile anyway."""

_log = logging.getLogger("cliply.cluster")


class ClusterRunLauncher(CeleryRunLauncher):
    """The stock launcher with a queue for each kind of run, whose health check notices dead workers.

    The stock one believes Celery's record, which says STARTED for ever when a whole worker dies. A run's task has the run's id, so
    that it is found whoever asks.
    """

    def __init__(
        self, broker: str, silence_seconds: float = 30.0, inst_data: ConfigurableClassData | None = None
    ) -> None:
        super().__init__(
            default_queue=DEFAULT_QUEUE,
            broker=broker,
            backend=broker,
            config_source=dict(CELERY),
            inst_data=inst_data,
        )
        self._silence_limit = silence_seconds
        self._silent_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """What `dagster.yaml` may say."""
        return {
            "broker": Field(StringSource, description="redis://… of the broker, which keeps the results, too."),
            "silence_seconds": Field(
                float,
                default_value=30.0,
                is_required=False,
                description="So long a worker may be silent before its runs count as lost.",
            ),
        }

    @property
    def app(self) -> Celery:
        """Celery as launcher and workers know it."""
        return self.celery

    @property
    def supports_resume_run(self) -> bool:
        """A lost run is retried by another one, whose steps find what is done; nothing is resumed."""
        return False

    def _launch_celery_task_run(self, run: DagsterRun, task_signature: Any, routing_key: str) -> None:
        queue = queue_of(run.job_name, run.tags)
        # Whoever retries it may do so on another machine, where the files that ops hand each other are not.
        tags = {DAGSTER_CELERY_TASK_ID_TAG: run.run_id, RETRY_STRATEGY_TAG: "ALL_STEPS"}
        self._instance.add_run_tags(run.run_id, tags)
        task_signature.apply_async(
            task_id=run.run_id,
            queue=queue,
            routing_key=f"{queue}.{routing_key}",
            # Which run comes first is decided in Dagster's queue, where workspaces share fairly.
            priority=0,
            retry=True,
            retry_policy=PATIENCE,
        )
        self._instance.report_engine_event(
            f"Handed to the queue {queue}.", run, EngineEventData({"queue": queue}), cls=self.__class__
        )

    def terminate(self, run_id: str) -> bool:
        """Ends the run where it is worked on, its tools with it; one that still waits is never begun.

        The process is killed: Dagster takes an interruption for a failure wherever a step may be retried, and would go on. What a
        killed step leaves is what any killed machine leaves.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        try:
            answers = self.celery.control.revoke(
                run_id, terminate=True, signal="SIGKILL", reply=True, timeout=ANSWER_SECONDS
            )
        except BROKER_FAILURES as error:
            _log.warning("The broker cannot be told to stop run %s: %s", run_id, error)
            return False
        # Where nobody answered, run monitoring waits for a while before it calls the run canceled.
        if answers:
            self._instance.report_run_canceled(run)
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Asks the worker that took the run; see `judge_started` for what its answer, or its silence, means."""
        owner = run.tags.get(OWNER_TAG)
        if owner is not None:
            return health_of_owner(owner)
        try:
            seen = self._sighting(run.run_id)
            answers = self._ask([run.run_id], seen.worker)
        except BROKER_FAILURES as error:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"the broker cannot be asked: {error}")
        silence = self._silence(run.run_id, heard=bool(answers) if seen.worker is None else seen.worker in answers)
        alive, why = judge_started(run.run_id, seen, answers, silence)
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING, why)
        self._silent_since.pop(run.run_id, None)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, why)

    def nowhere(self, run_ids: Sequence[str]) -> list[str]:
        """Those of the runs that were handed over and lie in no queue, nor with a worker that answers.

        One also counts as such for the moment in which a worker fetches it; whoever acts on it asks twice.
        """
        try:
            queued = self._queued(run_ids)
            rest = [run_id for run_id in run_ids if run_id not in queued]
            held = {run_id for tasks in self._ask(rest, None).values() for run_id in tasks} if rest else set()
        except BROKER_FAILURES as error:
            _log.warning("The broker cannot be asked about runs that wait for a worker: %s", error)
            return []
        return [run_id for run_id in rest if run_id not in held]

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:  # noqa: ARG002 - the stock signature
        """What Celery's record says, for an operator."""
        try:
            seen = self._sighting(run.run_id)
        except BROKER_FAILURES as error:
            return f"The broker cannot be asked: {error}"
        return f"Celery says {seen.state} at {seen.worker or 'no worker'}. {seen.detail}".strip()

    def _sighting(self, run_id: str) -> Sighting:
        meta = self.celery.backend.get_task_meta(run_id)
        state, result = str(meta.get("status", "PENDING")), meta.get("result")
        if state == "STARTED" and isinstance(result, dict):
            return Sighting(state=state, worker=result.get("hostname"))
        return Sighting(state=state, detail=repr(result) if isinstance(result, BaseException) else "")

    def _ask(self, run_ids: Sequence[str], worker: str | None) -> Answers:
        inspect = self.celery.control.inspect(destination=[worker] if worker else None, timeout=ANSWER_SECONDS)
        found: Answers = inspect.query_task(*run_ids) or {}
        return found

    def _silence(self, run_id: str, *, heard: bool) -> Silence:
        now = time.monotonic()
        if heard:
            self._silent_since.pop(run_id, None)
            return Silence(seconds=0.0, limit=self._silence_limit)
        since = self._silent_since.setdefault(run_id, now)
        return Silence(seconds=now - since, limit=self._silence_limit)

    def _queued(self, run_ids: Sequence[str]) -> set[str]:
        with self.celery.connection_for_read() as connection:
            client = connection.default_channel.client
            messages = [message for queue in QUEUES for message in client.lrange(queue, 0, -1)]
        return {run_id for run_id in run_ids if any(run_id.encode() in message for message in messages)}
