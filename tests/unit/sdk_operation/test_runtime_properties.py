"""Runtime properties: what is noticed, when they are saved, conflicts (workflow-runtime contract §5.3)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.runner_host import MemoryHost


def _change_pop(properties: dict[str, Any]) -> None:
    properties.pop("a")


NOTICED: dict[str, Callable[[Any], Any]] = {
    "assignment": lambda p: p.__setitem__("b", 1),
    "del": lambda p: p.__delitem__("a"),
    "update": lambda p: p.update(b=1),
    "clear": lambda p: p.clear(),
    "pop": _change_pop,
    "popitem": lambda p: p.popitem(),
}


@pytest.mark.parametrize("how", NOTICED)
def test_a_change_of_the_first_level_is_noticed(how: str) -> None:
    """Every writing method of the first level marks the dict."""
    from cloudify.manager import DirtyTrackingDict

    properties = DirtyTrackingDict({"a": {"b": 1}})
    assert not properties.dirty
    NOTICED[how](properties)
    assert properties.dirty


def test_a_nested_change_and_setdefault_are_not_noticed() -> None:
    """The author says so, or assigns again."""
    from cloudify.manager import DirtyTrackingDict

    properties = DirtyTrackingDict({"a": {"b": 1}})
    properties["a"]["b"] = 2
    properties.setdefault("c", 1)
    assert not properties.dirty
    properties._set_changed()
    assert properties.dirty


def test_properties_copy_and_serialise_as_plain_dicts() -> None:
    """Deep copies and JSON do not carry the tracking along."""
    from cloudify.manager import DirtyTrackingDict

    properties = DirtyTrackingDict({"a": {"b": [1]}})
    assert type(copy.deepcopy(properties)) is dict
    assert json.loads(json.dumps(properties)) == {"a": {"b": [1]}}


def test_update_saves_and_the_next_access_loads_anew(host: MemoryHost, ctx: Any) -> None:
    """After `update` another writer's change is seen."""
    ctx.instance.runtime_properties["a"] = 1
    ctx.instance.update()
    assert (host.instances["vm_1"]["runtime_properties"], host.instances["vm_1"]["version"]) == ({"a": 1}, 2)
    host.instances["vm_1"]["runtime_properties"] = {"a": 2}
    assert ctx.instance.runtime_properties == {"a": 2}


def test_update_of_unchanged_properties_saves_nothing(host: MemoryHost, ctx: Any) -> None:
    """Reading costs no version."""
    assert ctx.instance.runtime_properties == {}
    ctx.instance.update()
    assert host.instances["vm_1"]["version"] == 1


def test_the_dirty_flag_saves_a_nested_change(host: MemoryHost, ctx: Any) -> None:
    """Setting `dirty` is enough."""
    host.instances["vm_1"]["runtime_properties"] = {"a": {"b": 1}}
    ctx.instance.runtime_properties["a"]["b"] = 2
    ctx.instance.runtime_properties.dirty = True
    ctx.instance.update()
    assert host.instances["vm_1"]["runtime_properties"] == {"a": {"b": 2}}


def test_replacing_the_whole_attribute_is_a_change(host: MemoryHost, ctx: Any) -> None:
    """The new dict is stored, the old keys are gone."""
    host.instances["vm_1"]["runtime_properties"] = {"old": 1}
    ctx.instance.runtime_properties = {"new": 1}
    ctx.instance.update()
    assert host.instances["vm_1"]["runtime_properties"] == {"new": 1}


def test_a_save_sends_the_state_read_with_the_properties(host: MemoryHost, ctx: Any) -> None:
    """The state is written back as it was."""
    host.instances["vm_1"]["state"] = "creating"
    ctx.instance.runtime_properties["a"] = 1
    ctx.instance.update()
    assert host.instances["vm_1"]["state"] == "creating"


