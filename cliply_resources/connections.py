"""HTTP connections that go only where they may and end when they must: the floor under `cliply_resources.outbound`.

The check sits where the socket is opened, not where a URL is read: whatever a name resolves to at that moment is checked,
and exactly what was checked is connected to, so a name that changes its mind in between gains nothing.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from ssl import SSLContext
from typing import Any

import httpcore2
import httpx2

__all__ = ["AddressRefused", "BodyTooLarge", "BoundedTransport", "Resolver", "resolve_with_system"]

Resolver = Callable[[str], Sequence[str]]
"""All addresses of a host name. Raises `OSError` where there is none."""

CONNECT_SECONDS = 10.0
"""For one address; a server that takes longer to say hello is not going to be pleasant."""


class AddressRefused(Exception):
    """A host that resolves to at least one address that may not be connected to."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} is {address}")
        self.host = host
        self.address = address


class BodyTooLarge(Exception):
    """More bytes came over the wire than may."""


def resolve_with_system(host: str) -> Sequence[str]:
    """What the operating system says; it reads `2130706433` and `0x7f.1` as addresses, too."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def cap(self, wanted: float | None, error: type[Exception]) -> float:
        """Seconds that may still be waited."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise error("the time allowed for the whole exchange is over")
        return left if wanted is None else min(left, wanted)


class _BoundedStream(httpcore2.NetworkStream):
    """Reads and writes of which none waits past the deadline of the whole exchange; a dripping server does not renew it."""

    def __init__(self, inner: httpcore2.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.cap(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.cap(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = self._deadline.cap(timeout, httpcore2.ConnectTimeout)
        return _BoundedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _CheckingBackend(httpcore2.NetworkBackend):
    """Opens a socket only after every address of the host has been allowed."""

    def __init__(self, resolver: Resolver, may_connect: Callable[[str], bool], deadline: _Deadline) -> None:
        self._resolver = resolver
        self._may_connect = may_connect
        self._deadline = deadline
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = self._resolve(host)
        for address in addresses:
            if not self._may_connect(address):
                raise AddressRefused(host, address)
        failure: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in addresses:
            left = self._deadline.cap(min(timeout or CONNECT_SECONDS, CONNECT_SECONDS), httpcore2.ConnectTimeout)
            try:
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
                continue
            return _BoundedStream(stream, self._deadline)
        raise failure or httpcore2.ConnectError(f"{host} has no address")

    def _resolve(self, host: str) -> Sequence[str]:
        # The system's resolver cannot be told when to give up, so it is waited for from outside.
        answer: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answer.put(self._resolver(host))
            except (OSError, UnicodeError) as error:
                answer.put(error if isinstance(error, OSError) else OSError(str(error)))

        threading.Thread(target=ask, daemon=True, name="resolve").start()
        try:
            found = answer.get(timeout=self._deadline.cap(CONNECT_SECONDS, httpcore2.ConnectTimeout))
        except queue.Empty:
            raise httpcore2.ConnectTimeout(f"the name {host} was not resolved in time") from None
        if isinstance(found, OSError):
            raise httpcore2.ConnectError(f"the name {host} could not be resolved") from found
        return found


class _CountedBody(httpx2.SyncByteStream):
    """Bytes as they come over the wire, so that a body which decompresses to nothing is bounded, too."""

    def __init__(self, reply: httpcore2.Response, max_bytes: int) -> None:
        self._reply = reply
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        received = 0
        for part in self._reply.iter_stream():
            received += len(part)
            if received > self._max_bytes:
                raise BodyTooLarge
            yield part

    def close(self) -> None:
        self._reply.close()


class BoundedTransport(httpx2.BaseTransport):
    """One exchange: connects where `may_connect` allows all addresses, ends after `seconds`, reads `max_bytes` at most.

    It knows no proxy, whatever the environment says. Errors are `httpcore2`'s, `AddressRefused` and `BodyTooLarge`.
    """

    def __init__(
        self,
        *,
        resolver: Resolver,
        may_connect: Callable[[str], bool],
        seconds: float,
        max_bytes: int,
        tls: SSLContext,
    ) -> None:
        backend = _CheckingBackend(resolver, may_connect, _Deadline(seconds))
        self._pool = httpcore2.ConnectionPool(ssl_context=tls, network_backend=backend, max_connections=1)
        self._max_bytes = max_bytes

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends and returns as soon as the headers are there."""
        url = request.url
        reply = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        body = _CountedBody(reply, self._max_bytes)
        return httpx2.Response(reply.status, headers=reply.headers, stream=body, extensions=reply.extensions)

    def close(self) -> None:
        """Closes the connection."""
        self._pool.close()
