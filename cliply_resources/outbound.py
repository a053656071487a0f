"""The HTTP client: what Cliply asks of others goes through `fetch`, under one of two policies.

* `PUBLIC` is for URLs that a user typed: https on its own port, public addresses only, few redirects, each checked anew.
* `CONFIGURED` is for base URLs that the operator of this installation set: any address, no redirects.

Under both there is an end to time and bytes, and no proxy is taken from the environment. Model weights alone go another way
(`models.py`): gigabytes that an operator asks for by name, which go on where a broken connection left them.
"""

import os
import re
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, TypeVar

import httpcore2
import httpx2
import msgspec

from cliply_resources.addresses import Network, is_inside, is_public
from cliply_resources.connections import AddressRefused, BodyTooLarge, BoundedTransport, Resolver, resolve_with_system
from cliply_resources.errors import CallerError, CliplyError, NotSent, Rejected, StepFailed, TryLater

__all__ = [
    "CONFIGURED",
    "PUBLIC",
    "FileSlice",
    "OutboundPolicy",
    "Reply",
    "check_url",
    "exchange",
    "fetch",
    "post_once",
    "retry_after_seconds",
]

Decoded = TypeVar("Decoded")

MAX_BYTES = 8 * 1024 * 1024
TIMEOUT_SECONDS = 30.0
MAX_URL_LENGTH = 4096
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0
"""A server that wants more is not waited for longer before it is asked again."""
EXCERPT_CHARACTERS = 200
CHUNK_BYTES = 1024 * 1024

_REDIRECTS = {301, 302, 303, 307, 308}
_FAILURES = (
    AddressRefused,
    BodyTooLarge,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpx2.DecodingError,
)
_BUSY = {408, 425, 429}
_CROSS_ORIGIN_HEADERS = {"accept", "accept-encoding", "accept-language", "user-agent"}
"""All that another server than the one asked is told; any other header may be a credential."""
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_BASE_HEADERS = {
    "user-agent": "Cliply",
    # Only what can be decompressed in bounded pieces.
    "accept-encoding": "gzip, deflate",
}


@dataclass(frozen=True, kw_only=True)
class OutboundPolicy:
    """Where requests may go."""

    schemes: frozenset[str]
    ports: frozenset[int] | None
    """`None` allows every port."""
    public_only: bool
    max_redirects: int
    private_networks: tuple[Network, ...] = ()
    """Networks that may be connected to although they are not public."""
    resolver: Resolver = field(default=resolve_with_system, repr=False)
    tls: ssl.SSLContext | None = None
    """Which certificates are trusted; unset trusts what the machine trusts."""

    def may_connect(self, address: str) -> bool:
        """Whether a socket to `address` may be opened."""
        return not self.public_only or is_public(address) or is_inside(address, self.private_networks)


PUBLIC = OutboundPolicy(schemes=frozenset({"https"}), ports=frozenset({443}), public_only=True, max_redirects=5)
"""For URLs that a user typed. Where plain http is wanted, add the scheme and port 80 with `dataclasses.replace`."""

CONFIGURED = OutboundPolicy(schemes=frozenset({"http", "https"}), ports=None, public_only=False, max_redirects=0)
"""For base URLs of the operator, such as a language model at `http://127.0.0.1:8080`."""


@dataclass(frozen=True, kw_only=True)
class FileSlice:
    """`length` bytes of a file from `offset` on, sent piece by piece."""

    path: Path
    offset: int
    length: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, decompressed; header names are in lower case. What `fetch` returns is always a 2xx."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str
    """Where it came from in the end."""

    def json(self, wanted: type[Decoded]) -> Decoded:
        """The body read as JSON of the type `wanted` (a struct, or `dict` or `list`).

        Raises:
            Rejected: it is something else.
        """
        try:
            return msgspec.json.decode(self.body, type=wanted)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(f"{_host_of(self.url)} answered with something that was not expected: {error}.") from error


@dataclass(frozen=True, kw_only=True)
class _Asked:
    method: str
    headers: dict[str, str]
    body: bytes | Path | FileSlice | None
    policy: OutboundPolicy
    max_bytes: int


