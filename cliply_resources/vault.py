"""Secrets at rest: each sealed under a key of its own, that key sealed under a key of the installation's ring.

A sealed secret is `1 | length and name of the ring's key | 12 + 48 bytes: its own key, wrapped | 12 bytes and the secret, sealed`,
both with AES-256-GCM, and both bound to where it belongs (workspace, row and column): copied to another row it does not open. Rotation
wraps the small keys anew and never touches the secrets themselves. The ring is `CLIPLY_VAULT_KEYS`, or a file in `CLIPLY_HOME`
that is read again as soon as it changes, so that running processes follow a rotation.
"""

import base64
import binascii
import contextlib
import os
import re
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cliply_resources.errors import CallerError, CliplyError, Conflict, NotFound
from cliply_resources.settings import Settings

__all__ = ["KeyRing", "Place", "SealBroken", "Vault"]

Document = TypeVar("Document")

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
FILE_NAME = "vault.keys"

_KEY_ID = re.compile(r"[a-z0-9-]{1,32}")


class SealBroken(CliplyError):
    """A sealed secret does not open: changed, moved to another row, or under a key that the ring no longer has."""

    code = "SEAL_BROKEN"


@dataclass(frozen=True)
class Place:
    """Where a secret belongs; it opens nowhere else."""

    workspace_id: UUID
    row_id: UUID
    column: str
    """Table and column, such as `accounts.tokens`."""

    @property
    def bound(self) -> bytes:
        """What the seal is bound to."""
        return f"cliply:v1|{self.workspace_id}|{self.row_id}|{self.column}".encode()


