"""Structured logs: one JSON object a line, with the request's id, user and workspace, and without secrets."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

__all__ = ["configure_logs", "redact"]

SECRET_NAMES = re.compile(
    r"pass(word|wd)?$|secret|token|authorization|cookie|api_?key|signature|credential", re.IGNORECASE
)
HARMLESS_NAMES = {"token_id", "tokens"}
MEANT_TO_BE_SEEN = "developer_link"
"""Written only where there is no mail server, so that a developer gets at the links."""
SECRET_SHAPES = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # JSON web tokens
    r"|\bcliply_[a-z]{2}_[A-Za-z0-9_-]{20,}"  # our own
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user and password in a URL
    r"|(?i:(?<=bearer )\S+)"
    r"|(?i:(?<=token=)[\w.~-]+)"
)
REDACTED = "[redacted]"


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blanks what is named or looks like a secret, at any depth."""
    for name in list(event):
        if name != MEANT_TO_BE_SEEN:
            event[name] = _clean(name, event[name])
    return event


def _clean(name: str, value: Any) -> Any:
    if SECRET_NAMES.search(name) and name not in HARMLESS_NAMES and value:
        return REDACTED
    if isinstance(value, str):
        return SECRET_SHAPES.sub(REDACTED, value)
    if isinstance(value, dict):
        return {key: _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", inner) for inner in value]
    return value


def configure_logs() -> None:
    """Sends structlog's and the standard library's records to standard error, redacted."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
