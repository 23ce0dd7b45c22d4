"""`serial_operation`: instances one after the other, by index (contract §1.2)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cloudify import manager
from cloudify.decorators import serial_operation
from cloudify.exceptions import CloudifySerializationRetry

ME = 3


def a_context(workflow: str = "install") -> Any:
    return SimpleNamespace(
        workflow_id=workflow,
        deployment=SimpleNamespace(id="d"),
        node=SimpleNamespace(id="n"),
        instance=SimpleNamespace(id=f"n_{ME}"),
    )


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """States of the instances 1, 2, 3 ..., served by a REST client in the manager's place."""
    found: list[str] = []

    def listed(**_: Any) -> list[dict[str, Any]]:
        numbered = [{"id": f"n_{number}", "index": number, "state": state} for number, state in enumerate(found, 1)]
        return numbered[::-1]

    client = SimpleNamespace(node_instances=SimpleNamespace(list=listed))
    monkeypatch.setattr(manager, "get_rest_client", lambda *_, **__: client)
    return found


@serial_operation()
def plain(ctx: Any) -> str:
    return "ran"


def test_it_waits_until_all_lower_ones_are_started(states: list[str]) -> None:
    states.extend(["started", "creating", "creating"])
    with pytest.raises(CloudifySerializationRetry):
        plain(ctx=a_context())
    states[1] = "started"
    assert plain(ctx=a_context()) == "ran"


def test_other_workflows_do_not_wait(states: list[str]) -> None:
    states.extend(["creating"] * 3)
    assert plain(ctx=a_context("uninstall")) == "ran"


def test_below_the_threshold_nobody_waits(states: list[str]) -> None:
    @serial_operation(threshold=2, workflows=["scale"], states=["configured"], resumable=True)
    def some(ctx: Any) -> str:
        return "ran"

    states.extend(["configured", "creating", "creating"])
    assert some(ctx=a_context("scale")) == "ran"
    states.append("configured")
    with pytest.raises(CloudifySerializationRetry):
        some(ctx=a_context("scale"))
    assert some.resumable is True
