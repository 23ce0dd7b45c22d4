"""The install lifecycle of one node instance (workflow-runtime.md §4.2)."""

from __future__ import annotations

from typing import Any

from manager_core.workflows.hosts import host_post_start, is_host_node
from manager_core.workflows.relationship_steps import relationships_operations
from manager_core.workflows.steps import Mark, operation_step

LIFECYCLE = "cloudify.interfaces.lifecycle"
VALIDATION = "cloudify.interfaces.validation"
MONITORING = "cloudify.interfaces.monitoring"
RELATIONSHIP = "cloudify.interfaces.relationship_lifecycle"

_FROM_STARTED = frozenset({"started"})
_FROM_CONFIGURED = _FROM_STARTED | {"configured", "starting"}
_FROM_CREATED = _FROM_CONFIGURED | {"created", "configuring"}
_FROM_CREATING = _FROM_CREATED | {"creating"}

_NOTHING = "{}: nothing to do"

Step = tuple[list[Any], str | None]
"""The items of a step, empty if it has nothing to run, and the event sent in that case."""


def build_install(instance: Any, graph: Any) -> Any:
    """Add the subgraph ``install_<id>`` to `graph` and return it.

    Which steps it has depends on the instance's state as it was loaded: what was done is not done again.
    """
    subgraph = graph.subgraph(f"install_{instance.id}")
    subgraph.info.update(instance_id=instance.id, lifecycle="install")
    steps = _steps(instance, subgraph)
    sequence = subgraph.sequence()
    if not any(items for items, _ in steps):
        sequence.add(Mark("Node instance started (nothing to do)", "started").tasks(instance))
        return subgraph
    sequence.add(instance.set_state("initializing"))
    for items, otherwise in steps:
        if items:
            sequence.add(*items)
        elif otherwise is not None:
            sequence.add(instance.send_event(_NOTHING.format(otherwise)))
    sequence.add(Mark("Node instance started", "started").tasks(instance))
    return subgraph


def _steps(instance: Any, subgraph: Any) -> list[Step]:
    now = instance.state

    def operation(
        done_from: frozenset[str], name: str, before: Mark | None = None, after: Mark | None = None
    ) -> list[Any]:
        return [] if now in done_from else operation_step(instance, name, before, after)

    def relationships(done_from: frozenset[str], name: str, before: str, after: str) -> list[Any]:
        if now in done_from:
            return []
        operations = relationships_operations(subgraph, instance, f"{RELATIONSHIP}.{name}")
        return [] if operations is None else [instance.send_event(before), operations, instance.send_event(after)]

    validate = operation(
        _FROM_CREATING,
        f"{VALIDATION}.create",
        Mark("Validating node instance before creation"),
        Mark("Node instance validated before creation"),
    )
    precreate = operation(
        _FROM_CREATING, f"{LIFECYCLE}.precreate", Mark("Precreating node instance"), Mark("Node instance precreated")
    )
    create = operation(
        _FROM_CREATED,
        f"{LIFECYCLE}.create",
        Mark("Creating node instance", "creating"),
        Mark("Node instance created", "created"),
    )
    preconfigure = relationships(
        _FROM_CONFIGURED, "preconfigure", "Pre-configuring relationships", "Relationships pre-configured"
    )
    configure = operation(
        _FROM_CONFIGURED,
        f"{LIFECYCLE}.configure",
        Mark("Configuring node instance", "configuring"),
        Mark("Node instance configured", "configured"),
    )
    postconfigure = relationships(
        _FROM_STARTED, "postconfigure", "Post-configuring relationships", "Relationships post-configured"
    )
    start = operation(_FROM_STARTED, f"{LIFECYCLE}.start", Mark("Starting node instance", "starting"))
    host = host_post_start(instance) if is_host_node(instance) and now not in _FROM_STARTED else []
    poststart = operation(
        _FROM_STARTED, f"{LIFECYCLE}.poststart", Mark("Poststarting node instance"), Mark("Node instance poststarted")
    )
    monitor = operation(_FROM_STARTED, f"{MONITORING}.start")
    establish = relationships(_FROM_STARTED, "establish", "Establishing relationships", "Relationships established")
    return [
        (validate, "Validating node instance before creation"),
        (precreate, "Precreating node instance"),
        (create, "Creating node instance"),
        (preconfigure, None),
        (configure, "Configuring node instance"),
        (postconfigure, None),
        (start, "Starting node instance"),
        (host, None),
        (poststart, "Poststarting node instance"),
        (monitor, None),
        (establish, None),
    ]
