"""Servers that misbehave on purpose, on this machine: 127.0.0.2 plays the outside world, 127.0.0.1 the inside.

The policy of these tests differs from `PUBLIC` in nothing but this: 127.0.0.2 may be connected to, on any port, over plain
http too. Everything else on the loopback stays as forbidden as it is; a canary listens there and counts.
"""

import socket
import threading
from contextlib import closing, suppress
from dataclasses import replace
from ipaddress import ip_network

import pytest

from cliply_resources.outbound import PUBLIC

OUTSIDE = "127.0.0.2"


class Server:
    """Answers every connection with `answer(connection, request)`; remembers the requests."""

    def __init__(self, address, answer, tls=None):
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.requests = []
        self.connections = 0
        self._answer = answer
        self._tls = tls
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            with closing(self._tls.wrap_socket(connection, server_side=True) if self._tls else connection) as talk:
                talk.settimeout(10)
                received = b""
                while b"\r\n\r\n" not in received:
                    part = talk.recv(65536)
                    if not part:
                        return
                    received += part
                head, _, body = received.partition(b"\r\n\r\n")
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        while len(body) < int(line.split(b":")[1]):
                            body += talk.recv(65536)
                self.requests.append(head + b"\r\n\r\n" + body)
                self._answer(talk, received.split(b" ")[1].decode())
        except OSError:
            pass

    def close(self):
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join()


@pytest.fixture
def serve():
    servers = []

    def start(answer, address=OUTSIDE, tls=None):
        if isinstance(answer, bytes):
            reply = answer

            def answer(talk, _path):
                talk.sendall(reply)

        servers.append(Server(address, answer, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def canary(serve):
    """A server on the inside that must never be talked to."""
    return serve(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret", address="127.0.0.1")


@pytest.fixture
def names():
    """What names resolve to; unknown ones do not exist, numbers are themselves."""
    return {"site.example": ["127.0.0.2"]}


@pytest.fixture
def policy(names):
    def resolve(host):
        try:
            if host in names:
                return names[host]
            return [entry[4][0] for entry in socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)]
        except socket.gaierror:
            return [socket.inet_ntoa(socket.inet_aton(host))]

    return replace(
        PUBLIC,
        schemes=frozenset({"http", "https"}),
        ports=None,
        private_networks=(ip_network("127.0.0.2"),),
        resolver=resolve,
    )
