"""The operation context: identity, wrong use, resources, logs and events (contract §5.1, §5.2, §5.6)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.runner_host import MemoryHost


def test_outside_a_context_a_proxy_raises_not_in_context() -> None:
    """Any access without a pushed context is refused by name."""
    from cloudify import ctx
    from cloudify.state import NotInContext, ctx_parameters

    for access in (lambda: ctx.instance, lambda: ctx_parameters["a"], lambda: ctx._get_current_object()):
        with pytest.raises(NotInContext, match="No context set in current execution thread"):
            access()


def test_a_context_is_current_in_its_thread_alone(ctx: Any) -> None:
    """A thread of the author does not inherit the context and may push it."""
    from cloudify import ctx as proxy
    from cloudify.state import NotInContext, current_ctx

    seen: list[Any] = []

    def look() -> None:
        try:
            seen.append(proxy.task_id)
        except NotInContext:
            with current_ctx.push(ctx):
                seen.append(proxy.task_id)

    with current_ctx.push(ctx, {"a": 1}):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert proxy._get_current_object() is ctx
        assert current_ctx.get_parameters().a == 1
    assert seen == ["task-1"]


def test_identity_comes_from_the_mapping(ctx: Any) -> None:
    """Ids and names of execution, deployment, node and plugin are there."""
    assert (ctx.type, ctx.task_type) == ("node-instance", "operation")
    assert (ctx.instance.id, ctx.node.id, ctx.node.name) == ("vm_1", "vm", "vm")
    assert (ctx.deployment.id, ctx.blueprint.id, ctx.execution_id) == ("dep", "bp", "e1")
    assert (ctx.workflow_id, ctx.tenant_name, ctx.task_name) == ("install", "default_tenant", "plugin.create")
    assert (ctx.plugin, ctx.plugin.name, ctx.plugin.package_version) == ("plugin", "plugin", "1.0")
    assert (ctx.operation.name, ctx.operation.retry_number, ctx.operation.max_retries) == (
        "cloudify.interfaces.lifecycle.create",
        0,
        3,
    )
    assert ctx.workflow_parameters == {}
    assert ctx.bypass_maintenance is False
    assert ctx.resume is False


def test_a_node_operation_has_no_source_and_target(ctx: Any) -> None:
    """The wrong half of the context is refused with the contract's text."""
    from cloudify.exceptions import NonRecoverableError

    expected = (
        "ctx.source/ctx.target can only be used in a relationship-instance context but used in a node-instance context."
    )
    for access in ("source", "target"):
        with pytest.raises(NonRecoverableError) as caught:
            getattr(ctx, access)
        assert str(caught.value) == expected


def test_a_relationship_operation_has_no_node_and_instance(
    context_of: Callable[[dict[str, Any]], Any], relationship_mapping: dict[str, Any]
) -> None:
    """The other way round."""
    from cloudify.exceptions import NonRecoverableError

    ctx = context_of(relationship_mapping)
    assert ctx.type == "relationship-instance"
    assert (ctx.source.instance.id, ctx.target.instance.id) == ("app_1", "vm_1")
    for access in ("node", "instance"):
        with pytest.raises(NonRecoverableError, match="can only be used in a node-instance context but used in a rel"):
            getattr(ctx, access)


def test_a_target_operation_sees_the_same_source_and_target(
    context_of: Callable[[dict[str, Any]], Any], relationship_mapping: dict[str, Any]
) -> None:
    """Run at the target, source and target stay what they are."""
    related = {"node_id": "app_1", "node_name": "app", "is_target": False}
    ctx = context_of({**relationship_mapping, "node_id": "vm_1", "node_name": "vm", "related": related})
    assert (ctx.source.instance.id, ctx.target.instance.id) == ("app_1", "vm_1")
    assert (ctx.source.node.id, ctx.target.node.id) == ("app", "vm")


