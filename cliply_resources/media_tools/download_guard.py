"""yt-dlp inside walls: it connects to public addresses only, and starts nothing but ffmpeg on local files.

Run as `python -m cliply_resources.media_tools.download_guard WALLS YT-DLP-ARGUMENTS…` in a process of its own. Python's
audit events see every socket and every child process, whichever extractor, redirect or playlist asked for it; a URL
check alone would only see the first address. A proxy from the settings is let through; where it leads is then up to it.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from cliply_resources.addresses import Network, is_inside, is_public, networks

__all__ = ["REFUSED_ADDRESS", "REFUSED_PROGRAM", "connection_is_allowed", "main", "program_is_allowed"]

REFUSED_ADDRESS = "cliply-refused-address"
REFUSED_PROGRAM = "cliply-refused-program"
"""These words in an error message tell the parent process which wall was hit."""

_SCRIPT_ENGINE = "deno"
"""What yt-dlp runs a site's player code with, if it is installed; it runs without network and without files."""
_INTERNET = (socket.AF_INET, socket.AF_INET6)


class _AddressRefused(OSError):
    """An `OSError`, so that every library takes it for an ordinary failure to connect."""


class _ProgramRefused(OSError):
    """An `OSError`, as a program that cannot be started is."""


def connection_is_allowed(family: int, address: object, own: Sequence[Network]) -> bool:
    """Whether a socket of this family may be connected to, or send to, this address."""
    if family not in _INTERNET or not isinstance(address, tuple) or not address or not isinstance(address[0], str):
        return False
    return is_public(address[0]) or is_inside(address[0], own)


def program_is_allowed(arguments: object, ffmpeg: str) -> bool:
    """Whether this command is our ffmpeg reading local files with its guards on, or the sandboxed script engine."""
    if not isinstance(arguments, (list, tuple)) or not arguments:
        return False
    words = [os.fsdecode(word) for word in arguments]
    if Path(words[0]).name == _SCRIPT_ENGINE:
        return True
    inputs = [index for index, word in enumerate(words) if word == "-i"]
    return words[0] == ffmpeg and all(
        index + 1 < len(words) and words[index + 1].startswith("file:") and "-protocol_whitelist" in words[:index]
        for index in inputs
    )


def main(arguments: Sequence[str]) -> None:
    """Puts up the walls that the first argument describes (JSON), then lets yt-dlp work on the rest."""
    walls = json.loads(arguments[0])
    own = [*networks(walls["networks"]), *_addresses_of(walls["proxy_host"])]
    # curl brings its own sockets, which no audit event shows; without it, yt-dlp speaks through Python's.
    sys.modules["curl_cffi"] = None  # type: ignore[assignment]  # how Python is told that there is no such module
    import yt_dlp

    sys.addaudithook(_hook(own, walls["ffmpeg"]))
    yt_dlp.main(list(arguments[1:]))


def _addresses_of(host: str | None) -> tuple[Network, ...]:
    if host is None:
        return ()
    return networks({str(entry[4][0]) for entry in socket.getaddrinfo(host, None)})


def _hook(own: Sequence[Network], ffmpeg: str) -> Callable[[str, tuple[object, ...]], None]:
    def refuse_program(arguments: object) -> NoReturn:
        raise _ProgramRefused(f"{REFUSED_PROGRAM}: {str(arguments)[:200]}")

    def on_event(event: str, details: tuple[object, ...]) -> None:
        if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            talker, address = details[0], details[1]
            # A connected socket sends without naming an address; it was checked when it was connected.
            if address is None or (
                isinstance(talker, socket.socket) and connection_is_allowed(talker.family, address, own)
            ):
                return
            raise _AddressRefused(f"{REFUSED_ADDRESS}: {str(address)[:100]}")
        if event == "subprocess.Popen" and not program_is_allowed(details[1], ffmpeg):
            refuse_program(details[1])
        if event in {"os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}:
            refuse_program(event)

    return on_event


if __name__ == "__main__":
    main(sys.argv[1:])
