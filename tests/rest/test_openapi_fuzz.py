"""Requests made from the OpenAPI document: none makes the server fail, and every answer is one that it declares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from manager_core.bootstrap import build
from manager_core.rest.app import create_app
from tests.support.databases import ADMIN_PASSWORD, SqliteTemplate, test_settings
from tests.support.requests import basic

EXAMPLES = 60 if os.environ.get("HYPOTHESIS_PROFILE") == "ci" else 10
"""Requests of each operation."""

HEADERS = {"Tenant": "default_tenant", **basic("admin", ADMIN_PASSWORD)}
ENVELOPE = {"message", "error_code", "server_traceback"}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, sqlite_template: SqliteTemplate) -> Iterator[Any]:
    """An application on a database that all requests share, so that later ones meet what earlier ones stored."""
    data_dir: Path = tmp_path_factory.mktemp("fuzz") / "data"
    sqlite_template.copy_into(data_dir)
    core = build(test_settings(data_dir))
    yield create_app(core)
    core.close()


def complaints(case: Any) -> list[str]:
    """Make a request; return what is wrong with its answer."""
    answer = case.call(headers=HEADERS)
    where = f"{case.method} {case.formatted_path} {answer.status_code}"
    found = []
    if answer.status_code >= 500 and answer.status_code != 503:
        found.append(f"{where}: the server failed: {answer.text[:300]}")
    if case.method == "HEAD":
        return found  # no answer has a body
    if answer.status_code >= 400 and case.path != "/health":  # its 503 is the report itself
        body = answer.json() if answer.headers.get("content-type", [""])[0].startswith("application/json") else None
        if not isinstance(body, dict) or not set(body) >= ENVELOPE or not body["message"]:
            found.append(f"{where}: not in the envelope of errors: {answer.text[:300]}")
    elif answer.status_code == 204:
        if answer.content:
            found.append(f"{where}: 204 with a body")
    else:
        found.extend(_departures(case, answer, where))
    return found


def _departures(case: Any, answer: Any, where: str) -> list[str]:
    """Return how an answer differs from the one that the document declares."""
    try:
        case.validate_response(
            answer, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
        )
    except (AssertionError, BaseExceptionGroup) as error:
        return [f"{where}: not as documented: {str(error)[:600]}"]
    return []


def test_no_request_the_document_allows_makes_the_server_fail_or_leave_the_envelope(application: Any) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", application)
    found: list[str] = []
    for operation in (each.ok() for each in schema.get_all_operations()):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            found.extend(complaints(case))

        ask()
    assert sorted(set(found)) == []
