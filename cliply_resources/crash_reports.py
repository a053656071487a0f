"""Tells a Sentry server of errors that nobody foresaw, where `CLIPLY_SENTRY_DSN` names one; of what and where, never of whom or with what.

A report holds the kind of the error, its scrubbed words, the functions and lines it came through, and the ids of request, upload
and step. Everything else that the client would send is left out: bodies, headers, query strings, local variables, users, breadcrumbs,
the command line, the environment.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from cliply_resources.errors import ToolMissing
from cliply_resources.notify import scrub
from cliply_resources.settings import Settings, get_settings

__all__ = ["report_crash", "scrubbed_event", "start_reports"]

TAGS = frozenset({"part", "request_id", "upload", "step", "run_id"})
KEPT = ("event_id", "timestamp", "platform", "level", "release", "environment", "sdk")
"""Of what the client writes into an event by itself."""
FRAME = ("filename", "module", "function", "lineno", "in_app")
LONGEST = 2000
FLUSH_SECONDS = 2.0

_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_QUERY = re.compile(r"\?[^\s\"'<>]+")
_LONG_SECRET = re.compile(r"\b[A-Za-z0-9_-]{40,}\b")
"""Keys and tokens of others look like nothing but length; our ids are shorter."""


def start_reports(settings: Settings, *, part: str) -> bool:
    """Begins to report from this process and from those it forks, as `part` (`api`, `pipeline`); says whether it does.

    Raises:
        ToolMissing: a server is named, and the client is not installed.
    """
    if settings.sentry_dsn is None:
        return False
    _started(settings.sentry_dsn.get_secret_value(), part)
    return True


@lru_cache(maxsize=1)
def _started(dsn: str, part: str) -> None:
    try:
        import sentry_sdk
    except ImportError as missing:
        raise ToolMissing(
            "CLIPLY_SENTRY_DSN is set, but the client that sends the reports is not installed.",
            remedy="Install it with: pip install 'cliply[sentry]', or unset CLIPLY_SENTRY_DSN.",
        ) from missing
    sentry_sdk.init(
        dsn=dsn,
        release=f"cliply@{version('cliply')}",
        before_send=scrubbed_event,
        before_breadcrumb=lambda _crumb, _hint: None,
        # What the client would hook itself into reports much that is no crash, and reads requests.
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        include_source_context=False,
        send_default_pii=False,
        max_request_body_size="never",
        auto_session_tracking=False,
        send_client_reports=False,
    )
    sentry_sdk.get_global_scope().set_tag("part", part)


def report_crash(error: BaseException, *, part: str, wait: bool = False, **tags: str | None) -> None:
    """Sends the error where a server is named, and does nothing where none is; never raises for what the server does.

    `wait` is for processes that end soon afterwards.
    """
    if not start_reports(get_settings(), part=part):
        return
    import sentry_sdk

    with sentry_sdk.new_scope() as scope:
        for name, value in tags.items():
            if value:
                scope.set_tag(name, value)
        scope.capture_exception(error)
    if wait:
        sentry_sdk.flush(FLUSH_SECONDS)


def scrubbed_event(event: Any, hint: Any) -> Any:
    """What may be told of an event: only what is named here, in scrubbed words."""
    said = _said(hint.get("exc_info", (None, None, None))[1])
    kept = {name: event[name] for name in KEPT if name in event}
    exceptions = [_exception(one, said) for one in (event.get("exception") or {}).get("values") or ()]
    tags = {name: _words(value) for name, value in (event.get("tags") or {}).items() if name in TAGS}
    return {**kept, "server_name": "", "exception": {"values": exceptions}, "tags": tags}


def _said(error: BaseException | None) -> dict[str, str]:
    """The words of the errors of a chain by their kind: the client itself would take the raw evidence in `detail` for them."""
    said: dict[str, str] = {}
    while error is not None and type(error).__name__ not in said:
        said[type(error).__name__] = str(error)
        error = error.__cause__ or error.__context__
    return said


def _exception(found: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    frames = (found.get("stacktrace") or {}).get("frames") or ()
    return {
        "type": found.get("type"),
        "module": found.get("module"),
        "value": _words(said.get(str(found.get("type")), "")),
        "mechanism": {"type": "generic", "handled": True},
        "stacktrace": {"frames": [{name: one[name] for name in FRAME if name in one} for one in frames]},
    }


def _words(value: Any) -> str:
    # A database's error ends with its statement and the statement's values, which are people's words.
    text = str(value or "").partition("\n[SQL:")[0].partition("\nDETAIL:")[0]
    text = _QUERY.sub("?…", _MAIL.sub("…", scrub(text)))
    return _LONG_SECRET.sub("…", text)[:LONGEST]
