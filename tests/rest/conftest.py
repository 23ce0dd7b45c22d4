"""Every answer that these tests get is held against the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from manager_core.bootstrap import Core
from manager_core.rest.app import create_app
from tests.support.conforming import ConformingClient
from tests.support.databases import ADMIN_PASSWORD
from tests.support.requests import BASE_URL, basic


@pytest.fixture
def client(core: Core) -> Iterator[ConformingClient]:
    """A client of the API as `admin` in `default_tenant`, on both databases."""
    headers = {"Tenant": "default_tenant", **basic("admin", ADMIN_PASSWORD)}
    with ConformingClient(create_app(core), base_url=BASE_URL, headers=headers) as client:
        yield client
