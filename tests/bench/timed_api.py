"""The API with a stop watch at every statement: `create_app` for uvicorn, started by `bench_api.py`.

Milliseconds of the statements of the last measured stretch are written, a line each, when the application shuts down.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar
from sqlalchemy import Engine, event

from cliply_api.serve import KEEP_ALIVE_SECONDS, application

_TIMES: list[float] = []
_FIRST = 20_000
"""Statements of a process are forgotten beyond this many, the oldest first: those of signing people up among them."""


def create_app() -> Litestar:
    """The application itself."""

    @event.listens_for(Engine, "before_cursor_execute")
    def begin(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        context.begun = time.perf_counter()

    @event.listens_for(Engine, "after_cursor_execute")
    def end(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        _TIMES.append((time.perf_counter() - context.begun) * 1000)

    app = application()
    app.on_shutdown.append(_write)
    return app


def _write() -> None:
    lines = "\n".join(f"{one:.3f}" for one in _TIMES[-_FIRST:])
    Path(os.environ["CLIPLY_BENCH_FOLDER"], f"statements-{os.getpid()}").write_text(lines)


if __name__ == "__main__":
    port, workers = int(sys.argv[sys.argv.index("--port") + 1]), int(sys.argv[sys.argv.index("--workers") + 1])
    uvicorn.run(
        "timed_api:create_app",
        factory=True,
        port=port,
        workers=workers,
        proxy_headers=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        app_dir=str(Path(__file__).parent),
    )