def fetch(
    url: str,
    *,
    policy: OutboundPolicy,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    json: object = None,
    body: bytes | Path | None = None,
    timeout: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> Reply:
    """One request and its whole answer, within `timeout` seconds in all and `max_bytes` of body.

    `json` is sent as JSON; `body` as it is, a file piece by piece. Redirects are followed for GET and HEAD only.

    Raises:
        CallerError: the URL is not one that the policy allows, or not a URL.
        TryLater: no answer in time, no connection, or 408, 425, 429 or 5xx; `retry_after` is what the server asked for.
        Rejected: any other answer but 2xx, a redirect that may not be followed, a body over the limit.
    """
    sent = {name.lower(): value for name, value in {**_BASE_HEADERS, **(headers or {})}.items()}
    sent.pop("host", None)
    if json is not None:
        body = msgspec.json.encode(json)
        sent.setdefault("content-type", "application/json")
    asked = _Asked(method=method, headers=sent, body=body, policy=policy, max_bytes=max_bytes)
    end = time.monotonic() + timeout
    target = check_url(url, policy)
    for _ in range(policy.max_redirects + 1):
        reply = _exchange(target, asked, end - time.monotonic())
        if reply.status not in _REDIRECTS:
            return _judged(reply, asked)
        if method not in {"GET", "HEAD"} or "location" not in reply.headers or policy.max_redirects == 0:
            raise Rejected(f"{target.host} answered with a redirect ({reply.status}), which is not followed here.")
        following = _joined(target, reply.headers["location"], policy)
        if _origin(following) != _origin(target):
            kept = {name: value for name, value in asked.headers.items() if name in _CROSS_ORIGIN_HEADERS}
            asked = replace(asked, headers=kept)
        target = following
    raise Rejected(f"{_host_of(url)} redirects more than {policy.max_redirects} times.")


def exchange(
    url: str,
    *,
    policy: OutboundPolicy,
    method: str,
    headers: Mapping[str, str],
    body: bytes | FileSlice | None = None,
    timeout: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> Reply:
    """One request, exactly once, and its answer, whatever its status says; redirects are never followed.

    Raises:
        CallerError: the URL, or where it leads to, is not allowed by the policy.
        NotSent: no connection, so the other side certainly did nothing.
        TryLater: the request, or part of it, was sent, and no whole answer came back in time.
        Rejected: a body over the limit, or one that cannot be read.
    """
    sent = {**_BASE_HEADERS, **{name.lower(): value for name, value in headers.items()}}
    asked = _Asked(method=method, headers=sent, body=body, policy=policy, max_bytes=max_bytes)
    return _exchange(check_url(url, policy), asked, timeout)


def post_once(
    url: str,
    *,
    policy: OutboundPolicy,
    headers: Mapping[str, str],
    body: bytes,
    timeout: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
) -> Reply:
    """One POST and its answer, whatever its status says; redirects are never followed, and their bodies not read.

    Raises:
        CallerError: the URL, or where it leads to, is not allowed by the policy.
        TryLater: no answer in time, or no connection.
        Rejected: a body over the limit, or one that cannot be read.
    """
    return exchange(url, policy=policy, method="POST", headers=headers, body=body, timeout=timeout, max_bytes=max_bytes)


def retry_after_seconds(value: str | None, *, now: float) -> float | None:
    """What a `Retry-After` header asks for, in seconds from `now` (Unix seconds); `None` where it makes no sense."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(moment - now, 0.0), MAX_RETRY_AFTER_SECONDS)


def check_url(url: str, policy: OutboundPolicy) -> httpx2.URL:
    """The URL, if its text alone gives no reason to refuse it; where its host leads is checked when connecting.

    Raises:
        CallerError: it is not a URL, or not one that the policy allows.
    """
    if len(url) > MAX_URL_LENGTH:
        raise CallerError(f"This URL has {len(url)} characters; at most {MAX_URL_LENGTH} are accepted.")
    # Browsers and libraries disagree on what these mean, and a disagreement is how checks are passed.
    if re.search(r"[\x00-\x20\x7f-\x9f\\]", url):
        raise CallerError(
            "This URL contains a space, a backslash or a control character; encode it as %20 or the like."
        )
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise CallerError(f"{url[:200]!r} is not a URL: {error}.") from error
    host = parsed.raw_host.decode("ascii", "replace")
    if parsed.scheme not in policy.schemes:
        raise CallerError(f"{url[:200]!r} begins with {parsed.scheme or 'no scheme'}; use {_listed(policy.schemes)}.")
    if not _HOST.fullmatch(host):
        raise CallerError(f"{url[:200]!r} names no host that could be asked.")
    if parsed.userinfo:
        raise CallerError(f"The URL for {host} contains a user name or password; leave it out.")
    port = parsed.port or {"http": 80, "https": 443}[parsed.scheme]
    if policy.ports is not None and port not in policy.ports:
        raise CallerError(
            f"The URL for {host} names port {port}; only {_listed(map(str, sorted(policy.ports)))} may be used."
        )
    return parsed


def _joined(base: httpx2.URL, location: str, policy: OutboundPolicy) -> httpx2.URL:
    try:
        joined = str(base.join(location))
    except httpx2.InvalidURL as error:
        raise Rejected(f"{base.host} redirects to something that is not a URL.") from error
    try:
        return check_url(joined, policy)
    except CallerError as error:
        raise CallerError(f"{base.host} redirects to where Cliply does not go. {error}") from error


def _exchange(url: httpx2.URL, asked: _Asked, seconds: float) -> Reply:
    transport = BoundedTransport(
        resolver=asked.policy.resolver,
        may_connect=asked.policy.may_connect,
        seconds=seconds,
        max_bytes=asked.max_bytes,
        tls=asked.policy.tls or _machine_trust(),
    )
    try:
        with transport, _opened(asked.body) as (content, length):
            headers = asked.headers if length is None else {**asked.headers, "content-length": str(length)}
            request = httpx2.Request(asked.method, url, headers=headers, content=content)
            response = transport.handle_request(request)
            try:
                received = b"" if response.status_code in _REDIRECTS else _read(response, asked.max_bytes)
            finally:
                response.close()
    except _FAILURES as error:
        raise _said(error, url.host, asked.max_bytes) from error
    kept = {name.lower(): value for name, value in response.headers.items()}
    return Reply(status=response.status_code, headers=kept, body=received, url=str(url))


@contextmanager
def _opened(body: bytes | Path | FileSlice | None) -> Iterator[tuple[bytes | Iterator[bytes] | None, int | None]]:
    """What is to be sent, and how long it is where that cannot be seen from it."""
    if body is None or isinstance(body, bytes):
        yield body, None
        return
    path = body.path if isinstance(body, FileSlice) else body
    try:
        file = path.open("rb")
    except OSError as error:
        raise StepFailed(f"{path} cannot be sent because it cannot be read: {error.strerror}.") from error
    with file:
        size = os.fstat(file.fileno()).st_size
        first, length = (body.offset, body.length) if isinstance(body, FileSlice) else (0, size)
        if first + length > size:
            raise StepFailed(f"{path} has only {size} bytes; {length} from {first} on were to be sent.")
        file.seek(first)
        yield _pieces(file, length), length


def _pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0:
        piece = file.read(min(CHUNK_BYTES, length))
        if not piece:
            return
        length -= len(piece)
        yield piece


def _read(response: httpx2.Response, max_bytes: int) -> bytes:
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes and "content-encoding" not in response.headers:
        raise BodyTooLarge
    received = bytearray()
    for part in response.iter_bytes():
        received += part
        if len(received) > max_bytes:
            raise BodyTooLarge
    return bytes(received)


def _judged(reply: Reply, asked: _Asked) -> Reply:
    """The reply, if it is a success."""
    if 200 <= reply.status < 300:
        return reply
    host = _host_of(reply.url)
    why = "" if asked.policy.public_only else _excerpt(reply, asked.headers)
    if reply.status in _BUSY or reply.status >= 500:
        later = retry_after_seconds(reply.headers.get("retry-after"), now=time.time())
        raise TryLater(f"{host} cannot answer now ({reply.status}){why}.", retry_after=later)
    raise Rejected(f"{host} refused the request ({reply.status}){why}.")


def _excerpt(reply: Reply, headers: Mapping[str, str]) -> str:
    """The beginning of what an operator's own endpoint says, without anything that was sent to it as a secret."""
    text = reply.body[: 10 * EXCERPT_CHARACTERS].decode("utf-8", "replace")
    for name, value in headers.items():
        if name not in {*_BASE_HEADERS, "accept", "content-type"}:
            for secret in {value, value.rpartition(" ")[2]} - {""}:
                text = text.replace(secret, "…")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:EXCERPT_CHARACTERS]
    return f": {text}" if text else ""


def _said(error: Exception, host: str, max_bytes: int) -> CliplyError:
    """What went wrong on the way, in the caller's terms."""
    said: CliplyError
    match error:
        case AddressRefused():
            said = CallerError(
                f"{error.host} leads to {error.address}, which is not a public address; only public servers may be named."
            )
        case BodyTooLarge():
            said = Rejected(f"{host} answered with more than the {max_bytes} bytes that are accepted.")
        case httpx2.DecodingError():
            said = Rejected(f"{host} answered with a compressed body that cannot be read.")
        case httpcore2.LocalProtocolError():
            said = CallerError(f"The request to {host} cannot be sent: {error}.")
        case httpcore2.ConnectTimeout():
            said = NotSent(f"{host} did not answer in time ({error}).")
        case httpcore2.TimeoutException():
            said = TryLater(f"{host} did not answer in time ({error}).")
        case httpcore2.ConnectError(args=[ssl.SSLCertVerificationError()]):
            said = Rejected(f"{host} shows a certificate that is not valid for it: {error}.")
        case httpcore2.ConnectError():
            said = NotSent(f"{host} cannot be reached, or cut the connection: {error}.")
        case _:
            said = TryLater(f"{host} cannot be reached, or cut the connection: {error}.")
    return said


@lru_cache(maxsize=1)
def _machine_trust() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _host_of(url: str) -> str:
    return httpx2.URL(url).host


def _listed(words: Iterable[str]) -> str:
    return " or ".join(sorted(words))
