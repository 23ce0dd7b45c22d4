"""Task ids: UUIDs of which a thread makes one at random and counts the others up from there."""

from __future__ import annotations

import itertools
import os
import threading
import uuid

_local = threading.local()


def new_id() -> str:
    """Return a UUID (version 4) as text that nobody else gives out.

    Those of one thread share the random digits before the last hyphen; what follows is counted, from a random number on
    that leaves room for 2**47 ids.
    """
    try:
        prefix, numbers = _local.source
    except AttributeError:
        text = str(uuid.uuid4())
        prefix, numbers = _local.source = text[:24], itertools.count(int(text[24:], 16) >> 1)
    return f"{prefix}{next(numbers):012x}"


def _forget_source() -> None:
    _local.__dict__.clear()


# A forked child must not go on with its parent's: both would give out the same ids.
os.register_at_fork(after_in_child=_forget_source)
