"""What the fork server does once, so that no step has to: imports, and the job resolved from its definitions."""

import cliply_assets.cli.main
from cliply_assets.definitions import defs
from cliply_assets.instance.lifeline import end_with_parent

__all__ = ["cliply_assets"]

for job in ("analyze", "render", "make_clips"):
    defs.resolve_job_def(job)
end_with_parent()
