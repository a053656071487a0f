"""Every error Cliply raises on purpose, split by what the caller can do about it.

* CliplyError
  x CallerError            the caller can fix it
    + NotFound  + Conflict
  x MediaError             the input itself is unusable; trying again cannot help
  x ToolMissing            this machine lacks something; `remedy` is the command that helps
  x StepFailed             the work could not be done here; `reason` is for the user
    + DeadlineExceeded     it took longer than it may
  x UpstreamError          somebody else's system
    + TryLater             safe to repeat after `retry_after` seconds
      + NotSent            no connection: the other side certainly did nothing
    + Rejected             will fail the same way again

Every message is a whole sentence for the person who gave the input: what, why, and what to do.
"""

__all__ = [
    "CallerError",
    "CliplyError",
    "Conflict",
    "DeadlineExceeded",
    "MediaError",
    "NotFound",
    "NotSent",
    "Rejected",
    "StepFailed",
    "ToolMissing",
    "TryLater",
    "UpstreamError",
]


class CliplyError(Exception):
    """Anything Cliply says on purpose. `code` is stable and machine-readable; `str(error)` is for people."""

    code = "CLIPLY_ERROR"


class CallerError(CliplyError):
    """The request cannot be served as asked; the caller can change it."""

    code = "BAD_REQUEST"


class NotFound(CallerError):
    """What was named does not exist, or not for this workspace."""

    code = "NOT_FOUND"


class Conflict(CallerError):
    """The thing is in a state that does not allow this now."""

    code = "CONFLICT"


class MediaError(CliplyError):
    """The media is unusable: missing, empty, broken, of a refused kind or over a limit. Never retried."""

    code = "MEDIA_REFUSED"


class ToolMissing(CliplyError):
    """A program, model or library this work needs is not installed; `remedy` says how to get it."""

    code = "TOOL_MISSING"

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.remedy = remedy


class StepFailed(CliplyError):
    """Work that should have succeeded did not. `detail` is the raw evidence for operators."""

    code = "STEP_FAILED"

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class DeadlineExceeded(StepFailed):
    """The work was stopped because it took longer than it may."""

    code = "DEADLINE_EXCEEDED"


class UpstreamError(CliplyError):
    """Somebody else's system did not do its part."""

    code = "UPSTREAM_ERROR"


class TryLater(UpstreamError):
    """Safe to repeat, after `retry_after` seconds where the other side named a time."""

    code = "UPSTREAM_BUSY"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotSent(TryLater):
    """There was no connection, so nothing of the request left this machine."""


class Rejected(UpstreamError):
    """The other system refused, and would refuse the same request again."""

    code = "UPSTREAM_REJECTED"
