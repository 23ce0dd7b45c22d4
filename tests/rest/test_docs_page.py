"""The API's documentation page works on a closed network: it takes nothing from another host."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from manager_core.bootstrap import Core
from manager_core.rest.app import create_app
from tests.support.requests import ROOT


def test_the_page_loads_nothing_from_another_host(sqlite_core: Core) -> None:
    with TestClient(create_app(sqlite_core), base_url=ROOT) as stranger:
        page = stranger.get("/docs")
        assert page.status_code == 200
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        wanted = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
        assert len(wanted) == 3
        for address in [*wanted, "/openapi.json"]:
            assert address.startswith("/"), address
            answer = stranger.get(address)
            assert answer.status_code == 200, address
            assert len(answer.content) > 500, address
        assert re.search(r"""url:\s*["']/openapi.json["']""", page.text)


@pytest.mark.parametrize("name", ["main.py", "__init__.py", "..%2fmain.py", "%2e%2e/main.py"])
def test_no_other_file_of_the_package_is_served(sqlite_core: Core, name: str) -> None:
    with TestClient(create_app(sqlite_core), base_url=ROOT) as stranger:
        assert stranger.get(f"/docs/{name}").status_code == 404