def test_without_a_node_the_context_is_the_deployments(context_of: Callable[[dict[str, Any]], Any]) -> None:
    """Capabilities of a context without instances are refused with the contract's text."""
    from cloudify.exceptions import NonRecoverableError

    ctx = context_of({"type": "operation", "task_id": "t", "deployment_id": "dep"})
    assert ctx.type == "deployment"
    with pytest.raises(NonRecoverableError) as caught:
        _ = ctx.capabilities
    assert str(caught.value) == (
        "capabilities can only be used in a node-instance/relationship-instance context "
        "but used in a deployment context."
    )


def test_node_properties_cannot_be_written(ctx: Any) -> None:
    """Every way to write them is refused."""
    from cloudify.exceptions import NonRecoverableError

    assert ctx.node.properties["size"] == 3
    writes: list[Callable[[], Any]] = [
        lambda: ctx.node.properties.__setitem__("a", 1),
        lambda: ctx.node.properties.update(a=1),
        lambda: ctx.node.properties.pop("size"),
        lambda: ctx.node.properties.clear(),
        lambda: ctx.node.properties.__delitem__("size"),
    ]
    for write in writes:
        with pytest.raises(NonRecoverableError, match="Cannot override read only properties"):
            write()


def test_peers_can_be_read_and_not_written(host: MemoryHost, ctx: Any) -> None:
    """Targets of relationships show their runtime properties and refuse changes."""
    from cloudify.exceptions import NonRecoverableError

    host.add("db_1", "db", runtime_properties={"port": 5432})
    host.instances["vm_1"]["relationships"] = [{"type": "uses", "target_id": "db_1", "target_name": "db"}]
    host.nodes["vm"]["relationships"] = [
        {"type": "uses", "target_id": "db", "type_hierarchy": ["cloudify.relationships.depends_on", "uses"]}
    ]
    (relationship,) = ctx.instance.relationships
    assert relationship.type_hierarchy == ["cloudify.relationships.depends_on", "uses"]
    assert (relationship.target.instance.id, relationship.target.node.id) == ("db_1", "db")
    assert relationship.target.instance.runtime_properties["port"] == 5432
    with pytest.raises(NonRecoverableError) as caught:
        relationship.target.instance.runtime_properties["port"] = 1
    assert str(caught.value) == "Cannot modify runtime properties of relationship node instances"


def test_capabilities_collect_the_targets_properties(host: MemoryHost, ctx: Any) -> None:
    """A key of one target is found, a missing or an ambiguous one is refused."""
    from cloudify.exceptions import NonRecoverableError

    host.add("db_1", "db", runtime_properties={"port": 1, "same": 1})
    host.add("mq_1", "mq", runtime_properties={"same": 2})
    host.instances["vm_1"]["relationships"] = [
        {"type": "uses", "target_id": name, "target_name": name[:2]} for name in ("db_1", "mq_1")
    ]
    assert ctx.capabilities["port"] == 1
    assert "port" in ctx.capabilities
    assert "nothing" not in ctx.capabilities
    assert set(ctx.capabilities.get_all()) == {"db_1", "mq_1"}
    for key in ("nothing", "same"):
        with pytest.raises(NonRecoverableError):
            ctx.capabilities[key]


def test_host_ip_is_the_hosts_runtime_property_or_its_nodes_property(
    host: MemoryHost, context_of: Callable[[dict[str, Any]], Any], mapping: dict[str, Any]
) -> None:
    """First the runtime property of the host instance, then the property of its node, else a refusal."""
    from cloudify.exceptions import NonRecoverableError

    host.add("host_1", "host", properties={"ip": "10.0.0.9"}, runtime_properties={"ip": "10.0.0.1"})
    host.instances["vm_1"]["host_id"] = "host_1"
    assert context_of(mapping).instance.host_ip == "10.0.0.1"
    host.instances["host_1"]["runtime_properties"] = {}
    assert context_of(mapping).instance.host_ip == "10.0.0.9"
    host.nodes["host"]["properties"] = {}
    with pytest.raises(NonRecoverableError, match="could not find ip"):
        _ = context_of(mapping).instance.host_ip


