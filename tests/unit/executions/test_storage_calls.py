"""Every storage call that the port promises is there."""

from __future__ import annotations

from manager_core.runtime.ports import STORAGE_CALLS
from manager_core.runtime.storage_calls import CALLS


def test_every_promised_storage_call_is_implemented() -> None:
    assert set(CALLS) == STORAGE_CALLS
