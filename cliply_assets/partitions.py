"""The one partition of the pipeline: an upload and everything made from it."""

import dagster as dg

__all__ = ["REQUEST_TAG", "UPLOAD_TAG", "WORKSPACE_TAG", "uploads"]

uploads = dg.DynamicPartitionsDefinition(name="uploads")
"""Partition key = upload id. Sensors and the command line add keys; retention removes them."""

UPLOAD_TAG = "cliply/upload"
WORKSPACE_TAG = "cliply/workspace"
"""Run tags; the workspace's one carries the fair share between tenants."""
REQUEST_TAG = "cliply/request_id"
"""Run tag: the id of the web request that asked for the work, as it stands in the web application's log."""
