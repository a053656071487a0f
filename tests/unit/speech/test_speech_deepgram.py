import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from cliply_resources.errors import Rejected, TryLater
from cliply_resources.progress import silent
from cliply_resources.settings import Settings
from cliply_resources.speech import NO_SPEECH
from cliply_resources.speech.deepgram_engine import DeepgramEngine

KEY = "dg-test-key"


class Deepgram(ThreadingHTTPServer):
    """Plays the pre-recorded API: strict about path, key, type and body; `failures` are answered first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.received: list[dict[str, object]] = []
        self.words = [
            _word("hello", "Hello", 0.08, 0.32, speaker=0),
            _word("world", "world.", 0.40, 0.80, speaker=0),
            _word("right", "Right?", 1.00, 1.30, speaker=1),
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def settings(self, key: str = KEY) -> Settings:
        return Settings(deepgram_url=self.url, deepgram_api_key=SecretStr(key))


def _word(word: str, punctuated: str, start: float, end: float, *, speaker: int) -> dict[str, object]:
    known = {"word": word, "start": start, "end": end, "confidence": 0.99, "punctuated_word": punctuated}
    return {**known, "speaker": speaker, "speaker_confidence": 0.6}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Deepgram

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        target = urlsplit(self.path)
        options = parse_qs(target.query)
        self.server.received.append({"options": options, "bytes": len(body)})
        if self.headers.get("authorization") != f"Token {KEY}":
            self._say(401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials.", "request_id": "r"})
        elif target.path != "/v1/listen":
            self._say(404, {"err_code": "NOT_FOUND", "err_msg": "No such route", "request_id": "r"})
        elif self.headers.get("content-type") != "audio/wav" or not body.startswith(b"RIFF"):
            self._say(400, {"err_code": "Bad Request", "err_msg": "corrupt or unsupported data", "request_id": "r"})
        elif self.server.failures:
            status, headers = self.server.failures.pop(0)
            self._say(status, {"err_code": "TOO_MANY_REQUESTS", "err_msg": "wait", "request_id": "r"}, headers)
        else:
            self._say(200, self._answer(options))

    def _answer(self, options: dict[str, list[str]]) -> dict[str, object]:
        alternative = {"transcript": "…", "confidence": 0.99, "words": self.server.words}
        channel: dict[str, object] = {"alternatives": [alternative]}
        if options.get("detect_language") == ["true"]:
            channel |= {"detected_language": "en-US", "language_confidence": 0.98}
        info = {"uuid": {"name": "general-nova-3", "version": "2025-04-17.1", "arch": "nova-3"}}
        metadata = {"transaction_key": "deprecated", "request_id": "r", "models": ["uuid"], "model_info": info}
        return {"metadata": {**metadata, "duration": 2.0, "channels": 1}, "results": {"channels": [channel]}}

    def _say(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def deepgram() -> Iterator[Deepgram]:
    with Deepgram() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_words_come_with_times_punctuation_and_speakers(deepgram, short_talk):
    transcript = DeepgramEngine(deepgram.settings()).transcribe(short_talk, language=None, progress=silent)
    assert [(s.text, s.speaker) for s in transcript.segments] == [
        ("Hello world.", "Speaker 1"),
        ("Right?", "Speaker 2"),
    ]
    assert (transcript.words[1].start, transcript.words[1].confidence) == (0.4, 0.99)
    assert (transcript.language, transcript.quality, transcript.word_times) == ("en", "high", "measured")
    assert transcript.engine_detail == "Deepgram general-nova-3 2025-04-17.1"


def test_the_whole_sound_is_sent_once_with_the_options_documented(deepgram, short_talk):
    DeepgramEngine(deepgram.settings()).transcribe(short_talk, language="de", progress=silent)
    (request,) = deepgram.received
    assert request["bytes"] == short_talk.stat().st_size
    assert request["options"] == {
        **{"model": ["nova-3"], "smart_format": ["true"], "punctuate": ["true"]},
        **{"diarize": ["true"], "language": ["de"]},
    }


def test_nothing_said_is_no_speech(deepgram, short_talk):
    deepgram.words = []
    transcript = DeepgramEngine(deepgram.settings()).transcribe(short_talk, language=None, progress=silent)
    assert (transcript.segments, transcript.note) == ((), NO_SPEECH)


def test_a_wrong_key_is_refused_and_not_repeated_in_the_message(deepgram, short_talk):
    with pytest.raises(Rejected, match="INVALID_AUTH") as caught:
        DeepgramEngine(deepgram.settings("dg-wrong-key")).transcribe(short_talk, language=None, progress=silent)
    assert "dg-wrong-key" not in str(caught.value)
    assert len(deepgram.received) == 1


def test_a_moment_named_by_deepgram_is_waited_for(deepgram, short_talk):
    deepgram.failures = [(429, {"retry-after": "0"})]
    transcript = DeepgramEngine(deepgram.settings()).transcribe(short_talk, language=None, progress=silent)
    assert transcript.segments
    assert len(deepgram.received) == 2


def test_a_failure_without_a_moment_is_not_repeated_since_it_would_be_billed_again(deepgram, short_talk):
    deepgram.failures = [(504, {})]
    with pytest.raises(TryLater):
        DeepgramEngine(deepgram.settings()).transcribe(short_talk, language=None, progress=silent)
    assert len(deepgram.received) == 1


def test_an_answer_of_another_shape_is_rejected(deepgram, short_talk):
    deepgram.words = [{"word": "hello", "start": "soon", "end": 1.0}]
    with pytest.raises(Rejected, match="not expected"):
        DeepgramEngine(deepgram.settings()).transcribe(short_talk, language=None, progress=silent)


def test_without_a_key_the_engine_is_not_available(bare):
    assert "CLIPLY_DEEPGRAM_API_KEY" in (DeepgramEngine(bare).available() or "")
