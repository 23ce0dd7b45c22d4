"""Task ids: random UUIDs, cut from larger blocks of randomness than `uuid.uuid4` asks for at a time."""

from __future__ import annotations

import os
import threading

_BLOCK = 256
_local = threading.local()


def new_id() -> str:
    """Return a random UUID (version 4) as text."""
    pool: list[str] | None = getattr(_local, "pool", None)
    if not pool:
        digits = os.urandom(16 * _BLOCK).hex()
        pool = _local.pool = [digits[at : at + 32] for at in range(0, len(digits), 32)]
    raw = pool.pop()
    variant = "89ab"[int(raw[16], 16) & 3]
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{variant}{raw[17:20]}-{raw[20:]}"


def _forget_block() -> None:
    _local.__dict__.clear()


# A forked child must not go on with its parent's block: both would give out the same ids.
os.register_at_fork(after_in_child=_forget_block)
