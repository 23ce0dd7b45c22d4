"""A manager and an admin's `cfy` for each module that drives one noun of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.processes import Manager
from tests.support.warm_cfy import WarmCfy


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """One running manager for the module."""
    process = Manager(tmp_path_factory.mktemp("manager") / "data")
    try:
        yield process.ready()
    finally:
        process.kill_group()


@pytest.fixture(scope="module")
def cfy(manager: Manager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCfy]:
    """`cfy` as admin, its profile set."""
    command = WarmCfy(tmp_path_factory.mktemp("cfy"), manager)
    try:
        command(*command.profile)
        yield command
    finally:
        command.close()
