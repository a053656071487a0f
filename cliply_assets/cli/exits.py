"""How the command ends, so that a script can tell what to do next."""

from collections.abc import Iterator
from enum import IntEnum

from cliply_resources.errors import CallerError, CliplyError, MediaError, ToolMissing, UpstreamError

__all__ = ["Exit", "exit_code", "exit_of_failure"]


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
    return _exit_of(type(error))


def exit_of_failure(code: str) -> Exit:
    """The same for a step that failed in another process, which handed on the error's `code`."""
    return _exit_of(next((kind for kind in _kinds(CliplyError) if kind.code == code), CliplyError))


def _exit_of(kind: type[CliplyError]) -> Exit:
    if issubclass(kind, (MediaError, CallerError)):
        return Exit.BAD_INPUT
    if issubclass(kind, ToolMissing):
        return Exit.TOOL_MISSING
    if issubclass(kind, UpstreamError):
        return Exit.UPSTREAM
    return Exit.STEP_FAILED


def _kinds(root: type[CliplyError]) -> Iterator[type[CliplyError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _kinds(kind)
