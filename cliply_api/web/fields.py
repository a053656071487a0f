"""Types for everything that comes in: bounded, and free of bytes that a database refuses.

A plain `str` in a request struct is a mistake (it takes NUL bytes and gigabytes); a test looks for them.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from cliply_resources.errors import CallerError

__all__ = [
    "MOMENT",
    "Code",
    "Email",
    "Line",
    "LongText",
    "Name",
    "Password",
    "Request",
    "Secret",
    "TimeZone",
    "Url",
    "View",
    "moment",
]

CLEAN_LINE = r"^[^\x00-\x1f\x7f]*$(?!\n)"
CLEAN_TEXT = r"^[^\x00]*$"

Line = Annotated[str, Meta(max_length=300, pattern=CLEAN_LINE)]
"""One line, perhaps empty."""
Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]*$(?!\n)")]
"""One line that says something."""
LongText = Annotated[str, Meta(max_length=5000, pattern=CLEAN_TEXT)]
Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f\x7f<>(),;:\\\"\[\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$(?!\n)",
        examples=["ada@example.com"],
    ),
]
Password = Annotated[
    str, Meta(min_length=10, max_length=200, pattern=CLEAN_TEXT, examples=["correct horse battery staple"])
]
Secret = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[A-Za-z0-9_.~-]*$(?!\n)")]
"""A token of ours, as we wrote it."""
Code = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[a-z][a-z0-9_.:*-]*$(?!\n)")]
"""A word of a fixed vocabulary."""
TimeZone = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]*$(?!\n)", examples=["Europe/Berlin"])
]
"""An IANA name, which `zone_named` of `cliply_resources.posts.times` looks up."""
Url = Annotated[str, Meta(min_length=8, max_length=4096, pattern=r"^https?://[^\s\x00-\x1f\x7f]*$(?!\n)")]


MOMENT = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$(?!\n)"
"""A moment among the parameters, which are declared as `str`: as a `datetime`, any number would pass for one."""


def moment(given: str | None, name: str) -> datetime | None:
    """The moment that a parameter names.

    Raises:
        CallerError: there is no such day or time.
    """
    if given is None:
        return None
    try:
        found: datetime = msgspec.convert(given, Annotated[datetime, Meta(tz=True)])
    except msgspec.ValidationError as failure:
        raise CallerError(f"{name} is no moment: “{given}”. Write it as 2026-11-20T10:00:00Z.") from failure
    return found


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of every body that comes in; a field that we do not know is refused, not ignored."""


class View(msgspec.Struct, kw_only=True):
    """Base of every body that goes out."""
