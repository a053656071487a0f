"""What is true of every process of a cluster: Celery's settings, the queues, and which kind of run goes where. Pure."""

from collections.abc import Mapping
from typing import Any

__all__ = ["CELERY", "DEFAULT_QUEUE", "NEXT_JOB_TAG", "QUEUES", "QUEUE_OF_JOB", "QUEUE_TAG", "queue_of"]

DEFAULT_QUEUE = "default"
QUEUES = ("analyze", "render", "publish", DEFAULT_QUEUE)
"""Split where the hardware splits: GPU, processors, network, and all that is small."""

QUEUE_OF_JOB: Mapping[str, str] = {
    "analyze": "analyze",
    "make_clips": "analyze",
    "render": "render",
    "rerender": "render",
    "publish": "publish",
}
"""A job that is not named here goes to the default queue."""

QUEUE_TAG = "dagster-celery/queue"
"""Run tag that names a queue for this one run, as the stock launcher has it."""

NEXT_JOB_TAG = "cliply/then"
"""Run tag: the job that goes on with the upload when this run has succeeded."""

LONGEST_RUN_SECONDS = 12 * 3600
"""`max_runtime_seconds` of deploy/scaled/dagster.yaml."""

CELERY: Mapping[str, Any] = {
    # A message is acknowledged when a process takes it up. Acknowledging at the end would make Redis hand a run that is longer than
    # the visibility timeout to a second worker while the first is at work. Lost runs are run monitoring's business, and nobody else's.
    "task_acks_late": False,
    # No run waits at a busy worker while another worker is free; the multiplier holds where a broker cannot do that.
    "worker_disable_prefetch": True,
    "worker_prefetch_multiplier": 1,
    "broker_transport_options": {
        # Only for the moment between fetching a message and taking it up: a worker that was killed in it did not begin the run.
        "visibility_timeout": 300,
        "socket_keepalive": True,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "health_check_interval": 30,
    },
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # Celery's own record of a run must outlive the run: the health check reads who took it.
    "result_expires": 2 * LONGEST_RUN_SECONDS,
    "result_backend_always_retry": True,
    "result_backend_max_retries": 2,
    "redis_socket_timeout": 30,
    "redis_socket_connect_timeout": 5,
    "redis_socket_keepalive": True,
    "redis_retry_on_timeout": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_serializer": "json",
    # A process loads its model before it takes up work.
    "worker_proc_alive_timeout": 300.0,
    # Libraries leak; a process that did so many runs makes room for a fresh one.
    "worker_max_tasks_per_child": 200,
    # Whoever watches asks; nobody listens to events.
    "worker_send_task_events": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}


def queue_of(job_name: str, tags: Mapping[str, str]) -> str:
    """The queue of a run: what its tag says, or what is usual for its job."""
    return tags.get(QUEUE_TAG) or QUEUE_OF_JOB.get(job_name, DEFAULT_QUEUE)
