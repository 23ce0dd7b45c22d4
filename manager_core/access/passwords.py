"""Hashing and checking of passwords, so that a client that sends one with every call pays for argon2 once a minute.

What was verified is remembered in memory under a keyed hash of user, password and stored hash: a changed password is a
different key in every process at once. Wrong passwords are never remembered, and no password is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

REMEMBERED_SECONDS = 60.0
"""How long a verified password is believed without hashing it again."""

_MOST_REMEMBERED = 10_000
_PARALLEL = 2
"""Hashings at a time: each takes its memory, and a flood of wrong passwords must not take the machine's."""


class Passwords:
    """argon2id with a short memory of what was right."""

    def __init__(self, memory_kib: int) -> None:
        """Hash with `memory_kib` KiB of memory and two passes."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=memory_kib, parallelism=1)
        self._key = secrets.token_bytes(32)
        self._until: dict[bytes, float] = {}
        self._slots = threading.BoundedSemaphore(_PARALLEL)
        self._lock = threading.Lock()

    def hash(self, password: str) -> str:
        """Return what is stored instead of the password."""
        with self._slots:
            return self._hasher.hash(password)

    def remembered_until(self, name_key: str, password: str, stored: str) -> float | None:
        """Return until when (monotonic seconds) this password is known to be right for this hash; None if it is not."""
        return self._until.get(self._digest(name_key, password, stored))

    def verify(self, name_key: str, password: str, stored: str, now: float) -> float | None:
        """Check a password the expensive way; return until when it is remembered, or None when it is wrong.

        Args:
            now: monotonic seconds.
        """
        until = now + REMEMBERED_SECONDS
        try:
            with self._slots:
                self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return None
        with self._lock:
            if len(self._until) >= _MOST_REMEMBERED:
                self._until = {digest: until for digest, until in self._until.items() if until > now}
            if len(self._until) < _MOST_REMEMBERED:
                self._until[self._digest(name_key, password, stored)] = until
        return until

    def _digest(self, name_key: str, password: str, stored: str) -> bytes:
        text = "\0".join((name_key, stored, password))
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
