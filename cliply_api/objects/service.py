"""Links checked, bytes taken and given, never more than a piece of them in memory."""

import os
import time
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, to_thread

from cliply_api.errors import ApiError, ErrorCode
from cliply_resources.errors import NotFound
from cliply_resources.storage import LocalStorage, Storage
from cliply_resources.storage.files import etag_of
from cliply_resources.storage.signing import LinkRefused, SignedRequest, verify

__all__ = ["Opened", "checked_link", "local_storage", "open_object", "pieces", "receive"]

PIECE_BYTES = 1024 * 1024
"""Of reading and writing; smaller ones cost a change of threads each."""


@dataclass(frozen=True)
class Opened:
    """An object that is being read; what it was when it was opened, whoever replaces it meanwhile."""

    file: BinaryIO
    size: int
    etag: str


def local_storage(storage: Storage) -> LocalStorage:
    """The folder; where objects lie elsewhere, no link leads here."""
    if not isinstance(storage, LocalStorage):
        raise NotFound("There is nothing at this address.")
    return storage


def checked_link(storage: LocalStorage, method: str, target: str) -> SignedRequest:
    """What the link allows; the one proof that these handlers ask for."""
    try:
        return verify(method, target, secret=storage.link_secret, now=time.time())
    except LinkRefused as refused:
        raise ApiError(str(refused), status=403, code=ErrorCode.LINK_INVALID) from refused


async def receive(storage: LocalStorage, allowed: SignedRequest, body: AsyncIterable[bytes]) -> str:
    """Stores the body under the link's key if it has exactly the signed size, and returns its `ETag`; otherwise nothing changes."""
    incoming = await to_thread.run_sync(storage.receive, allowed.key)
    size, waiting = 0, bytearray()
    try:
        async for piece in body:
            size += len(piece)
            if allowed.size is None or size > allowed.size:
                break
            waiting += piece
            if len(waiting) >= PIECE_BYTES:
                await to_thread.run_sync(incoming.write, waiting)
                waiting = bytearray()
        if size != allowed.size:
            raise ApiError(
                f"This link takes exactly {allowed.size} bytes, and the body has another length.",
                status=400,
                code=ErrorCode.BAD_REQUEST,
            )
        await to_thread.run_sync(incoming.write, waiting)
        return await to_thread.run_sync(incoming.keep)
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(incoming.discard)


def open_object(storage: LocalStorage, key: str) -> Opened:
    """The object, opened."""
    with storage.local_path(key) as path:
        return _opened(path)


def _opened(path: Path) -> Opened:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise NotFound("There is no such stored object.") from error
    facts = os.fstat(file.fileno())
    return Opened(file, facts.st_size, etag_of(facts))


async def pieces(file: BinaryIO, first: int, length: int) -> AsyncGenerator[bytes, None]:
    """`length` bytes from `first` on; closes the file at the end, also when the caller hangs up."""
    try:
        await to_thread.run_sync(file.seek, first)
        while length > 0:
            piece = await to_thread.run_sync(file.read, min(PIECE_BYTES, length))
            if not piece:
                return
            length -= len(piece)
            yield piece
    finally:
        file.close()
