"""`cliply up`: the whole stack under one supervisor."""

import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import yaml
from rich.console import Console

from cliply_assets.cli.exits import Exit
from cliply_assets.cli.session import open_database
from cliply_assets.instance.home import prepare_dagster_home
from cliply_resources.errors import CallerError, StepFailed
from cliply_resources.settings import Settings

__all__ = ["Readiness", "Service", "Supervisor", "ask_readiness", "run_stack", "stack_facts"]

HEALTHY_SECONDS = 20.0
"""A service that ran this long and then ended is started again at once; one that ends sooner waits longer each time."""

MAX_QUICK_ENDS = 5
"""After so many ends in a row, each within `HEALTHY_SECONDS`, the stack gives up and shows the log."""

STOP_SECONDS = 15.0
"""How long a service may take to end before it is killed; the daemon waits for a sensor tick."""

API_GRACE_SECONDS = 5
"""What the API is answering may finish so long after the stack was told to stop; event streams never end by themselves."""

READY_EVERY_SECONDS = 1.0
"""Between two looks at whether the API has become ready; it is ready once daemon and sensors have ticked."""


@dataclass
class Service:
    """One process of the stack."""

    name: str
    command: Sequence[str]
    log: Path
    port: int | None = None
    """Where it listens; what comes after it starts once it does."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """On top of the supervisor's own."""
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_ends: int = 0
    next_start: float = 0.0

    def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C reaches the supervisor alone and it can stop all in order."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        self.started = time.monotonic()

    def stop(self) -> None:
        """Ends it and everything it started."""
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-1500:]


@dataclass
class Supervisor:
    """Keeps services running until it is told to stop; starts them in order and stops them in the opposite one."""

    services: Sequence[Service]
    announce: Callable[[Console], bool] = lambda _: True
    """Asked about once a second until it says that it has said what it waited to say."""
    stopping: bool = field(default=False)

    def run(self, console: Console) -> None:
        """Returns when told to stop.

        Raises:
            StepFailed: a service keeps ending; its log is in the message.
        """
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for service in self.services:
                service.start()
                self._await(service)
            announced, next_look = False, 0.0
            while not self.stopping:
                for service in self.services:
                    self._watch(service, console)
                if not announced and time.monotonic() >= next_look:
                    announced = self.announce(console)
                    next_look = time.monotonic() + READY_EVERY_SECONDS
                time.sleep(0.2)
        finally:
            for service in reversed(self.services):
                service.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _await(self, service: Service) -> None:
        """Waits until it listens, it ended, or the user lost patience; what is wrong with it then shows in `_watch`."""
        assert service.process is not None
        while service.port is not None and not self.stopping and service.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", service.port)) == 0:
                    return
            time.sleep(0.1)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _watch(self, service: Service, console: Console) -> None:
        assert service.process is not None
        now = time.monotonic()
        if service.process.poll() is None:
            return
        if service.next_start == 0.0:
            quick = now - service.started < HEALTHY_SECONDS
            service.quick_ends = service.quick_ends + 1 if quick else 0
            if service.quick_ends >= MAX_QUICK_ENDS:
                raise StepFailed(
                    f"{service.name} ended {service.quick_ends} times in a row; its log is {service.log}.",
                    detail=service.tail(),
                )
            service.next_start = now + (2.0**service.quick_ends if quick else 0.0)
            console.print(f"[yellow]{service.name} ended with {service.process.returncode}; it is started again.[/]")
        if now >= service.next_start:
            service.next_start = 0.0
            service.start()


