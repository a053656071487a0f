"""What the fork server does once, so that no step has to.

A step otherwise spends half a second of processor time on imports alone, most of it on Dagster's storage (alembic, mako).
"""

from importlib import import_module

import dagster._core.storage.noop_compute_log_manager
import psycopg2.extras
import upath.core

import cliply_assets.cli.main
import cliply_assets.instance.launcher
import cliply_assets.instance.storage
from cliply_assets.definitions import defs
from cliply_assets.instance.fork_server import LIBRARIES
from cliply_assets.instance.lifeline import end_with_parent

__all__ = ["cliply_assets", "dagster", "psycopg2", "upath"]

for library in LIBRARIES:
    import_module(library)
for job in ("analyze", "render", "make_clips"):
    defs.resolve_job_def(job)
end_with_parent()
