"""A real HTTP server on loopback that speaks chat completions, and can misbehave on purpose."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class ChatServer:
    """Answers with what `script` says, in turn; the last entry repeats. Keeps every request."""

    def __init__(self):
        self.script = []
        self.requests = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                owner.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
                turn = min(len(owner.requests), len(owner.script)) - 1
                owner.script[turn](self, body)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def forms(self):
        return [request["body"]["response_format"]["type"] for request in self.requests]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def reply(handler, status, payload, headers=()):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    handler.send_response(status)
    for name, value in (("content-type", "application/json"), ("content-length", str(len(raw))), *headers):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(raw)


def says(content, *, finish="stop", status=200):
    """A turn that answers with this content: text as it is, anything else as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)

    def turn(handler, body):
        reply(
            handler,
            status,
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": text, "reasoning": "hm"},
                        "finish_reason": finish,
                    }
                ],
                "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150},
            },
        )

    return turn


def fails(status, message="no", headers=()):
    """A turn that answers with an error."""
    return lambda handler, body: reply(handler, status, {"error": {"message": message, "type": "x"}}, headers)


def stalls(seconds):
    """A turn that takes its time and then hangs up."""

    def turn(handler, body):
        time.sleep(seconds)
        handler.close_connection = True

    return turn


@pytest.fixture
def chat():
    server = ChatServer()
    yield server
    server.close()


@pytest.fixture
def second_chat():
    server = ChatServer()
    yield server
    server.close()


@pytest.fixture
def turns():
    """The turns a script is made of."""
    from types import SimpleNamespace

    return SimpleNamespace(says=says, fails=fails, stalls=stalls, reply=reply)