def test_index_groups_and_drift_are_there(host: MemoryHost, ctx: Any) -> None:
    """What the storage knows of an instance beside its properties."""
    host.instances["vm_1"].update(
        index=4,
        scaling_groups=[{"id": "g_1", "name": "g"}],
        system_properties={"configuration_drift": {"ok": True, "result": {"x": 1}}},
    )
    assert (ctx.instance.index, ctx.instance.scaling_groups, ctx.instance.drift) == (4, {"g_1": "g"}, {"x": 1})


def test_a_resource_is_bytes_a_file_or_rendered(host: MemoryHost, ctx: Any, tmp_path: Path) -> None:
    """The four ways to get a resource, with and without a target path."""
    (host.root / "resources" / "conf.txt").write_text("size={{ ctx.node.properties.size }} a={{ a }}\n")
    (host.root / "resources" / "raw.bin").write_bytes(b"\x00\xff{")
    assert ctx.get_resource("raw.bin") == b"\x00\xff{"
    assert ctx.get_resource_and_render("raw.bin") == b"\x00\xff{"
    assert ctx.get_resource_and_render("conf.txt", {"a": 5}) == b"size=3 a=5"
    path = ctx.download_resource("raw.bin")
    assert Path(path).read_bytes() == b"\x00\xff{"
    assert Path(path).name == "raw.bin"
    target = str(tmp_path / "out" / "x.conf")
    assert ctx.download_resource_and_render("conf.txt", target, {"a": 1}) == target
    assert Path(target).read_text() == "size=3 a=1"


def test_a_template_sees_unsaved_runtime_properties(host: MemoryHost, ctx: Any) -> None:
    """What the operation has set is what its template shows, saved or not."""
    (host.root / "resources" / "t.txt").write_text("{{ ctx.instance.runtime_properties.port }}")
    ctx.instance.runtime_properties["port"] = 8080
    assert ctx.get_resource_and_render("t.txt") == b"8080"
    assert host.instances["vm_1"]["runtime_properties"] == {}


def test_a_missing_resource_is_a_404(ctx: Any) -> None:
    """All four methods name the path."""
    from cloudify.exceptions import HttpException

    calls = (ctx.get_resource, ctx.get_resource_and_render, ctx.download_resource, ctx.download_directory)
    for call in calls:
        with pytest.raises(HttpException) as caught:
            call("no/such")
        assert (caught.value.code, "Resource not found: no/such" in str(caught.value)) == (404, True)


def test_ctx_is_no_name_for_a_template_variable(host: MemoryHost, ctx: Any) -> None:
    """The reserved name is refused, a broken template too."""
    from cloudify.exceptions import NonRecoverableError
    from cloudify_rest_client.exceptions import CloudifyClientError

    (host.root / "resources" / "t.txt").write_text("{% if %}")
    with pytest.raises(NonRecoverableError):
        ctx.get_resource_and_render("t.txt", {"ctx": 1})
    with pytest.raises(CloudifyClientError, match="Failed rendering"):
        ctx.get_resource_and_render("t.txt")


def test_a_directory_is_copied_with_its_tree(host: MemoryHost, ctx: Any) -> None:
    """Every file below the directory arrives."""
    (host.root / "resources" / "d" / "e").mkdir(parents=True)
    (host.root / "resources" / "d" / "e" / "f").write_text("x")
    assert (Path(ctx.download_directory("d")) / "e" / "f").read_text() == "x"


