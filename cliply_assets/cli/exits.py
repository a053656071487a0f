"""How the command ends, so that a script can tell what to do next."""

from enum import IntEnum

from cliply_resources.errors import CallerError, CliplyError, MediaError, ToolMissing, UpstreamError

__all__ = ["Exit", "exit_code"]


class Exit(IntEnum):
    """Exit codes of `cliply`; 2 is also what wrong usage ends with."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    BAD_INPUT = 3
    TOOL_MISSING = 4
    STEP_FAILED = 5
    UPSTREAM = 6
    INTERRUPTED = 130


def exit_code(error: CliplyError) -> Exit:
    """The exit code that tells a script what it can do about `error`."""
    if isinstance(error, (MediaError, CallerError)):
        return Exit.BAD_INPUT
    if isinstance(error, ToolMissing):
        return Exit.TOOL_MISSING
    if isinstance(error, UpstreamError):
        return Exit.UPSTREAM
    return Exit.STEP_FAILED
