"""Every error that leaves the API: one shape, one list of codes, one place that maps.

    {"error": {"code": "NOT_FOUND", "message": "There is no such clip.", "trace_id": "…", "details": […]}}

Handlers raise `cliply_resources.errors` (`NotFound`, `Conflict`, `CallerError`, `TryLater`) or an `ApiError`; nobody builds a reply.
"""

import math
from enum import StrEnum
from typing import Any

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from sqlalchemy.exc import DBAPIError

from cliply_api.web.facts import facts_of
from cliply_api.web.responses import ApiResponse
from cliply_resources.crash_reports import report_crash
from cliply_resources.database.patience import what_passes
from cliply_resources.errors import (
    CallerError,
    CliplyError,
    Conflict,
    MediaError,
    NotFound,
    Rejected,
    ToolMissing,
    TryLater,
)

__all__ = [
    "ApiError",
    "ErrorBody",
    "ErrorCode",
    "ErrorDetail",
    "ErrorReply",
    "Forbidden",
    "RateLimited",
    "Unauthenticated",
    "as_reply",
]

log = structlog.get_logger("cliply_api.errors")


class ErrorCode(StrEnum):
    """What a program may branch on. Codes are added, never renamed."""

    BAD_REQUEST = "BAD_REQUEST"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105 - the name of an error, not a secret
    FORBIDDEN = "FORBIDDEN"
    CSRF_FAILED = "CSRF_FAILED"
    READ_ONLY = "READ_ONLY"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    WORKSPACE_SUSPENDED = "WORKSPACE_SUSPENDED"
    WORKSPACE_REQUIRED = "WORKSPACE_REQUIRED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CONFLICT = "CONFLICT"
    LAST_OWNER = "LAST_OWNER"
    LINK_INVALID = "LINK_INVALID"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    MEDIA_REFUSED = "MEDIA_REFUSED"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    RATE_LIMITED = "RATE_LIMITED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    UPSTREAM_REJECTED = "UPSTREAM_REJECTED"
    TOOL_MISSING = "TOOL_MISSING"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"


