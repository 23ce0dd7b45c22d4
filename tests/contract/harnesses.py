"""The implementations that the simulator runs over, by name; the contract suite has its own fixtures."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.due_harness import HARNESSES, DueHarness


def _sqlite() -> DueHarness:
    from tests.contract.database_harness import sqlite_harness

    return sqlite_harness()


def _postgresql() -> DueHarness:
    from tests.contract.database_harness import postgres_harness

    return postgres_harness()


# the manager core is imported only for those who ask for its database
ALL_HARNESSES: dict[str, Callable[[], DueHarness]] = {**HARNESSES, "sqlite": _sqlite, "postgresql": _postgresql}