def test_deployment_files_stay_inside_the_deployment(host: MemoryHost, ctx: Any, tmp_path: Path) -> None:
    """A file can be stored and removed; a path that leaves the folder is refused."""
    from cloudify.exceptions import NonRecoverableError

    source = tmp_path / "src"
    source.write_text("x")
    ctx.upload_deployment_file("a/b.txt", str(source), 1000)
    stored = host.root / "files" / "a" / "b.txt"
    assert (stored.read_text(), stored.stat().st_mtime) == ("x", 1000)
    ctx.delete_deployment_file("a/b.txt")
    assert not stored.exists()
    with pytest.raises(NonRecoverableError):
        ctx.upload_deployment_file("../../escape", str(source))
    assert Path(ctx.local_deployment_workdir()) == host.root / "workdir"
    with ctx.sync_deployment_workdir():
        pass


def test_logs_and_events_carry_the_instance_and_the_operation(host: MemoryHost, ctx: Any) -> None:
    """A log knows its operation and logger, an event its type; both know the instance."""
    ctx.logger.warning("hello %s", "you")
    ctx.send_event("look")
    log, event = host.records
    assert (log["type"], log["level"], log["message"], log["logger"]) == (
        "cloudify_log",
        "warning",
        "hello you",
        "ctx.task-1",
    )
    assert (log["node_instance_id"], log["node_name"], log["operation"]) == (
        "vm_1",
        "vm",
        "cloudify.interfaces.lifecycle.create",
    )
    assert (event["type"], event["event_type"], event["message"], event["node_instance_id"]) == (
        "cloudify_event",
        "plugin_event",
        "look",
        "vm_1",
    )
    assert event["reported_timestamp"].endswith("Z")


def test_records_of_a_relationship_operation_name_both_sides(
    host: MemoryHost, context_of: Callable[[dict[str, Any]], Any], relationship_mapping: dict[str, Any]
) -> None:
    """Source and target instead of an instance."""
    context_of(relationship_mapping).logger.info("x")
    (log,) = host.records
    assert (log["source_id"], log["target_id"], log.get("node_instance_id")) == ("app_1", "vm_1", None)


def test_a_huge_log_line_is_cut(host: MemoryHost, ctx: Any) -> None:
    """One record never takes more than its limit."""
    ctx.logger.info("x" * 3_000_000)
    assert len(host.records[0]["message"]) < 1_100_000


def test_an_exception_is_logged_with_its_traceback(host: MemoryHost, ctx: Any) -> None:
    """`logger.exception` shows where it happened."""
    try:
        raise ValueError("boom")
    except ValueError:
        ctx.logger.exception("failed")
    assert "ValueError: boom" in host.records[0]["message"]


def test_the_manager_answers_questions(ctx: Any) -> None:
    """Configuration, managers, tenant, provider and bootstrap context, executions."""
    assert ctx.get_config("n", "rest")[0]["value"] == 1
    assert ctx.get_managers()[0]["hostname"] == "manager"
    assert ctx.get_brokers() == []
    assert ctx.tenant == {"name": "default_tenant"}
    assert ctx.provider_context["cloudify"]["cloudify_agent"] == {"min_workers": 2}
    assert ctx.bootstrap_context.cloudify_agent.min_workers == 2
    assert ctx.bootstrap_context.resources_prefix == "p_"
    assert ctx.get_execution()["id"] == "e1"


def test_the_stored_operation_can_be_read_and_set(host: MemoryHost, ctx: Any) -> None:
    """By the id of the task."""
    host.operations["task-1"] = {"id": "task-1", "state": "started"}
    ctx.update_operation("response-sent")
    assert ctx.get_operation()["state"] == "response-sent"


def test_the_plugins_work_directory_is_made_on_access(
    context_of: Callable[[dict[str, Any]], Any], mapping: dict[str, Any], tmp_path: Path
) -> None:
    """It exists when it is asked for."""
    mapping["plugin"]["workdir"] = str(tmp_path / "w" / "plugin")
    assert Path(context_of(mapping).plugin.workdir).is_dir()


def test_only_compute_nodes_have_an_agent(ctx: Any) -> None:
    """Others are refused by type."""
    from cloudify.exceptions import NonRecoverableError

    with pytest.raises(NonRecoverableError, match=r"ctx\.agent can only be used with compute nodes"):
        _ = ctx.agent
