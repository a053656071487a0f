"""Delivers what is due, in every process of the application at once; nobody has to run anything else for it."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from uuid import UUID

import anyio
import structlog
from anyio import to_thread
from anyio.abc import TaskGroup
from sqlalchemy.exc import SQLAlchemyError

from cliply_api.web.metrics import METRICS
from cliply_resources.database import Database
from cliply_resources.errors import CliplyError
from cliply_resources.outbound import OutboundPolicy
from cliply_resources.vault import Vault
from cliply_resources.webhooks import Outcome, deliver_next, endpoints_due
from cliply_resources.webhooks.sealing import seal_what_is_in_clear

__all__ = ["drain_webhooks"]

LOOK_SECONDS = 1.0
"""Between looks at what is due."""
SENDERS = 16
"""Endpoints that are served side by side; each gets its messages one after the other."""
PER_WORKSPACE = 4
"""Of these, so that one workspace's slow receivers do not hold up everybody's."""
IN_A_ROW = 50
"""Messages to one endpoint before somebody else gets the place."""

log = structlog.get_logger("cliply_api.webhooks")


async def drain_webhooks(database: Database, vault: Vault, policy: OutboundPolicy) -> None:
    """Runs until it is cancelled; what is being sent then is finished first."""
    busy: set[UUID] = set()
    places: Counter[UUID] = Counter()
    threads = anyio.CapacityLimiter(SENDERS)
    sealed = False
    deliver = partial(deliver_next, database, vault, policy)
    async with anyio.create_task_group() as tasks:
        while True:
            try:
                if not sealed:
                    await to_thread.run_sync(seal_what_is_in_clear, database, vault, limiter=threads)
                    sealed = True
                due = await to_thread.run_sync(endpoints_due, database, SENDERS * 4, limiter=threads)
            except (CliplyError, SQLAlchemyError) as failure:
                log.warning("webhooks are put off", reason=str(failure))
                due = []
            for workspace_id, endpoint_id in due:
                if endpoint_id in busy or places[workspace_id] >= PER_WORKSPACE or len(busy) >= SENDERS - 1:
                    continue
                busy.add(endpoint_id)
                places[workspace_id] += 1
                _start(tasks, busy, places, threads, deliver, workspace_id, endpoint_id)
            await anyio.sleep(LOOK_SECONDS)


def _start(
    tasks: TaskGroup,
    busy: set[UUID],
    places: Counter[UUID],
    threads: anyio.CapacityLimiter,
    deliver: Callable[[UUID, UUID], Outcome | None],
    workspace_id: UUID,
    endpoint_id: UUID,
) -> None:
    async def serve() -> None:
        try:
            for _ in range(IN_A_ROW):
                came = await to_thread.run_sync(deliver, workspace_id, endpoint_id, limiter=threads)
                if came is None:
                    return
                _tell(came, workspace_id, endpoint_id)
        except (CliplyError, SQLAlchemyError) as failure:
            log.warning("a webhook is put off", endpoint=str(endpoint_id), reason=str(failure))
        finally:
            busy.discard(endpoint_id)
            places[workspace_id] -= 1

    tasks.start_soon(serve)


def _tell(came: Outcome, workspace_id: UUID, endpoint_id: UUID) -> None:
    METRICS.count("cliply_webhook_attempts_total", outcome="delivered" if came.delivered else "failed")
    if came.delivered:
        METRICS.observe("cliply_webhook_lag_seconds", max(came.seconds_since_event, 0.0))
    else:
        log.info(
            "a webhook failed",
            workspace=str(workspace_id),
            endpoint=str(endpoint_id),
            status=came.status,
            reason=came.error,
        )
