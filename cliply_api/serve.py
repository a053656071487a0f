"""Serves the application: `python -m cliply_api.serve --port 8000`. Several may run beside each other, on one machine or many."""

import argparse
import gc
import sys
from collections.abc import Sequence

import uvicorn
from litestar import Litestar

__all__ = ["application", "main"]

GRACE_SECONDS = 20
"""What is being answered may finish; streams are cut."""
KEEP_ALIVE_SECONDS = 30
WEBSOCKET_BYTES = 64 * 1024
"""Clients only ever send a few words."""


def application() -> Litestar:
    """The application of a process that does nothing else."""
    from cliply_api.app import create_app

    made = create_app()
    # What the imports left behind stays for good; looking through it again and again would hold up a request now and then.
    gc.collect()
    gc.freeze()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until it is told to stop; the settings come from the environment."""
    parser = argparse.ArgumentParser(prog="python -m cliply_api.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")
    parser.add_argument("--grace", type=int, default=GRACE_SECONDS, help="seconds that answers may take after the end")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")
    chosen = parser.parse_args(arguments)
    uvicorn.run(
        "cliply_api.serve:application",
        factory=True,
        host=chosen.host,
        port=chosen.port,
        workers=chosen.workers,
        # The application itself looks at X-Forwarded-For, and believes only the proxies that the settings name.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=chosen.grace,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ws_max_size=WEBSOCKET_BYTES,
        lifespan="on",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
