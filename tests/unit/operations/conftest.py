"""Servers that stand in for Slack, an SMS gateway and a mail server."""

import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest


@dataclass
class Heard:
    """What arrived, and how the next requests are answered."""

    url: str = ""
    requests: list[dict] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)


def _slack_verdict(message: dict) -> tuple[int, str]:
    """The errors that Slack's documentation names for a webhook's message."""
    if not message.get("text") and not message.get("blocks"):
        return 400, "no_text"
    if len(message.get("blocks", [])) > 50 or any(len(b["text"]["text"]) > 3000 for b in message.get("blocks", [])):
        return 400, "invalid_blocks"
    return 200, "ok"


@pytest.fixture
def web() -> Iterator[Heard]:
    """An HTTP server that takes JSON as Slack does and forms as an SMS gateway does."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            if "json" in self.headers["content-type"]:
                document = json.loads(body)
                verdict = _slack_verdict(document)
            else:
                document = {name: values[0] for name, values in parse_qs(body).items()}
                verdict = (201, '{"status": "queued"}')
            heard.requests.append({"path": self.path, "authorization": self.headers["authorization"], **document})
            status, said = heard.answers.pop(0) if heard.answers else verdict
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        heard.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield heard
        server.shutdown()


@pytest.fixture
def mails() -> Iterator[tuple[str, list[EmailMessage]]]:
    """A mail server's address, and what it took."""
    taken: list[EmailMessage] = []

    class Smtp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline().decode().strip():
                word = line.split(" ")[0].upper()
                if word == "DATA":
                    self.say("354 go on")
                    body = b""
                    while not body.endswith(b"\r\n.\r\n"):
                        body += self.rfile.readline()
                    taken.append(message_from_bytes(body[:-5], policy=policy.default))
                self.say({"EHLO": "250 here", "QUIT": "221 bye"}.get(word, "250 fine"))
                if word == "QUIT":
                    return

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Smtp) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}", taken
        server.shutdown()