def test_a_newer_version_is_a_conflict(host: MemoryHost, ctx: Any) -> None:
    """The refusal is a 409 with the contract's text."""
    from cloudify_rest_client.exceptions import CloudifyClientError

    ctx.instance.runtime_properties["a"] = 1
    host.instances["vm_1"]["version"] = 5
    with pytest.raises(CloudifyClientError) as caught:
        ctx.instance.update()
    assert caught.value.status_code == 409
    assert "Node instance update conflict [current version=5, update version=1]" in str(caught.value)


def test_on_conflict_is_called_until_it_succeeds(host: MemoryHost, ctx: Any) -> None:
    """First with my properties twice, then with the latest; what it returns is stored."""
    seen: list[tuple[dict[str, Any], dict[str, Any]]] = []
    properties = ctx.instance.runtime_properties
    properties["mine"] = 1

    def merge(mine: dict[str, Any], latest: dict[str, Any]) -> dict[str, Any]:
        seen.append((dict(mine), dict(latest)))
        if len(seen) < 3:  # somebody is quicker, twice
            host.instances["vm_1"]["version"] += 1
            host.instances["vm_1"]["runtime_properties"] = {"theirs": len(seen)}
        return {**latest, **mine}

    ctx.instance.update(merge)
    assert seen == [
        ({"mine": 1}, {"mine": 1}),
        ({"mine": 1}, {"theirs": 1}),
        ({"mine": 1}, {"theirs": 2}),
    ]
    assert host.instances["vm_1"]["runtime_properties"] == {"theirs": 2, "mine": 1}


def test_an_error_of_the_handler_is_raised(ctx: Any) -> None:
    """Only conflicts are retried."""
    ctx.instance.runtime_properties["mine"] = 1

    def fail(_mine: Any, _latest: Any) -> Any:
        raise ValueError("cannot merge")

    with pytest.raises(ValueError, match="cannot merge"):
        ctx.instance.update(fail)


def test_the_simple_merge_handler_adds_and_refuses_to_choose() -> None:
    """Keys of one side are kept, a key with two values is an error."""
    from cloudify.conflict_handlers import simple_merge_handler

    assert simple_merge_handler({"a": 1, "b": 2}, {"a": 1, "c": 3}) == {"a": 1, "b": 2, "c": 3}
    with pytest.raises(ValueError, match="Cannot merge - a changed"):
        simple_merge_handler({"a": 1}, {"a": 2})


def test_refresh_keeps_unsaved_changes_unless_forced(host: MemoryHost, ctx: Any) -> None:
    """Losing changes needs `force`."""
    from cloudify.exceptions import NonRecoverableError

    ctx.instance.runtime_properties["a"] = 1
    with pytest.raises(NonRecoverableError) as caught:
        ctx.instance.refresh()
    assert str(caught.value) == "runtime_properties are dirty: refreshing now would destroy local changes"
    host.instances["vm_1"]["runtime_properties"] = {"b": 1}
    ctx.instance.refresh(force=True)
    assert ctx.instance.runtime_properties == {"b": 1}


def test_node_instances_by_id_are_dicts_with_a_version(host: MemoryHost) -> None:
    """`cloudify.manager` reads and stores any instance of the tenant."""
    from cloudify import endpoint, manager

    from manager_core.runtime.host_calls import HostTransport

    before = endpoint._process_transport
    endpoint.set_transport(HostTransport(host, {}))
    try:
        host.instances["vm_1"]["runtime_properties"] = {"ip": "10.0.0.1"}
        instance = manager.get_node_instance("vm_1")
        assert (instance["ip"], instance.get("no"), "ip" in instance) == ("10.0.0.1", None, True)
        instance["port"] = 1
        instance.delete("ip")
        instance.state = "configured"
        assert instance.dirty
        manager.update_node_instance(instance)
        stored = host.instances["vm_1"]
        assert (stored["runtime_properties"], stored["state"], stored["version"]) == ({"port": 1}, "configured", 2)
        stored["runtime_properties"] = {}
        host.nodes["vm"]["properties"]["ip"] = "10.0.0.2"
        assert manager.get_node_instance_ip("vm_1") == "10.0.0.2"
    finally:
        endpoint.set_transport(before)
