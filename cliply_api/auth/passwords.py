"""Passwords: argon2id, rehashed when the settings grew, and as slow for accounts that do not exist."""

from functools import cached_property

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from cliply_resources.settings import Settings

__all__ = ["Passwords"]


class Passwords:
    """Hashes and checks. Takes tens of milliseconds on purpose, so call it in a thread and outside of a transaction."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHash(
            [Argon2Hasher(time_cost=settings.password_passes, memory_cost=settings.password_memory_kib, parallelism=1)]
        )

    def hash(self, password: str) -> str:
        """What is kept of a password."""
        return self._hasher.hash(password)

    def check(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Whether it is the right one, and a fresh hash where the kept one is weaker than the settings demand.

        Without a kept one it takes as long and is always wrong, so that time does not tell who has an account.
        """
        try:
            right, fresh = self._hasher.verify_and_update(password, kept or self._nobodys)
        except UnknownHashError:
            return False, None
        return (right, fresh) if kept else (False, None)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("nobody's password")
