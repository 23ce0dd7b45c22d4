"""A body that is too large is refused in the envelope, whether its length is declared or found out (REST §1.10)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.rest import app as rest_app
from tests.support.databases import ADMIN_PASSWORD
from tests.support.requests import basic, client_of, error


@pytest.fixture
def client(sqlite_core: Core, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A client of an application that takes 2000 bytes."""
    monkeypatch.setattr(rest_app, "MAX_BODY", 2000)
    with client_of(sqlite_core, Tenant="default_tenant", **basic("admin", ADMIN_PASSWORD)) as client:
        yield client


def test_a_declared_length_is_refused_in_the_envelope(client: TestClient) -> None:
    answer = client.put("/secrets/k", json={"value": "v" * 3000})
    assert error(answer)[:2] == (413, "bad_parameters_error")
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_a_length_that_turns_out_is_refused_in_the_envelope(client: TestClient) -> None:
    answer = client.put("/secrets/k", content=iter([b"x" * 1000] * 3), headers={"content-type": "application/json"})
    assert error(answer)[:2] == (413, "bad_parameters_error")


def test_what_fits_is_taken(client: TestClient) -> None:
    assert client.put("/secrets/k", json={"value": "v" * 1000}).status_code == 200
