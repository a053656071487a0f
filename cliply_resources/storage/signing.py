"""Links to locally stored objects that expire and cannot be forged: pure, no clock, no disk.

A link is `/objects/{key}?expires=…&…&signature=…`, where the signature is HMAC-SHA256 over everything else in it and
the HTTP method. Who serves it calls `verify` and does what the returned `SignedRequest` says, nothing else.
"""

import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from cliply_resources.errors import CallerError
from cliply_resources.storage.keys import check_key

__all__ = ["OBJECTS_PATH", "LinkRefused", "SignedRequest", "content_disposition", "content_type_of", "sign", "verify"]

OBJECTS_PATH = "/objects/"
"""Where the service that serves links mounts them, below its base URL."""

MAX_FILENAME_LENGTH = 150
"""Characters; file systems allow 255 bytes, and a letter may take several."""

_CONTENT_TYPES = {
    "aac": "audio/aac",
    "ass": "text/x-ssa",
    "edl": "text/plain; charset=utf-8",
    "fcpxml": "application/xml",
    "gif": "image/gif",
    "jpg": "image/jpeg",
    "json": "application/json",
    "m4a": "audio/mp4",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "otf": "font/otf",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "srt": "application/x-subrip; charset=utf-8",
    "ttf": "font/ttf",
    "vtt": "text/vtt; charset=utf-8",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xml": "application/xml",
    "zip": "application/zip",
}
# Nothing here is run by a browser: neither HTML nor SVG, so that a stored object can never act as a page of ours.


class LinkRefused(CallerError):
    """The link is forged, altered, used for something else, or has expired."""

    code = "LINK_REFUSED"


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a link allows."""

    method: str
    """`GET` or `PUT`."""
    key: str
    expires: int
    """Unix seconds; the link works before, not at, this moment."""
    size: int | None = None
    """`PUT`: the exact number of bytes."""
    content_type: str | None = None
    """`PUT`: the exact content type."""
    filename: str | None = None
    """`GET`: what to call the file that a browser saves."""


def sign(request: SignedRequest, *, secret: bytes) -> str:
    """The path and query of a link for `request`; put a base URL before it."""
    check_key(request.key)
    query = {
        name: str(value)
        for name, value in (
            ("expires", request.expires),
            ("size", request.size),
            ("type", request.content_type),
            ("filename", request.filename),
        )
        if value is not None
    }
    query["signature"] = _signature(request, secret)
    return f"{OBJECTS_PATH}{quote(request.key)}?{urlencode(query)}"


def verify(method: str, target: str, *, secret: bytes, now: float) -> SignedRequest:
    """What the link `target` (path and query, from `OBJECTS_PATH` on) allows, if it is ours and has not expired.

    A `HEAD` is judged as a `GET`. `now` is in Unix seconds.

    Raises:
        LinkRefused: it is not for this method, was altered, or has expired.
    """
    asked = _parse("GET" if method == "HEAD" else method, target)
    if asked is None or not hmac.compare_digest(_signature(asked[0], secret), asked[1]):
        raise LinkRefused("This link is not valid; ask for a new one.")
    if now >= asked[0].expires:
        raise LinkRefused("This link has expired; ask for a new one.")
    return asked[0]


def _parse(method: str, target: str) -> tuple[SignedRequest, str] | None:
    path, _, query = target.partition("?")
    if not path.startswith(OBJECTS_PATH):
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=8)
        fields = dict(pairs)
        if len(fields) != len(pairs) or not fields.keys() <= {"expires", "size", "type", "filename", "signature"}:
            return None
        # Percent signs never occur in a key, so a path that had to be decoded is not one of ours.
        key = check_key(path.removeprefix(OBJECTS_PATH))
        request = SignedRequest(
            method=method,
            key=key,
            expires=_number(fields["expires"]),
            size=_number(fields["size"]) if "size" in fields else None,
            content_type=fields.get("type"),
            filename=fields.get("filename"),
        )
        return request, fields["signature"].encode("ascii").decode()
    except (CallerError, KeyError, ValueError):
        return None


def _number(text: str) -> int:
    if not re.fullmatch(r"(?:0|[1-9][0-9]{0,18})", text):
        raise ValueError(text)
    return int(text)


def _signature(request: SignedRequest, secret: bytes) -> str:
    # JSON of a fixed list: no two different requests are the same bytes, whatever their texts contain.
    message = msgspec.json.encode(msgspec.structs.astuple(request))
    return hmac.new(secret, b"cliply-object-link-1\n" + message, hashlib.sha256).hexdigest()


def content_disposition(filename: str) -> str:
    """A header that makes a browser save under `filename`, whatever characters a user put in it (RFC 6266)."""
    clean = re.sub(r'[\x00-\x1f\x7f-\x9f/\\"<>|:*?\u200e\u200f\u202a-\u202e\u2066-\u2069]+', " ", filename)
    clean = " ".join(clean.encode("utf-8", "ignore").decode().split())[:MAX_FILENAME_LENGTH].strip(" .") or "file"
    plain = clean.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe='')}"


def content_type_of(key: str) -> str:
    """The content type that a key's suffix stands for; unknown ones are plain bytes."""
    return _CONTENT_TYPES.get(key.rpartition(".")[2].lower(), "application/octet-stream")
