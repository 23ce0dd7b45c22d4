"""Calls of operations are answered from the host, refusals become data with the status of their kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from manager_core.errors import BadParameters, Conflict, Forbidden, NotFound
from manager_core.runtime.host_calls import answer, describe_refusal
from manager_core.runtime.ports_runner import HostRefusal
from tests.support.runner_host import MemoryHost

REFUSALS = [
    (NotFound("x"), 404, "not_found_error"),
    (Conflict("x"), 409, "conflict_error"),
    (BadParameters("x"), 400, "bad_parameters_error"),
    (Forbidden("x"), 403, "forbidden_error"),
    (LookupError("x"), 404, "not_found_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), REFUSALS, ids=[type(error).__name__ for error, *_ in REFUSALS])
def test_a_refusal_keeps_status_code_and_message(error: Exception, status: int, code: str) -> None:
    """As the REST API would answer."""
    assert describe_refusal(error) == {"status": status, "code": code, "message": "x"}


def test_a_bug_of_the_host_is_a_500_with_its_type() -> None:
    """It is not hidden."""
    assert describe_refusal(ZeroDivisionError("x")) == {
        "status": 500,
        "code": "internal_server_error",
        "message": "ZeroDivisionError: x",
    }


def test_only_the_table_of_calls_can_be_called(tmp_path: Path) -> None:
    """No attribute of the host beyond it."""
    host = MemoryHost(tmp_path)
    for name in ("__class__", "add", "records", "no_such"):
        with pytest.raises(HostRefusal):
            answer(host, name, {}, {})


def test_paths_are_answered_as_text(tmp_path: Path) -> None:
    """They have to cross as JSON."""
    host = MemoryHost(tmp_path)
    (tmp_path / "resources" / "a").write_text("x")
    assert answer(host, "get_resource", {"path": "a"}, {}) == str(tmp_path / "resources" / "a")
    assert answer(host, "deployment_workdir", {}, {}) == str(tmp_path / "workdir")