@dataclass(frozen=True)
class KeyRing:
    """Keys by name; the first seals, all open."""

    keys: tuple[tuple[str, bytes], ...] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Newest first."""
        return tuple(name for name, _ in self.keys)

    @classmethod
    def parse(cls, lines: list[str]) -> "KeyRing":
        """From lines `name:base64 of 32 bytes`.

        Raises:
            CallerError: a line is something else, or a name stands twice.
        """
        keys: list[tuple[str, bytes]] = []
        for line in lines:
            name, _, text = line.strip().partition(":")
            try:
                key = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if not _KEY_ID.fullmatch(name) or len(key) != KEY_BYTES or name in dict(keys):
                raise CallerError(
                    "The vault's keys are lines of name:key, each name once, in lower case, and each key 32 bytes in base64."
                )
            keys.append((name, key))
        return cls(tuple(keys))

    def lines(self) -> list[str]:
        """What `parse` reads."""
        return [f"{name}:{base64.b64encode(key).decode()}" for name, key in self.keys]


class Vault:
    """Seals and opens. Safe to share between threads and processes."""

    def __init__(self, settings: Settings) -> None:
        given = settings.vault_keys
        self._given = KeyRing.parse([key.get_secret_value() for key in given]) if given else None
        self._file = settings.home / FILE_NAME
        self._ring = KeyRing(())
        self._stamp: tuple[int, int] | None = None
        self._guard = threading.Lock()

    @property
    def ring(self) -> KeyRing:
        """The ring as it is now; made, with one key, where there is none yet."""
        if self._given is not None:
            return self._given
        with self._guard:
            try:
                found = self._file.stat()
            except FileNotFoundError:
                _write_first(self._file)
                found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp != self._stamp:
                self._ring, self._stamp = KeyRing.parse(self._file.read_text("ascii").split()), stamp
            return self._ring

    def seal(self, secret: bytes, place: Place) -> bytes:
        """The secret, to be stored at `place`."""
        name, ring_key = self.ring.keys[0]
        own = AESGCM.generate_key(bit_length=256)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(own).encrypt(nonce, secret, place.bound)
        return _head(name) + _wrap(own, ring_key, place) + sealed

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The secret that was sealed for `place`.

        Raises:
            SealBroken: it does not open.
        """
        own, rest = self._own_key(sealed, place)
        try:
            return AESGCM(own).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place.bound)
        except InvalidTag as error:
            raise _broken(place) from error

    def seal_document(self, document: object, place: Place) -> bytes:
        """A document (tokens, a publish state), sealed as JSON."""
        return self.seal(msgspec.json.encode(document), place)

    def open_document(self, sealed: bytes, place: Place, wanted: type[Document]) -> Document:
        """The document that was sealed for `place`.

        Raises:
            SealBroken: it does not open.
        """
        return msgspec.json.decode(self.open(sealed, place), type=wanted)

    def rewrap(self, sealed: bytes, place: Place) -> bytes | None:
        """The same under the ring's newest key; `None` where it is already.

        Raises:
            SealBroken: it does not open.
        """
        name, ring_key = self.ring.keys[0]
        if key_of(sealed) == name:
            return None
        own, rest = self._own_key(sealed, place)
        return _head(name) + _wrap(own, ring_key, place) + rest

    def add_key(self) -> str:
        """A new key at the head of the ring, and its name.

        Raises:
            Conflict: the ring stands in `CLIPLY_VAULT_KEYS`, where only its operator can change it.
        """
        ring = self._own_ring()
        name = f"k{len(ring.keys) + 1}-{secrets.token_hex(4)}"
        _write(self._file, KeyRing(((name, secrets.token_bytes(KEY_BYTES)), *ring.keys)))
        return name

    def drop_key(self, name: str) -> None:
        """Takes a key off the ring for good; what is still sealed under it cannot be opened any more.

        Raises:
            NotFound: the ring has no such key.
            Conflict: it is the key that seals, or the ring is the operator's.
        """
        ring = self._own_ring()
        if name not in ring.names:
            raise NotFound(f"The ring has no key {name!r}; it has {', '.join(ring.names)}.")
        if name == ring.names[0]:
            raise Conflict(f"{name} is the key that seals; run `cliply keys rotate` first.")
        _write(self._file, KeyRing(tuple(pair for pair in ring.keys if pair[0] != name)))

    def _own_ring(self) -> KeyRing:
        if self._given is not None:
            raise Conflict(
                "The keys are set by CLIPLY_VAULT_KEYS: put the new one in front there, restart, and run this again."
            )
        return self.ring

    def _own_key(self, sealed: bytes, place: Place) -> tuple[bytes, bytes]:
        name = key_of(sealed)
        ring_key = dict(self.ring.keys).get(name)
        if ring_key is None:
            raise SealBroken(
                f"{place.column} is sealed under the key {name!r}, which the ring does not have. Put it back, or connect anew."
            )
        start = 2 + len(name)
        wrapped, rest = sealed[start : start + WRAPPED_BYTES], sealed[start + WRAPPED_BYTES :]
        try:
            return AESGCM(ring_key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place.bound), rest
        except InvalidTag as error:
            raise _broken(place) from error


def key_of(sealed: bytes) -> str:
    """The name of the ring's key that this is sealed under.

    Raises:
        SealBroken: it is no sealed secret.
    """
    if len(sealed) < 2 or sealed[0] != VERSION or len(sealed) < 2 + sealed[1] + WRAPPED_BYTES + NONCE_BYTES + TAG_BYTES:
        raise SealBroken("This is not a sealed secret, or was cut off.")
    return sealed[2 : 2 + sealed[1]].decode("ascii", "replace")


def _head(name: str) -> bytes:
    return bytes((VERSION, len(name))) + name.encode("ascii")


def _wrap(own: bytes, ring_key: bytes, place: Place) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(ring_key).encrypt(nonce, own, place.bound)


def _broken(place: Place) -> SealBroken:
    return SealBroken(f"{place.column} does not open: it was changed, or belongs to another row.")


def _write_first(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    half = _half(file, KeyRing(((f"k1-{secrets.token_hex(4)}", secrets.token_bytes(KEY_BYTES)),)))
    try:
        # Two processes may begin at once; the second takes the first one's ring.
        with contextlib.suppress(FileExistsError):
            os.link(half, file)
    finally:
        half.unlink()


def _write(file: Path, ring: KeyRing) -> None:
    _half(file, ring).replace(file)


def _half(file: Path, ring: KeyRing) -> Path:
    half = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write("\n".join(ring.lines()) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    return half