def run_stack(settings: Settings, *, port: int, api_port: int | None) -> Exit:
    """Runs Postgres, the code server, the daemon, the UI and the API until Ctrl-C or SIGTERM; `api_port` None leaves the API out.

    Raises:
        CallerError: it runs already, or a port is taken.
    """
    console = Console()
    settings.home.mkdir(parents=True, exist_ok=True)
    with _only_one(settings, {"pid": os.getpid(), "port": port, "api_port": api_port}), open_database(settings):
        _check_port(port, "--port")
        if api_port is not None:
            _check_port(api_port, "--api-port")
        home = prepare_dagster_home(settings)
        logs = settings.home / "logs"
        logs.mkdir(exist_ok=True)
        grpc_port = _free_port()
        workspace = home / "stack-workspace.yaml"
        workspace.write_text(
            yaml.safe_dump(
                {"load_from": [{"grpc_server": {"host": "127.0.0.1", "port": grpc_port, "location_name": "cliply"}}]}
            )
        )
        console.print(f"Dagster UI   [bold]http://127.0.0.1:{port}[/]")
        services = _services(workspace, logs, port=port, grpc_port=grpc_port)
        supervisor = Supervisor(services)
        if api_port is not None:
            console.print(f"REST API     [bold]http://127.0.0.1:{api_port}/api/docs[/]")
            services.append(_api(settings, logs, api_port))
            supervisor.announce = _say_when_ready(api_port)
        console.print(f"Logs         {logs}\nCtrl-C stops everything.")
        supervisor.run(console)
    console.print("Stopped.")
    return Exit.DONE


def _services(workspace: Path, logs: Path, *, port: int, grpc_port: int) -> list[Service]:
    python = [sys.executable, "-m", "cliply_assets.instance.leashed"]
    code_server = [sys.executable, "-m", "cliply_assets.instance.warm"]
    daemon = [sys.executable, "-m", "cliply_assets.instance.daemon"]
    on = ["-w", str(workspace)]
    module = ["--module-name", "cliply_assets.definitions", "--location-name", "cliply"]
    return [
        # Not `code-server start`: its proxy never restarts a dead child, and this supervisor does.
        Service(
            "code server",
            [*code_server, "--host", "127.0.0.1", "--port", str(grpc_port), *module],
            logs / "code-server.log",
            port=grpc_port,
        ),
        Service("daemon", [*daemon, "run", *on], logs / "daemon.log"),
        Service(
            "Dagster UI",
            [*python, "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *on],
            logs / "webserver.log",
        ),
    ]


def _api(settings: Settings, logs: Path, port: int) -> Service:
    """Started by the name of its module: the pipeline knows nothing of the web application."""
    module = ["cliply_assets.instance.leashed", "cliply_api.serve"]
    # Links that it hands out lead to itself, unless somebody says what it is called from outside.
    said = "public_url" in settings.model_fields_set
    return Service(
        "API",
        [sys.executable, "-m", *module, "--port", str(port), "--grace", str(API_GRACE_SECONDS)],
        logs / "api.log",
        port=port,
        environment={} if said else {"CLIPLY_PUBLIC_URL": f"http://127.0.0.1:{port}"},
    )


@dataclass(frozen=True)
class Readiness:
    """What an API says of itself and of the stack behind it."""

    ready: bool
    wrong: tuple[str, ...]
    """A sentence for each thing that is not as it should be."""


def ask_readiness(port: int) -> Readiness | None:
    """What the API on this machine says at `/api/readyz`; None where none answers."""
    # No proxy of the environment comes between, as it would with urllib.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api/readyz")
        found = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    if not isinstance(found, dict) or "ready" not in found:
        return None
    wrong = (str(check.get("detail")) for check in found.get("checks", []) if not check.get("ok"))
    return Readiness(bool(found["ready"]), tuple(wrong))


def _say_when_ready(port: int) -> Callable[[Console], bool]:
    def announce(console: Console) -> bool:
        found = ask_readiness(port)
        if found is None or not found.ready:
            return False
        console.print("Ready: database, storage, daemon and sensors answer.")
        return True

    return announce


@contextmanager
def _only_one(settings: Settings, own: Mapping[str, int | None]) -> Iterator[None]:
    facts = settings.home / "up.json"
    with facts.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CallerError(f"Cliply is already up for {settings.home}; `cliply status` shows where.") from error
        file.truncate(0)
        file.write(json.dumps(own))
        file.flush()
        yield
        file.truncate(0)


def stack_facts(settings: Settings) -> dict[str, int | None] | None:
    """Process id (`pid`) and ports (`port` of the UI, `api_port`) of the running stack; None when none runs."""
    path = settings.home / "up.json"
    if not path.exists():
        return None
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            facts: dict[str, int | None] = json.loads(file.read())
            return facts
    return None


def _check_port(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CallerError(f"Port {port} is taken by another program; choose another with {option}.") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
