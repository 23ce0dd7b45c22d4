"""The OpenAPI document says what the API takes, and what it answers."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest

from manager_core.bootstrap import build
from manager_core.rest.answers import ANSWERS, EXAMPLES
from manager_core.rest.app import create_app
from manager_core.rest.openapi import TAGS
from tests.support.databases import SqliteTemplate, test_settings

METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, sqlite_template: SqliteTemplate) -> object:
    """An application on a database that all tests here share."""
    data_dir: Path = tmp_path_factory.mktemp("openapi") / "data"
    sqlite_template.copy_into(data_dir)
    core = build(test_settings(data_dir))
    yield create_app(core)
    core.close()


def operations(application: object) -> list[tuple[str, str, dict[str, object]]]:
    """Return (method, path, operation) of the whole document."""
    paths = application.openapi()["paths"]
    return [(method, path, found[method]) for path, found in paths.items() for method in found if method in METHODS]


def test_every_operation_reads_well(application: object) -> None:
    tags = {tag["name"] for tag in TAGS}
    for method, path, operation in operations(application):
        where = f"{method} {path}"
        assert operation.get("summary"), where
        assert set(operation.get("tags", ())) & tags, where
        assert "422" not in operation["responses"], where
        assert operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith("Error"), (
            where
        )


def test_operation_ids_are_unique(application: object) -> None:
    found = [operation["operationId"] for _, _, operation in operations(application)]
    assert len(found) == len(set(found))


def test_credentials_are_documented_where_they_are_needed(application: object) -> None:
    for _, path, operation in operations(application):
        assert bool(operation.get("security")) is (path not in {"/health", "/api/v3.1/ok", "/api/v3.1/snapshot-status"})


def test_every_answer_has_a_schema(application: object) -> None:
    """What is answered as JSON is described, member by member; the table has no row for what is not there."""
    document = application.openapi()
    paths, base = document["paths"], "/api/v3.1"
    for endpoint in ANSWERS:
        method, _, path = endpoint.partition(" ")
        assert method.lower() in paths.get(base + path, {}), endpoint
    for method, path, operation in operations(application):
        if not path.startswith(base) or path.startswith(f"{base}/internal/"):
            continue
        for status, answer in operation["responses"].items():
            json_type = answer.get("content", {}).get("application/json")
            if status.startswith("2") and json_type is not None:
                assert json_type.get("schema"), f"{method} {path} {status}"


def test_examples_are_as_their_schemas_say(application: object) -> None:
    document = application.openapi()
    for name, example in EXAMPLES.items():
        schema = {**document["components"]["schemas"][name], "components": document["components"]}
        assert [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(example)] == [], name
