"""Promises of a deployment's status, of display names and of input names (REST contract §6)."""

from __future__ import annotations

from typing import Any

import pytest

from manager_core.deployments.service import check_input_names, checked_display_name
from manager_core.deployments.status import deployment_status
from manager_core.errors import BadParameters, ManagerError
from manager_core.states import ExecutionStatus


@pytest.mark.parametrize("status", list(ExecutionStatus))
@pytest.mark.parametrize("installation", ["active", "inactive"])
def test_the_status_follows_the_latest_execution_then_the_installation(
    status: ExecutionStatus, installation: str
) -> None:
    """What is under way shows; else a failure or an inactive installation asks for attention."""
    if status in {"pending", "started", "queued", "cancelling", "force_cancelling", "kill_cancelling"}:
        expected = "in_progress"
    elif status == "failed" or installation == "inactive":
        expected = "requires_attention"
    else:
        expected = "good"
    assert deployment_status(status.value, installation) == expected


def test_display_names_are_normalised_and_bounded() -> None:
    """NFKC; empty is none; control characters and great length are refused."""
    assert checked_display_name("ﬁne") == "fine"
    assert checked_display_name("") is None
    assert checked_display_name("x" * 256) == "x" * 256
    for bad in ("x" * 257, "a\nb", "a\x7fb", "a\u200bb"):
        with pytest.raises(BadParameters):
            checked_display_name(bad)


@pytest.mark.parametrize(
    ("schema", "given", "missing"),
    [
        ({}, {}, True),
        ({"default": 1}, {}, False),
        ({"default": None}, {}, True),
        ({"required": False}, {}, False),
        ({"required": True}, {}, True),
        ({}, {"a": None}, False),
        (None, {}, True),
    ],
)
def test_an_input_without_a_value_is_missing(schema: Any, given: dict[str, Any], missing: bool) -> None:
    """Unless it has a default, is not required, or is given, be it null."""
    if not missing:
        check_input_names({"inputs": {"a": schema}}, given)
        return
    with pytest.raises(ManagerError, match="missing inputs: a"):
        check_input_names({"inputs": {"a": schema}}, given)