class ErrorDetail(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing that is wrong with a request."""

    message: str
    field: str | None = None
    """Where in the body (`settings.clips`), or the parameter's name."""
    place: str | None = None
    """`body`, `query`, `path`, `header` or `cookie`."""


class ErrorBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What went wrong, for programs (`code`) and for people (`message`)."""

    code: ErrorCode
    message: str
    trace_id: str
    """Name it when you ask for help; our logs know the request by it."""
    details: list[ErrorDetail] | None = None


class ErrorReply(msgspec.Struct, kw_only=True):
    """The body of every answer with a status of 400 and above."""

    error: ErrorBody


class ApiError(CliplyError):
    """An error that only exists over HTTP; its subclass or caller names status and code."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: ErrorCode,
        headers: dict[str, str] | None = None,
        details: list[ErrorDetail] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = code
        self.headers = headers or {}
        self.details = details


class Unauthenticated(ApiError):
    """The request lacks a proof of who it is from, or the proof is not valid (any more)."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.UNAUTHENTICATED) -> None:
        super().__init__(message, status=401, code=code, headers={"WWW-Authenticate": 'Bearer realm="cliply"'})


class Forbidden(ApiError):
    """We know who it is, and that is not enough."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.FORBIDDEN) -> None:
        super().__init__(message, status=403, code=code)


class RateLimited(ApiError):
    """Too many requests; `wait_seconds` from now there is room for one."""

    def __init__(self, wait_seconds: float, of_what: str = "requests") -> None:
        seconds = max(1, math.ceil(wait_seconds))
        super().__init__(
            f"These are too many {of_what}. Try again in {seconds} s.",
            status=429,
            code=ErrorCode.RATE_LIMITED,
            headers={"Retry-After": str(seconds)},
        )


OF_ERRORS: tuple[tuple[type[CliplyError], int, ErrorCode], ...] = (
    (NotFound, 404, ErrorCode.NOT_FOUND),
    (Conflict, 409, ErrorCode.CONFLICT),
    (CallerError, 400, ErrorCode.BAD_REQUEST),
    (MediaError, 422, ErrorCode.MEDIA_REFUSED),
    (TryLater, 503, ErrorCode.SERVICE_UNAVAILABLE),
    (Rejected, 502, ErrorCode.UPSTREAM_REJECTED),
    (ToolMissing, 503, ErrorCode.TOOL_MISSING),
)
"""The first that fits."""

OF_STATUS = {
    401: (ErrorCode.UNAUTHENTICATED, "Sign in, and send the access token as “Authorization: Bearer …”."),
    403: (ErrorCode.FORBIDDEN, "You may not do this."),
    404: (ErrorCode.NOT_FOUND, "There is nothing at this address."),
    405: (ErrorCode.METHOD_NOT_ALLOWED, "This address does not know that method."),
    409: (ErrorCode.CONFLICT, "This cannot be done now."),
    413: (ErrorCode.BODY_TOO_LARGE, "The request's body is too large. Films go to the storage by signed URL."),
    415: (ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json."),
    429: (ErrorCode.RATE_LIMITED, "These are too many requests. Try again later."),
}
UNREADABLE = (UnicodeDecodeError, RecursionError)
"""What the decoder raises, besides its own errors, for bytes that are no UTF-8 and for a hundred thousand brackets."""
RETRY_SECONDS = 2.0
"""Where nobody knows better: a database that restarts is back by then."""


def as_reply(request: Request[Any, Any, Any], error: Exception) -> ApiResponse[ErrorReply]:
    """The answer to any exception; what nobody foresaw is logged whole and told as INTERNAL_ERROR."""
    facts = facts_of(request.scope)
    found = _innermost(error)
    if isinstance(found, UNREADABLE) and not facts.entered:
        found = ApiError("The body is no JSON that can be read.", status=400, code=ErrorCode.VALIDATION_FAILED)
    status, body, headers = _judge(found)
    if status == 500:
        report_crash(found, part="api", request_id=facts.request_id)
    body.trace_id = facts.request_id
    return ApiResponse(ErrorReply(error=body), status_code=status, headers=headers, media_type="application/json")


def _innermost(error: BaseException) -> BaseException:
    """Failures while dependencies are put away come in groups; one of ours says more than the group."""
    while isinstance(error, BaseExceptionGroup):
        inside = error.exceptions
        error = next((one for one in inside if isinstance(one, CliplyError)), inside[0])
    return error


def _judge(error: BaseException) -> tuple[int, ErrorBody, dict[str, str]]:
    if isinstance(error, ApiError):
        return error.status, _body(error.error_code, str(error), error.details), error.headers
    if isinstance(error, CliplyError):
        return _judge_ours(error)
    if isinstance(error, HTTPException):
        return _judge_http(error)
    if isinstance(error, DBAPIError) and (passing := what_passes(error)) is not None:
        return _judge_ours(passing)
    if isinstance(error, DBAPIError) and (found := _judge_database(error)) is not None:
        return found
    log.error("unforeseen", exc_info=error)
    return 500, _body(ErrorCode.INTERNAL_ERROR, "Something went wrong on our side; it was written down."), {}


def _judge_ours(error: CliplyError) -> tuple[int, ErrorBody, dict[str, str]]:
    for kind, status, code in OF_ERRORS:
        if isinstance(error, kind):
            if status == 503:
                log.warning("unavailable", reason=str(error))
                wait = getattr(error, "retry_after", None) or RETRY_SECONDS
                return status, _body(code, str(error)), {"Retry-After": str(math.ceil(wait))}
            return status, _body(code, str(error)), {}
    log.error("unforeseen", exc_info=error)
    return 500, _body(ErrorCode.INTERNAL_ERROR, str(error)), {}


def _judge_http(error: HTTPException) -> tuple[int, ErrorBody, dict[str, str]]:
    headers = {name: str(value) for name, value in (error.headers or {}).items()}
    if isinstance(error, ValidationException):
        message = "The request is not understood; see the details."
        return 400, _body(ErrorCode.VALIDATION_FAILED, message, _details(error)), headers
    if error.status_code == 400:
        return 400, _body(ErrorCode.VALIDATION_FAILED, f"The request is not understood: {error.detail}."), headers
    if error.status_code >= 500:
        log.error("unforeseen", exc_info=error)
    fallback = (ErrorCode.INTERNAL_ERROR, "Something went wrong on our side; it was written down.")
    code, message = OF_STATUS.get(error.status_code, fallback)
    return error.status_code, _body(code, message), headers


def _judge_database(error: DBAPIError) -> tuple[int, ErrorBody, dict[str, str]] | None:
    """A net under the handlers: what the database refuses because of the values is the caller's."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state.startswith("22") or state == "23514":
        log.warning("refused by the database", sqlstate=state)
        return 400, _body(ErrorCode.VALIDATION_FAILED, "The request holds a value that cannot be stored."), {}
    if state in {"23505", "23503"}:
        log.warning("refused by the database", sqlstate=state)
        return 409, _body(ErrorCode.CONFLICT, "This contradicts what is stored already."), {}
    return None


def _details(error: ValidationException) -> list[ErrorDetail] | None:
    found = error.extra if isinstance(error.extra, list) else []
    return [
        ErrorDetail(
            message=str(one.get("message", "")),
            field=str(one["key"]) if one.get("key") else None,
            place=str(getattr(one["source"], "value", one["source"])) if one.get("source") else None,
        )
        for one in found
        if isinstance(one, dict)
    ] or [ErrorDetail(message=str(error.detail))]


def _body(code: ErrorCode, message: str, details: list[ErrorDetail] | None = None) -> ErrorBody:
    return ErrorBody(code=code, message=message, trace_id="", details=details)
