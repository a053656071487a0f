"""Fetching weights from a hub: a real HTTP server that speaks the hub's protocol, and can break off."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from cliply_resources.errors import NotFound, Rejected, StepFailed, TryLater
from cliply_resources.models import CATALOGUE, Model, check_model, fetch_model, fetched, find_model, remove_model
from cliply_resources.progress import silent
from cliply_resources.settings import Settings
from cliply_resources.speech.whisper_models import find_whisper_model

WEIGHTS = bytes(range(256)) * 12_000
COMMIT = "a" * 40


@dataclass
class Hub:
    """What the hub has, how it misbehaves, and what it was asked."""

    files: dict[str, bytes]
    licence: str = "mit"
    break_after: int | None = None
    status: int = 200
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    stated: dict[str, str] = field(default_factory=dict)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub = self.hub
        self.connection.settimeout(10)
        hub.asked.append((self.path, self.headers.get("Range")))
        if hub.status != 200:
            self._send(hub.status, b"{}")
        elif self.path.startswith("/api/models/"):
            siblings = [
                {"rfilename": name, "size": len(data), "lfs": {"sha256": sha, "size": len(data), "pointerSize": 1}}
                if (sha := hub.stated.get(name, hashlib.sha256(data).hexdigest() if len(data) > 1000 else ""))
                else {"rfilename": name, "size": len(data)}
                for name, data in hub.files.items()
            ]
            told = {"sha": COMMIT, "siblings": siblings, "cardData": {"license": hub.licence}, "downloads": 7}
            self._send(200, json.dumps(told).encode())
        else:
            self._file(hub.files[self.path.split(f"/resolve/{COMMIT}/")[1]])

    def _file(self, data: bytes) -> None:
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        hub = self.hub
        if hub.break_after is not None and len(data) - start > hub.break_after:
            self.wfile.write(data[start : start + hub.break_after])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
        else:
            self.wfile.write(data[start:])

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub(files={"model.bin": WEIGHTS, "config.json": b"{}", "tokenizer.json": b"{}", "readme.md": b"hello"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(hub: Hub, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, model_hub_url=hub.url)


@pytest.fixture
def model() -> Model:
    return find_model("whisper-tiny")


def test_what_was_fetched_is_found_by_the_engine_and_names_its_commit_and_checksums(settings, model, hub):
    seen: list[float] = []
    arrived = fetch_model(settings, model, progress=lambda done, _: seen.append(done))
    assert arrived.commit == COMMIT
    assert {each.path for each in arrived.files} == {"model.bin", "config.json", "tokenizer.json"}
    weights = next(each for each in arrived.files if each.path == "model.bin")
    assert (weights.sha256, weights.stated) == (hashlib.sha256(WEIGHTS).hexdigest(), True)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert fetched(settings, model) == arrived
    assert list(check_model(settings, model)) == []
    assert find_whisper_model(settings).name == "tiny"


def test_a_fetch_that_broke_off_goes_on_at_the_byte_where_it_stopped(settings, model, hub):
    hub.break_after = 1_000_000
    with pytest.raises(TryLater, match="run the same command again"):
        fetch_model(settings, model, progress=silent)
    assert fetched(settings, model) is None
    hub.break_after = None
    fetch_model(settings, model, progress=silent)
    begun = [int(range_[6:-1]) for path, range_ in hub.asked if "model.bin" in path and range_]
    assert len(begun) == 1
    assert 0 < begun[0] <= 1_000_000
    assert list(check_model(settings, model)) == []


def test_what_is_here_is_not_fetched_twice(settings, model, hub):
    fetch_model(settings, model, progress=silent)
    hub.asked.clear()
    fetch_model(settings, model, progress=silent)
    assert [path for path, _ in hub.asked if "/resolve/" in path] == []


def test_weights_that_are_not_what_the_hub_stated_are_removed_and_said(settings, model, hub):
    hub.stated["model.bin"] = "0" * 64
    with pytest.raises(StepFailed, match="arrived damaged"):
        fetch_model(settings, model, progress=silent)
    assert not (settings.home / "models" / "whisper-tiny" / "model.bin").exists()
    assert fetched(settings, model) is None


def test_a_flipped_byte_is_found_afterwards(settings, model):
    fetch_model(settings, model, progress=silent)
    path = settings.home / "models" / "whisper-tiny" / "model.bin"
    path.write_bytes(b"x" + WEIGHTS[1:])
    assert list(check_model(settings, model)) == [
        "model.bin of whisper-tiny has changed since it arrived; remove the model and fetch it again."
    ]


@pytest.mark.parametrize(("status", "error"), [(401, Rejected), (403, Rejected), (404, Rejected), (500, TryLater)])
def test_a_hub_that_does_not_give_it_is_quoted(settings, hub, status, error):
    hub.status = status
    with pytest.raises(error):
        fetch_model(settings, find_model("speakers"), progress=silent)


def test_a_hub_that_is_not_there_is_said(tmp_path, model):
    with pytest.raises(TryLater, match=r"could not be fetched from http://127\.0\.0\.1:9"):
        fetch_model(Settings(home=tmp_path, model_hub_url="http://127.0.0.1:9"), model, progress=silent)


def test_no_name_that_a_hub_sends_leads_out_of_the_models_folder(settings, hub, tmp_path):
    hub.files = {"../../evil.json": b"{}", "/etc/evil.json": b"{}", "config.json": b"{}"}
    arrived = fetch_model(settings, find_model("phonemes-nl"), progress=silent)
    assert [each.path for each in arrived.files] == ["config.json"]
    assert not list(tmp_path.rglob("evil.json"))


def test_removing_frees_the_bytes_and_twice_is_said(settings, model):
    fetch_model(settings, model, progress=silent)
    assert remove_model(settings, model) > len(WEIGHTS)
    with pytest.raises(NotFound, match="was not fetched"):
        remove_model(settings, model)


def test_a_made_up_name_is_said_with_the_remedy():
    with pytest.raises(NotFound, match="cliply models"):
        find_model("gpt-9")


def test_every_entry_names_a_licence_and_what_needs_consent_says_why():
    assert len({each.name for each in CATALOGUE}) == len(CATALOGUE)
    for each in CATALOGUE:
        assert each.licence in {"MIT", "Apache-2.0", "CC-BY-4.0", "AGPL-3.0"}
        assert bool(each.terms) == (each.licence in {"CC-BY-4.0", "AGPL-3.0"})


def test_the_documentation_lists_every_model_with_its_licence():
    text = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for each in CATALOGUE:
        name = "phonemes-" if each.name.startswith("phonemes-") else each.name
        assert any(f"`{name}" in row and each.licence in row for row in rows), each.name


def run(hub: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cliply_assets.cli.main", "models", *arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "CLIPLY_HOME": str(home), "CLIPLY_MODEL_HUB_URL": hub.url},
        cwd=Path(__file__).parents[3],
    )


def test_the_command_lists_fetches_and_asks_for_consent(hub, tmp_path):
    hub.files = {"model.pt": WEIGHTS}
    refused = run(hub, tmp_path, "fetch", "faces")
    assert refused.returncode == 3
    assert "AGPL" in refused.stderr
    assert "--accept-terms" in refused.stderr
    taken = run(hub, tmp_path, "fetch", "faces", "--accept-terms")
    assert taken.returncode == 0, taken.stderr
    assert f"export CLIPLY_YOLO_WEIGHTS={tmp_path}/models/faces/model.pt" in taken.stderr
    listed = {each["name"]: each for each in msgspec.json.decode(run(hub, tmp_path, "--json").stdout)}
    assert listed["faces"]["state"] == "yes"
    assert listed["faces"]["sha256"] == {"model.pt": hashlib.sha256(WEIGHTS).hexdigest()}
    assert listed["clip"]["state"] == "no"
    assert listed["en-us"]["state"] == "bundled"
