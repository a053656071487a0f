"""Which bytes of an object a request asks for (RFC 9110, section 14). Pure."""

import re
from dataclasses import dataclass

__all__ = ["ByteRange", "RangeRefused", "wanted_range"]

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")


class RangeRefused(ValueError):
    """No byte of the object lies in the range."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1


def wanted_range(header: str | None, size: int) -> ByteRange | None:
    """The range of an object of `size` bytes that a `Range` header asks for; nothing where the whole is to be sent.

    What is not understood is ignored, as the standard wants it, and so are several ranges at once.

    Raises:
        RangeRefused: it is understood and lies outside of the object.
    """
    found = _RANGE.fullmatch(header) if header is not None else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise RangeRefused
        return ByteRange(size - length, size - 1)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise RangeRefused
    return ByteRange(int(first), min(int(last), size - 1) if last else size - 1)
